import type { Clock } from '@murmuration/interface'

/** A clock that stands still until it is told to advance. */
export class ManualClock implements Clock {
  #now = 1_000
  #timers = new Set<{ at: number; task: () => void }>()

  get timers(): number {
    return this.#timers.size
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#now
  }

  schedule(delayMs: number, task: () => void): () => void {
    const timer = { at: this.#now + delayMs, task }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  advance(byMs: number): void {
    const end = this.#now + byMs
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#timers.delete(due)
      this.#now = Math.max(this.#now, due.at)
      due.task()
    }
    this.#now = end
  }
}
