/** A request that was accepted and has not begun. */
export interface Run {
  /** Its caller gave up, or its deadline passed. */
  readonly cancelled: boolean
  /** Milliseconds for which it is of use to wait, counted from its arrival. */
  readonly patienceMs: number
  begin(): void
  /** It waited for longer than that. */
  shed(): void
}

export interface RunQueueInit {
  /** Monotonic milliseconds. */
  now(): number
  /** Runs a task in the next turn of the event loop, after what has arrived was read. */
  nextTurn(task: () => void): void
  /** Milliseconds of work per turn. */
  readonly sliceMs: number
  /** Requests begun in one turn, at first and at most. */
  readonly startsStart: number
  readonly startsMax: number
}

interface Waiting {
  readonly run: Run
  readonly arrivedMs: number
}

/**
 * When requests of other peers begin. While there is little to do each begins at once. Under more
 * work than fits into a turn of the event loop they wait here, in order and peer by peer, and not in
 * the buffers of the kernel, where nobody sees that they have become useless: one whose caller gave up
 * is dropped, and one that waited for half of its time is shed, because the rest would not be enough
 * to answer it (M. Brooker, "Timeouts, retries and backoff with jitter"; Facebook's adaptive queues,
 * "Fail at Scale", 2015). So what is worked on is always of use, however much is offered.
 *
 * The work of a handler that is asynchronous cannot be measured by the call; the length of the whole
 * turn can, and the number of requests begun in one follows it.
 */
export class RunQueue {
  readonly #init: RunQueueInit
  /** By peer; the one served longest ago first. */
  readonly #queues = new Map<string, Waiting[]>()
  #startsMax: number
  /** Requests begun in this turn; undefined between turns in which any begin. */
  #starts: number | undefined
  #turnBegan = 0
  #waiting = 0

  constructor(init: RunQueueInit) {
    this.#init = init
    this.#startsMax = init.startsStart
  }

  /** Requests that wait. */
  get size(): number {
    return this.#waiting
  }

  /** Whether a request may begin at once; if so it counts as begun. */
  begins(): boolean {
    if (this.#waiting > 0 || !this.#hasRoom()) return false
    this.#count()
    return true
  }

  /** Takes a request that may not begin yet. */
  add(peer: string, run: Run): void {
    let queue = this.#queues.get(peer)
    if (queue === undefined) {
      queue = []
      this.#queues.set(peer, queue)
    }
    queue.push({ run, arrivedMs: this.#init.now() })
    this.#waiting++
    this.#openTurn()
  }

  #hasRoom(): boolean {
    return (
      this.#starts === undefined ||
      (this.#starts < this.#startsMax && this.#init.now() - this.#turnBegan < this.#init.sliceMs)
    )
  }

  #count(): void {
    this.#openTurn()
    this.#starts = (this.#starts ?? 0) + 1
  }

  #openTurn(): void {
    if (this.#starts !== undefined) return
    this.#starts = 0
    this.#turnBegan = this.#init.now()
    this.#init.nextTurn(() => this.#endTurn())
  }

  /** Adapts to how long the turn was, and goes on in the next one. */
  #endTurn(): void {
    const { sliceMs, startsMax } = this.#init
    const elapsed = this.#init.now() - this.#turnBegan
    const starts = this.#starts ?? 0
    if (elapsed > sliceMs) {
      const fitting = Math.floor((starts * sliceMs) / elapsed)
      this.#startsMax = Math.max(1, Math.min(this.#startsMax, fitting))
    } else if (starts >= this.#startsMax) {
      this.#startsMax = Math.min(startsMax, this.#startsMax * 2)
    }
    this.#starts = undefined
    if (this.#waiting > 0) this.#serve()
  }

  /** One request of each peer in turn, until the turn is full. */
  #serve(): void {
    this.#openTurn()
    while (this.#waiting > 0 && this.#hasRoom()) {
      const [next] = this.#queues
      if (next === undefined) return
      const [peer, queue] = next
      this.#queues.delete(peer)
      this.#takeFrom(queue)
      if (queue.length > 0) this.#queues.set(peer, queue)
    }
  }

  /** Begins the first that is still of use, and takes out those before it. */
  #takeFrom(queue: Waiting[]): void {
    const now = this.#init.now()
    let useless = 0
    for (const { run, arrivedMs } of queue) {
      const isLate = now - arrivedMs > run.patienceMs
      if (!run.cancelled && !isLate) break
      useless++
      this.#waiting--
      if (!run.cancelled) run.shed()
    }
    queue.splice(0, useless)
    const first = queue.shift()
    if (first === undefined) return
    this.#waiting--
    this.#count()
    first.run.begin()
  }
}
