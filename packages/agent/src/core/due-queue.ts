/** What is due when: a binary heap by time. An entry that is not wanted any more is skipped by its owner. */
export class DueQueue<T> {
  readonly #heap: { readonly at: number; readonly value: T }[] = []

  get size(): number {
    return this.#heap.length
  }

  /** When the next one is due. */
  get next(): number | undefined {
    return this.#heap[0]?.at
  }

  add(at: number, value: T): void {
    const heap = this.#heap
    let index = heap.push({ at, value }) - 1
    for (let up = (index - 1) >> 1; index > 0 && this.#swap(up, index); up = (index - 1) >> 1) {
      index = up
    }
  }

  /** Takes out the first one that is due at this time. */
  take(now: number): T | undefined {
    const heap = this.#heap
    const [first] = heap
    if (first === undefined || first.at > now) return undefined
    const last = heap.pop()
    if (last !== undefined && heap.length > 0) {
      heap[0] = last
      this.#sink()
    }
    return first.value
  }

  #sink(): void {
    for (let index = 0; ;) {
      const left = 2 * index + 1
      const child = this.#at(left + 1) < this.#at(left) ? left + 1 : left
      if (!this.#swap(index, child)) return
      index = child
    }
  }

  #at(index: number): number {
    return this.#heap[index]?.at ?? Number.POSITIVE_INFINITY
  }

  /** Puts the earlier of the two above the other; false if it is there. */
  #swap(above: number, below: number): boolean {
    const heap = this.#heap
    const [a, b] = [heap[above], heap[below]]
    if (a === undefined || b === undefined || a.at <= b.at) return false
    heap[above] = b
    heap[below] = a
    return true
  }
}
