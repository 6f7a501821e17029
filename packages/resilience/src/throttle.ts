import type { Clock } from '@murmuration/interface'
import { defaults } from './defaults.ts'

/**
 * Keeps calls back that the far side would only shed: of those that are made, at least one of two
 * shall be taken (adaptive throttling, Google SRE book, chapter 21). What is offered in vain costs the
 * far side next to nothing then, and this side less. Spread evenly, without chance: a share of the
 * calls adds up until it makes a whole one, which is kept back.
 *
 * Calls and answers of the last half second count, those before ever less, so that it ends soon after
 * the load has.
 */
export class Throttle {
  readonly #clock: Pick<Clock, 'monotonic'>
  /** Calls in `throttleMs` that are made in any case. */
  readonly #free: number
  #atMs: number
  /** Calls that were made or kept back. */
  #offered = 0
  /** Calls that were not shed. */
  #taken = 0
  #share = 0

  constructor(clock: Pick<Clock, 'monotonic'>, free: number) {
    this.#clock = clock
    this.#free = free
    this.#atMs = clock.monotonic()
  }

  /** Whether hardly anything was shed lately. */
  get isCalm(): boolean {
    this.#age()
    return this.#offered - this.#taken < 1
  }

  /** Whether a call may be made; if not, that counts. */
  passes(): boolean {
    this.#age()
    const vain = this.#offered - defaults.throttleRatio * this.#taken - this.#free
    if (vain <= 0) return true
    this.#share += vain / this.#offered
    if (this.#share < 1) return true
    this.#share--
    this.#offered++
    return false
  }

  /** A call has ended that was made. */
  ended(isShed: boolean): void {
    this.#age()
    this.#offered++
    if (!isShed) this.#taken++
  }

  #age(): void {
    const now = this.#clock.monotonic()
    const elapsed = now - this.#atMs
    if (elapsed <= 0) return
    this.#atMs = now
    const rest = Math.exp(-elapsed / defaults.throttleMs)
    this.#offered *= rest
    this.#taken *= rest
  }
}
