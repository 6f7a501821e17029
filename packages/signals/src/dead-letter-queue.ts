import type { Clock, DeadLetter, Store, StoreOperation } from '@murmuration/interface'
import { InvalidParametersError } from '@murmuration/interface'
import { DeadLetterRecord, openRecord, sealRecord } from './core/records.ts'
import { decodeSignal } from './core/wire.ts'
import type { Counters } from './counters.ts'
import * as defaults from './defaults.ts'

export interface DeadLetterQueueInit {
  readonly store: Store
  readonly clock: Clock
  readonly counters: Counters
  readonly onCorrupt: (key: string, error: unknown) => void
  readonly onDead: (letter: DeadLetter) => void
  /** One had to go for want of room. */
  readonly onDropped: (letter: DeadLetter) => void
}

/** The signals that could not be brought to a durable subscription, under `x/<number>`. */
export class DeadLetterQueue {
  readonly #init: DeadLetterQueueInit
  #next = 1
  /** Keys, the oldest first. */
  readonly #keys = new Set<string>()

  constructor(init: DeadLetterQueueInit) {
    this.#init = init
  }

  async load(): Promise<void> {
    for await (const [key] of this.#init.store.entries({ prefix: 'x/' })) {
      this.#keys.add(key)
      this.#next = Math.max(this.#next, Number(key.slice(2)) + 1)
    }
  }

  /** Keeps a letter durably. */
  async add(record: Omit<DeadLetterRecord, 'time'>): Promise<void> {
    await this.#init.store.write(await this.prepare(record), { sync: true })
  }

  /** What has to be written for a letter to be kept. */
  async prepare(record: Omit<DeadLetterRecord, 'time'>): Promise<readonly StoreOperation[]> {
    const { clock, counters, onDead } = this.#init
    const key = `x/${String(this.#next).padStart(16, '0')}`
    this.#next += 1
    // Half a character, of the error or by the cut, cannot be written.
    const reason = record.reason.slice(0, defaults.reasonLengthMax).toWellFormed()
    const letter = { ...record, reason, time: clock.now() }
    const operations = [{ key, value: sealRecord(DeadLetterRecord.encode(letter)) }]
    this.#keys.add(key)
    counters.count('dead-letter')
    onDead(toLetter(key, letter))
    return [...operations, ...(await this.#makeRoom())]
  }

  /** A letter that is damaged is reported, and left where it is. */
  async list(): Promise<readonly DeadLetter[]> {
    const letters: DeadLetter[] = []
    for await (const [key, sealed] of this.#init.store.entries({ prefix: 'x/' })) {
      const letter = this.#read(key, sealed)
      if (letter !== undefined) {
        letters.push(toLetter(key, letter))
      }
    }
    return letters
  }

  /** Throws `InvalidParametersError` where there is none of that id. */
  async get(id: string): Promise<DeadLetterRecord> {
    const key = `x/${id}`
    const sealed = this.#keys.has(key) ? await this.#init.store.get(key) : undefined
    if (sealed === undefined) {
      throw new InvalidParametersError(`there is no dead letter ${id}`)
    }
    return openRecord(key, sealed, DeadLetterRecord)
  }

  async discard(id: string): Promise<void> {
    const key = `x/${id}`
    await this.#init.store.write([{ key, value: undefined }], { sync: true })
    this.#keys.delete(key)
  }

  async #makeRoom(): Promise<readonly StoreOperation[]> {
    const operations: StoreOperation[] = []
    for (const key of this.#keys) {
      if (this.#keys.size <= defaults.deadLettersMax) {
        break
      }
      this.#keys.delete(key)
      operations.push({ key, value: undefined })
      // oxlint-disable-next-line no-await-in-loop
      const sealed = await this.#init.store.get(key)
      const letter = sealed && this.#read(key, sealed)
      if (letter !== undefined) {
        this.#init.onDropped(toLetter(key, letter))
      }
    }
    return operations
  }

  #read(key: string, sealed: Uint8Array): DeadLetterRecord | undefined {
    try {
      return openRecord(key, sealed, DeadLetterRecord)
    } catch (error) {
      this.#init.onCorrupt(key, error)
      return undefined
    }
  }
}

function toLetter(key: string, letter: DeadLetterRecord): DeadLetter {
  const { attempts, author, reason, subscription, time } = letter
  const at = subscription.lastIndexOf('/')
  const owner = subscription.slice(0, at)
  return {
    id: key.slice(2),
    signal: decodeSignal(letter.signal),
    author,
    subscription: subscription.slice(at + 1),
    peer: owner === 'group' ? undefined : owner,
    reason,
    attempts,
    time
  }
}
