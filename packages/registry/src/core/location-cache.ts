import type { FindResult } from '@murmuration/interface'

/**
 * Remembers where agents were found, for one view: a new view forgets everything. The least
 * recently used entry leaves when the cache is full.
 */
export class LocationCache {
  readonly #entriesMax: number
  readonly #entries = new Map<string, FindResult>()
  #view = -1

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax
  }

  get(id: string, view: number): FindResult | undefined {
    if (view !== this.#view) return undefined
    return this.#entries.get(id)
  }

  set(id: string, view: number, result: FindResult): void {
    if (view !== this.#view) {
      this.#entries.clear()
      this.#view = view
    }
    this.#entries.delete(id)
    this.#entries.set(id, result)
    if (this.#entries.size > this.#entriesMax) {
      const oldest = this.#entries.keys().next()
      if (oldest.done !== true) this.#entries.delete(oldest.value)
    }
  }

  forget(id: string): void {
    this.#entries.delete(id)
  }
}
