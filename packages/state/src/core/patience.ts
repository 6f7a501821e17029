interface Times {
  seen: number
  due: number
}

/**
 * How often to ask for copies that differ from a document that is never at rest. Mostly they lack what
 * is under way to them and have nothing to tell, but not always; so each is asked for after twice as
 * many comparisons as the time before.
 */
export class Patience {
  readonly #max: number
  readonly #times = new Map<string, Times>()

  /** Remembers so many names, the latest ones. */
  constructor(max: number) {
    this.#max = max
  }

  /** It differs again; true: ask for it now. The first `spared` times it is not. */
  isDue(name: string, spared: number): boolean {
    const times = this.#times.get(name) ?? { seen: 0, due: spared + 1 }
    times.seen++
    this.#times.delete(name)
    this.#times.set(name, times)
    const [oldest] = this.#times.keys()
    if (this.#times.size > this.#max && oldest !== undefined) this.#times.delete(oldest)
    if (times.seen < times.due) return false
    times.due = 2 * times.seen
    return true
  }
}
