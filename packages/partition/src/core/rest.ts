import type { Links } from './links.ts'

/**
 * The links as they were when they were last at rest: what is judged by strategies that must not
 * act on half of the news.
 */
export class Rest {
  #settled: Links
  #current: Links
  #changedMs: number
  /** Since when the links have not been at rest. */
  #restlessMs: number | undefined

  constructor(links: Links, nowMs: number) {
    this.#settled = links
    this.#current = links
    this.#changedMs = nowMs
  }

  change(links: Links, nowMs: number): void {
    this.#current = links
    this.#changedMs = nowMs
    this.#restlessMs ??= nowMs
  }

  /** Takes the present links as settled once they have been at rest for so long. True then. */
  settle(nowMs: number, stableAfterMs: number): boolean {
    if (this.#restlessMs === undefined || nowMs - this.#changedMs < stableAfterMs) return false
    this.#settled = this.#current
    this.#restlessMs = undefined
    return true
  }

  get settled(): Links {
    return this.#settled
  }

  get current(): Links {
    return this.#current
  }

  /** Whether changes go on for so much longer that the sides may see different things. */
  isUnstable(nowMs: number, stableAfterMs: number): boolean {
    return this.#restlessMs !== undefined && nowMs - this.#restlessMs > 1.75 * stableAfterMs
  }
}
