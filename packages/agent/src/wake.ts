import type { Clock } from '@murmuration/interface'

/** Lets one loop wait until it is woken, or until a time. */
export class Wake {
  readonly #clock: Clock
  #resolve: (() => void) | undefined
  #cancelTimer: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Ends the present wait. */
  now(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#resolve?.()
    this.#resolve = undefined
  }

  wait(delayMs?: number): Promise<void> {
    return new Promise((resolve) => {
      this.#resolve = resolve
      if (delayMs === undefined) return
      this.#cancelTimer = this.#clock.schedule(delayMs, () => this.now())
    })
  }

  /** Waits until a monotonic time, however often it is woken, unless `isOver`. */
  async waitUntil(timeMs: number, isOver: () => boolean): Promise<void> {
    for (;;) {
      const remainingMs = timeMs - this.#clock.monotonic()
      if (remainingMs <= 0 || isOver()) return
      await this.wait(remainingMs)
    }
  }
}
