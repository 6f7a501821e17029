/** Decides what becomes of its events when their time comes: a dead process drops them. */
export interface EventOwner {
  due(event: ScheduledEvent): void
}

/** One thing that happens at a virtual time. */
export interface ScheduledEvent {
  at: number
  order: number
  readonly run: () => void
  readonly owner: EventOwner | undefined
  readonly kind: 'timer' | 'message'
  cancelled: boolean
}

/** A real turn of the event loop now and then lets the time limit of a test fire. */
const eventsPerTurn = 2048
const settled = Promise.resolve()

/**
 * Virtual time: a queue of events, the earliest first, equal times in the order of their making.
 * Between two events all promises that can settle do settle.
 */
export class Scheduler {
  readonly #heap: ScheduledEvent[] = []
  #now = 0
  #order = 0
  #sinceTurn = 0

  get now(): number {
    return this.#now
  }

  /** Runs `run` after `delayMs` of virtual time, unless the event is cancelled before. */
  schedule(
    delayMs: number,
    run: () => void,
    owner?: EventOwner,
    kind: ScheduledEvent['kind'] = 'timer'
  ): ScheduledEvent {
    const at = this.#now + Math.max(0, delayMs)
    const event = { at, order: this.#order++, run, owner, kind, cancelled: false }
    this.#push(event)
    return event
  }

  /** Puts an event that was taken back into the queue, now. */
  again(event: ScheduledEvent): void {
    event.at = this.#now
    event.order = this.#order++
    this.#push(event)
  }

  /** Runs all events up to the time `end`, or until `done` holds; true if it did. */
  runUntil(end: number, done: () => boolean = () => false): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        try {
          if (done()) {
            resolve(true)
          } else if (this.#runNext(end)) {
            settle()
          } else {
            this.#now = Math.max(this.#now, end)
            resolve(done())
          }
        } catch (error) {
          reject(error)
        }
      }
      // `process.nextTick` called from a microtask runs when the queue of microtasks is empty:
      // every promise that this event could settle has settled.
      const enqueue = (): void => process.nextTick(step)
      const settle = (): void => {
        this.#sinceTurn++
        if (this.#sinceTurn % eventsPerTurn === 0) {
          setImmediate(enqueueLater)
        } else {
          enqueueLater()
        }
      }
      const enqueueLater = (): void => void settled.then(enqueue)
      settle()
    })
  }

  /** False where nothing is left until `end`. */
  #runNext(end: number): boolean {
    for (;;) {
      const event = this.#heap[0]
      if (event === undefined || event.at > end) {
        return false
      }
      this.#pop()
      if (!event.cancelled) {
        this.#now = event.at
        if (event.owner === undefined) {
          event.run()
        } else {
          event.owner.due(event)
        }
        return true
      }
    }
  }

  #push(event: ScheduledEvent): void {
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

function before(a: ScheduledEvent, b: ScheduledEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
