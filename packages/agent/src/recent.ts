import type { Clock } from '@murmuration/interface'

interface Kept<T> {
  readonly value: T
  readonly untilMs: number
}

export interface RecentInit {
  /** How long a value is kept. Unit: ms. */
  readonly keptMs: number
  /** How many are; the one that was set longest ago makes room. */
  readonly max: number
}

/** What was learnt a short while ago, by name. */
export class Recent<T> {
  readonly #clock: Clock
  readonly #init: RecentInit
  readonly #kept = new Map<string, Kept<T>>()

  constructor(clock: Clock, init: RecentInit) {
    this.#clock = clock
    this.#init = init
  }

  get(name: string): T | undefined {
    const kept = this.#kept.get(name)
    if (kept === undefined) return undefined
    if (this.#clock.monotonic() < kept.untilMs) return kept.value
    this.#kept.delete(name)
    return undefined
  }

  set(name: string, value: T): void {
    this.#kept.delete(name)
    this.#kept.set(name, { value, untilMs: this.#clock.monotonic() + this.#init.keptMs })
    if (this.#kept.size <= this.#init.max) return
    const oldest = this.#kept.keys().next()
    if (oldest.done !== true) this.#kept.delete(oldest.value)
  }

  forget(name: string): void {
    this.#kept.delete(name)
  }
}
