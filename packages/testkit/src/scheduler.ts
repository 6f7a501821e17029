/** One thing that happens at a virtual time. */
interface Event {
  readonly at: number
  readonly order: number
  readonly run: () => void
  cancelled: boolean
}

/**
 * Virtual time: a queue of events, the earliest first, equal times in the order of their making.
 * Between two events all promises that can settle do settle.
 */
export class Scheduler {
  readonly #heap: Event[] = []
  #now = 0
  #order = 0
  #sinceTurn = 0
  #failure: { readonly error: unknown } | undefined

  get now(): number {
    return this.#now
  }

  /** Runs `run` after `delayMs` of virtual time; the returned function cancels it. */
  schedule(delayMs: number, run: () => void): () => void {
    const at = this.#now + Math.max(0, delayMs)
    const event: Event = { at, order: this.#order++, run, cancelled: false }
    this.#push(event)
    return () => {
      event.cancelled = true
    }
  }

  /** Makes the running `runUntil` reject with this error: for what no promise carries. */
  fail(error: unknown): void {
    this.#failure ??= { error }
  }

  /** Runs all events up to the time `end`, or until `done` holds; true if it did. */
  async runUntil(end: number, done: () => boolean = () => false): Promise<boolean> {
    await this.#settle()
    while (!done()) {
      const event = this.#heap[0]
      if (event === undefined || event.at > end) {
        this.#now = Math.max(this.#now, end)
        return done()
      }
      this.#pop()
      if (event.cancelled) {
        continue
      }
      this.#now = event.at
      event.run()
      await this.#settle()
    }
    return true
  }

  /**
   * `process.nextTick` called from a microtask runs when the queue of microtasks is empty: every
   * promise that this event could settle has settled. A real turn of the event loop now and then
   * lets the time limit of a test fire.
   */
  async #settle(): Promise<void> {
    this.#sinceTurn++
    if (this.#sinceTurn % 2048 === 0) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    await new Promise<void>((resolve) => process.nextTick(resolve))
    if (this.#failure !== undefined) {
      const { error } = this.#failure
      this.#failure = undefined
      throw error
    }
  }

  #push(event: Event): void {
    const heap = this.#heap
    let index = heap.length
    heap.push(event)
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent]
      if (above === undefined || before(above, event)) {
        break
      }
      heap[index] = above
      index = parent
    }
    heap[index] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) {
      return
    }
    let index = 0
    for (;;) {
      const left = 2 * index + 1
      const right = left + 1
      let child = heap[left]
      let at = left
      const other = heap[right]
      if (child !== undefined && other !== undefined && before(other, child)) {
        child = other
        at = right
      }
      if (child === undefined || before(last, child)) {
        break
      }
      heap[index] = child
      index = at
    }
    heap[index] = last
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
