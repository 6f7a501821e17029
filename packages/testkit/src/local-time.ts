/** How one machine counts time: its quartz may be fast or slow, and its calendar wrong. */
export class LocalTime {
  readonly #now: () => number
  #rate = 1
  /** Virtual time, and local time, at which the rate was set. */
  #since = 0
  #counted = 0
  /** Moves the wall clock only. */
  skewMs = 0

  constructor(now: () => number) {
    this.#now = now
  }

  /** Local milliseconds in one of virtual time. */
  get rate(): number {
    return this.#rate
  }

  set rate(rate: number) {
    this.#counted = this.monotonic()
    this.#since = this.#now()
    this.#rate = rate
  }

  monotonic(): number {
    return this.#counted + (this.#now() - this.#since) * this.#rate
  }
}
