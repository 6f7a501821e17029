import { defaults } from './defaults.ts'

/**
 * Agents that were taken out of the registry and have not run since. Their state stays, so that
 * alone does not make them found. Bounded: the oldest are found again by their state.
 */
export class Unregistered {
  readonly #ids = new Set<string>()

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  add(id: string): void {
    this.#ids.delete(id)
    this.#ids.add(id)
    if (this.#ids.size <= defaults.locationsMax) return
    const oldest = this.#ids.values().next()
    if (oldest.done !== true) this.#ids.delete(oldest.value)
  }

  delete(id: string): void {
    this.#ids.delete(id)
  }
}
