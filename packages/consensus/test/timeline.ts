interface Entry {
  readonly at: number
  readonly order: number
  readonly task: () => void
}

/** Virtual time without promises: cheaper than a whole simulation. */
export class Timeline {
  readonly #heap: Entry[] = []
  #now = 0
  #order = 0
  events = 0

  get now(): number {
    return this.#now
  }

  after(delayMs: number, task: () => void): void {
    const entry: Entry = { at: this.#now + delayMs, order: this.#order++, task }
    const heap = this.#heap
    let index = heap.length
    heap.push(entry)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (isBefore(heap[parent]!, entry)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = entry
  }

  /** Runs everything up to a time, or until `isDone`. */
  runUntil(end: number, isDone: () => boolean = () => false): void {
    while (this.#heap.length > 0 && this.#heap[0]!.at <= end && !isDone()) {
      const { at, task } = this.#pop()
      this.#now = at
      this.events++
      task()
    }
    if (!isDone()) this.#now = Math.max(this.#now, end)
  }

  #pop(): Entry {
    const heap = this.#heap
    const top = heap[0]!
    const last = heap.pop()!
    if (heap.length > 0) {
      let index = 0
      for (;;) {
        let child = 2 * index + 1
        if (child >= heap.length) break
        if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
        if (isBefore(last, heap[child]!)) break
        heap[index] = heap[child]!
        index = child
      }
      heap[index] = last
    }
    return top
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
