import type { IdempotencyKey } from '@murmuration/interface'

/**
 * Numbers the requests of one program run, so that each counts once however often it is sent.
 *
 * `lowest` travels with each request: below it nothing will be sent again, which lets the replicas
 * forget. A request that its caller gave up counts as confirmed: it is never repeated.
 */
export class Session {
  readonly name: string
  #next = 1
  #lowest = 1
  /** Confirmed ones above `lowest`; bounded by the requests in flight. */
  readonly #confirmed = new Set<number>()

  constructor(name: string) {
    this.name = name
  }

  open(): IdempotencyKey {
    return { session: this.name, sequence: this.#next++, lowest: this.#lowest }
  }

  /** The same key with the newest `lowest`, for a repetition. */
  refresh(key: IdempotencyKey): IdempotencyKey {
    return { ...key, lowest: Math.min(this.#lowest, key.sequence) }
  }

  confirm(sequence: number): void {
    if (sequence < this.#lowest) return
    this.#confirmed.add(sequence)
    while (this.#confirmed.delete(this.#lowest)) this.#lowest++
  }
}
