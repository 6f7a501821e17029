export interface PaceInit {
  /** Time between two batches of whoever has no burst left. Unit: milliseconds. */
  readonly intervalMs: number
  /** Batches that may go at once before that. */
  readonly burst: number
  /** Batches that do not wait, at most, after waits that gathered nothing. */
  readonly vainMax: number
}

/**
 * When the next batch of an author may go. What a batch costs everybody who gets it hardly depends on
 * how many signals are in it, so whoever sends often waits a moment for more of its own signals: a loud
 * author then costs the others about as much as a quiet one. Whoever sends seldom never waits. Neither
 * does, but for a try now and then, who publishes one after the other: nothing comes while it waits.
 */
export class Pace {
  readonly #init: PaceInit
  /** When a batch would be due if all had kept the interval; ahead of the time: the burst is used up. */
  #due = -Infinity
  /** How often no wait is to be made, since the last ones were in vain. */
  #skips = 0
  #vain = 0

  constructor(init: PaceInit) {
    this.#init = init
  }

  /** How long the next batch has to wait; 0: not at all. */
  waitMs(now: number): number {
    if (this.#skips > 0) {
      this.#skips -= 1
      return 0
    }
    const { burst, intervalMs } = this.#init
    return Math.max(0, this.#due - (burst - 1) * intervalMs - now)
  }

  /** A wait is over; whether signals came in it. */
  waited(gathered: boolean): void {
    this.#vain = gathered ? 0 : Math.min(2 * this.#vain + 1, this.#init.vainMax)
    this.#skips = this.#vain
  }

  /** A batch goes. */
  sent(now: number): void {
    const { burst, intervalMs } = this.#init
    const latest = now + burst * intervalMs
    this.#due = Math.min(latest, Math.max(this.#due, now) + intervalMs)
  }
}
