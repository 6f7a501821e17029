import type { Clock } from '@murmuration/interface'
import { leaveDelayMs } from './defaults.ts'

export interface TopicsInit {
  readonly clock: Clock
  readonly join: (number: number) => void
  readonly leave: (number: number) => void
}

/** Which topics this peer is in: those that a subscription needs, and for a while after it. */
export class Topics {
  readonly #init: TopicsInit
  readonly #joined = new Set<number>()
  readonly #leaving = new Map<number, () => void>()

  constructor(init: TopicsInit) {
    this.#init = init
  }

  has(number: number): boolean {
    return this.#joined.has(number)
  }

  want(number: number): void {
    this.#leaving.get(number)?.()
    this.#leaving.delete(number)
    if (!this.#joined.has(number)) {
      this.#init.join(number)
      this.#joined.add(number)
    }
  }

  release(number: number): void {
    if (!this.#joined.has(number) || this.#leaving.has(number)) {
      return
    }
    const cancel = this.#init.clock.schedule(leaveDelayMs, () => {
      this.#leaving.delete(number)
      this.#joined.delete(number)
      this.#init.leave(number)
    })
    this.#leaving.set(number, cancel)
  }

  /** Leaves all topics at once. */
  clear(): void {
    for (const cancel of this.#leaving.values()) {
      cancel()
    }
    this.#leaving.clear()
    for (const number of this.#joined) {
      this.#joined.delete(number)
      this.#init.leave(number)
    }
  }
}
