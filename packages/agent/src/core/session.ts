import { OverloadedError } from '@murmuration/interface'
import type { IdempotencyKey } from '@murmuration/interface'
import { defaults } from '../defaults.ts'

/**
 * Numbers the requests of one program run, so that each counts once however often it is sent.
 *
 * `lowest` travels with each request: below it nothing will be sent again, which lets the replicas
 * forget. So a request is opened before it is sent, and confirmed when it will not be sent again:
 * after its answer, or when its caller gave up.
 *
 * A name must never be used by two program runs: make it random.
 *
 * @example
 * ```ts
 * const session = new Session(`import-${crypto.randomUUID()}`)
 * const key = session.open()
 * await station.call('record', reading, { idempotencyKey: key })
 * session.confirm(key.sequence)
 * ```
 */
export class Session {
  readonly name: string
  #next = 1
  #lowest = 1
  /** Ascending, because a set keeps the order in which it was filled. */
  readonly #open = new Set<number>()

  constructor(name: string) {
    this.name = name
  }

  /** @throws OverloadedError when a million requests are open: some were never confirmed */
  open(): IdempotencyKey {
    if (this.#open.size >= defaults.sessionOpenMax) {
      throw new OverloadedError(`session ${this.name} has ${this.#open.size} unconfirmed requests`)
    }
    const sequence = this.#next++
    this.#open.add(sequence)
    return { session: this.name, sequence, lowest: this.#lowest }
  }

  /** The same key with the newest `lowest`, for a repetition. Keys of other sessions stay as they are. */
  refresh(key: IdempotencyKey): IdempotencyKey {
    if (key.session !== this.name || key.lowest === this.#lowest) return key
    return { ...key, lowest: Math.min(this.#lowest, key.sequence) }
  }

  /** Says that a request will not be sent again. One that is not open is left alone. */
  confirm(sequence: number): void {
    if (!this.#open.delete(sequence) || sequence !== this.#lowest) return
    this.#lowest = this.#open.values().next().value ?? this.#next
  }
}
