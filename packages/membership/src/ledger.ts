import { CorruptDataError } from '@murmuration/interface'
import type { Random, SelfIdentity, Store, StoreOperation } from '@murmuration/interface'
import type { Message } from '@murmuration/codec'
import { toString } from 'uint8arrays/to-string'
import { StoredAcceptor, StoredDecision, StoredHead, StoredSelf } from './core/records.ts'
import type { Decision } from './core/records.ts'
import type { Stored } from './core/machine.ts'
import { follows } from './core/verifying.ts'
import type { Write } from './core/outbox.ts'

const selfKey = 'self'
const headKey = 'head'
const acceptorKey = 'acceptor'
const viewPrefix = 'view/'

/** The durable state of membership, under its own prefix of a store. */
export class Ledger {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store.sub('membership/')
  }

  /** Raises the boot number durably; a store that is new gets an incarnation. */
  async boot(peer: string, random: Random): Promise<SelfIdentity> {
    const bytes = await this.#store.get(selfKey)
    const before =
      bytes === undefined
        ? { incarnation: toString(random.bytes(8), 'base16'), boot: 0 }
        : read(StoredSelf, selfKey, bytes)
    const self = { incarnation: before.incarnation, boot: before.boot + 1 }
    const value = StoredSelf.encode(self)
    await this.#store.write([{ key: selfKey, value }], { sync: true })
    return { peer, ...self }
  }

  /** Throws `CorruptDataError` where the records do not fit together. */
  async load(): Promise<Stored> {
    const headBytes = await this.#store.get(headKey)
    if (headBytes === undefined) {
      return {}
    }
    const head = read(StoredHead, headKey, headBytes)
    const decisions: Decision[] = []
    for await (const [key, bytes] of this.#store.entries({ prefix: viewPrefix })) {
      const decision = read(StoredDecision, key, bytes)
      const before = decisions.at(-1)?.view.number
      const { number } = decision.view
      const fits = before === undefined ? number === head.settled : follows(before, decision)
      if (key !== viewKey(number) || !fits) {
        const place = before === undefined ? `view ${head.settled}` : `the view after ${before}`
        throw new CorruptDataError(`membership: ${key} stands where ${place} should`)
      }
      decisions.push(decision)
    }
    if (decisions.length === 0) {
      throw new CorruptDataError('membership: the store has lost its views')
    }
    const acceptorBytes = await this.#store.get(acceptorKey)
    return {
      history: { ...head, decisions },
      ...(acceptorBytes && { acceptor: read(StoredAcceptor, acceptorKey, acceptorBytes) })
    }
  }

  /** Later writes of one key replace earlier ones. Resolves when all are durable. */
  async write(writes: readonly Write[]): Promise<void> {
    const last = new Map(writes.map((write) => operationOf(write)).map((one) => [one.key, one]))
    await this.#store.write([...last.values()], { sync: true })
  }
}

function operationOf(write: Write): StoreOperation {
  switch (write.type) {
    case 'acceptor':
      return { key: acceptorKey, value: write.state && StoredAcceptor.encode(write.state) }
    case 'head':
      return { key: headKey, value: StoredHead.encode(write.head) }
    case 'view':
      return {
        key: viewKey(write.decision.view.number),
        value: StoredDecision.encode(write.decision)
      }
    case 'forget':
      return { key: viewKey(write.number), value: undefined }
  }
}

/** Padded, so that the order of keys is the order of numbers. */
function viewKey(number: number): string {
  return viewPrefix + String(number).padStart(16, '0')
}

function read<T>(message: Message<T>, key: string, bytes: Uint8Array): T {
  try {
    return message.decode(bytes)
  } catch (error) {
    throw new CorruptDataError(`membership: the record ${key} cannot be read`, { cause: error })
  }
}
