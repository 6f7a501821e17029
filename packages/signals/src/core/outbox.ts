import { OverloadedError } from '@murmuration/interface'
import type { Pace } from './pace.ts'

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
  /** @default batches wait for nothing but the one before */
  readonly pacing?: Pacing
}

/** Lets batches wait for more signals, with the time that this takes. */
export interface Pacing {
  readonly pace: Pace
  readonly monotonic: () => number
  /** Runs a task later; returns what takes it back. */
  readonly schedule: (delayMs: number, task: () => void) => () => void
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
 * Where there is a pace, the next one of a loud author gathers for a moment longer, until it is full.
 */
export class Outbox<R> {
  readonly #init: OutboxInit<R>
  #pending: Pending<R>[] = []
  #pendingBytes = 0
  #running = false
  /** Ends the present wait for more signals. */
  #hurry: (() => void) | undefined

  constructor(init: OutboxInit<R>) {
    this.#init = init
  }

  get idle(): boolean {
    return !this.#running && this.#pending.length === 0
  }

  /** What waits to be sent. */
  waiting(): readonly Letter[] {
    return this.#pending.filter(({ cancelled }) => !cancelled)
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
    } else if (this.#hurry !== undefined && this.#isFull()) {
      this.#hurry()
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
    // What was cancelled leaves when a batch is taken, and that batch may be empty.
    while (this.#pending.length > 0) {
      const gathering = this.#gather()
      if (gathering !== undefined) {
        // Each batch is made when the one before has gone.
        // oxlint-disable-next-line no-await-in-loop
        await gathering
      }
      const batch = this.#next()
      if (batch.length === 0) {
        continue
      }
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

  /** Undefined: the next batch may go now. */
  #gather(): Promise<void> | undefined {
    const { pacing } = this.#init
    if (pacing === undefined || this.#isFull()) {
      return undefined
    }
    const { monotonic, pace } = pacing
    const waitMs = pace.waitMs(monotonic())
    if (waitMs > 0) {
      return this.#wait(pacing, waitMs)
    }
    pace.sent(monotonic())
    return undefined
  }

  async #wait({ monotonic, pace, schedule }: Pacing, waitMs: number): Promise<void> {
    // Who was waiting for the batch before and goes on now is none that came meanwhile.
    await new Promise<void>((resolve) => this.#init.defer(resolve))
    if (this.#isFull()) {
      return
    }
    const before = this.#pending.length
    await new Promise<void>((resolve) => {
      const cancel = schedule(waitMs, resolve)
      this.#hurry = () => {
        cancel()
        resolve()
      }
    })
    this.#hurry = undefined
    pace.waited(this.#pending.length > before)
    if (!this.#isFull()) {
      pace.sent(monotonic())
    }
  }

  /** Whether what waits would fill a batch: that gains nothing by waiting, and counts for no pace. */
  #isFull(): boolean {
    const { batchBytesMax, batchSignalsMax } = this.#init
    return this.#pending.length >= batchSignalsMax || this.#pendingBytes >= batchBytesMax
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
