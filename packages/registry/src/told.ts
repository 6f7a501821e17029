import { defaults } from './defaults.ts'

/** Names of what was told, the latest ones, so that nothing is told twice. */
export class Told {
  readonly #names = new Set<string>()

  has(name: string): boolean {
    return this.#names.has(name)
  }

  /** False where it was known. */
  add(name: string): boolean {
    if (this.#names.has(name)) return false
    this.#names.add(name)
    if (this.#names.size > defaults.branchClaimsMax) {
      const oldest = this.#names.values().next()
      if (oldest.done !== true) this.#names.delete(oldest.value)
    }
    return true
  }
}
