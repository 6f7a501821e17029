import { OverloadedError } from '@murmuration/interface'

export interface OutboxInit<R> {
  /** Runs a task once the current turn of the event loop is over. */
  readonly defer: (task: () => void) => void
  /**
   * Sends one batch; answers with one result per signal, which may be known later than the next
   * batch can go.
   */
  readonly send: (batch: readonly Letter[]) => Promise<readonly (R | Promise<R>)[]>
  readonly batchBytesMax: number
  readonly batchSignalsMax: number
  readonly pendingBytesMax: number
  readonly pendingSignalsMax: number
}

/** One encoded signal, and the monotonic time until which its publisher waits. */
export interface Letter {
  readonly bytes: Uint8Array
  readonly deadline: number
  /** Whether it is promised to be delivered at least once. */
  readonly durable?: boolean
  /** Whether it has a subject, so that it may be the newest of it. */
  readonly subject?: boolean
}

interface Pending<R> extends Letter {
  readonly resolve: (result: R | Promise<R>) => void
  readonly reject: (error: unknown) => void
  cancelled: boolean
}

/** A signal on its way; `cancel` takes it back if it was not sent yet, and says whether it did. */
export interface Posted<R> {
  readonly result: Promise<R>
  cancel(): boolean
}

/** CBOR header of one byte string inside of a batch. Unit: bytes. */
const itemOverhead = 5

/**
 * Signals to one topic or peer, in order. Those of one event-loop turn share a batch; while a batch
 * is on its way the next one gathers, so that batches grow with the load and one alone goes at once.
 */
export class Outbox<R> {
  readonly #init: OutboxInit<R>
  #pending: Pending<R>[] = []
  #pendingBytes = 0
  #running = false

  constructor(init: OutboxInit<R>) {
    this.#init = init
  }

  get idle(): boolean {
    return !this.#running && this.#pending.length === 0
  }

  /** Throws `OverloadedError` where too much waits already. */
  post(letter: Letter): Posted<R> {
    const { bytes } = letter
    const { pendingBytesMax, pendingSignalsMax } = this.#init
    const size = bytes.length + itemOverhead
    if (this.#pending.length >= pendingSignalsMax || this.#pendingBytes + size > pendingBytesMax) {
      throw new OverloadedError('too many signals wait to be sent there')
    }
    const { promise, resolve, reject } = Promise.withResolvers<R>()
    const pending: Pending<R> = { ...letter, resolve, reject, cancelled: false }
    this.#pending.push(pending)
    this.#pendingBytes += size
    if (!this.#running) {
      this.#running = true
      this.#init.defer(() => void this.#run())
    }
    return {
      result: promise,
      cancel: () => {
        const waits = this.#pending.includes(pending)
        pending.cancelled ||= waits
        return waits
      }
    }
  }

  async #run(): Promise<void> {
    for (let batch = this.#next(); batch.length > 0; batch = this.#next()) {
      try {
        const results = await this.#init.send(batch)
        for (const [index, pending] of batch.entries()) {
          const result = results[index]
          if (result === undefined) {
            pending.reject(new OverloadedError('no result came for this signal'))
          } else {
            pending.resolve(result)
          }
        }
      } catch (error) {
        for (const pending of batch) {
          pending.reject(error)
        }
      }
    }
    this.#running = false
  }

  #next(): readonly Pending<R>[] {
    const { batchBytesMax, batchSignalsMax } = this.#init
    const batch: Pending<R>[] = []
    let size = 0
    let taken = 0
    for (const pending of this.#pending) {
      const bytes = pending.bytes.length + itemOverhead
      if (batch.length >= batchSignalsMax || (batch.length > 0 && size + bytes > batchBytesMax)) {
        break
      }
      taken += 1
      this.#pendingBytes -= bytes
      if (!pending.cancelled) {
        size += bytes
        batch.push(pending)
      }
    }
    this.#pending = this.#pending.slice(taken)
    return batch
  }
}
