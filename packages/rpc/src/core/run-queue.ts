/** A request that was accepted and has not begun. */
export interface Run {
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

/** Begun requests, after which what they cost counts half. */
const COST_OF = 128

interface Waiting {
  readonly run: Run
  readonly arrivedMs: number
}

/**
 * When requests of other peers begin. While there is little to do each begins at once. Under more
 * work than fits into a turn of the event loop they wait here, in order and peer by peer, and not in
 * the buffers of the kernel, where nobody sees that they have become useless: one whose caller gave up
 * leaves, and one that waited for half of its time is shed, because the rest would not be enough
 * to answer it (M. Brooker, "Timeouts, retries and backoff with jitter"; Facebook's adaptive queues,
 * "Fail at Scale", 2015). So what is worked on is always of use, however much is offered. How long a
 * request would wait is known when it comes (`waitMs`): one that would wait in vain need not be kept.
 *
 * The work of a handler that is asynchronous cannot be measured by the call; the length of the whole
 * turn can, and the number of requests begun in one follows it.
 */
export class RunQueue {
  readonly #init: RunQueueInit
  /** By peer, in their order; the peer served longest ago first. */
  readonly #queues = new Map<string, Set<Waiting>>()
  #startsMax: number
  /** Requests begun in this turn; undefined between turns in which any begin. */
  #starts: number | undefined
  #turnBegan = 0
  #waiting = 0
  /** Lately begun requests, and the milliseconds of the turns in which they were. */
  #begun = 0
  #begunMs = 0

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

  /**
   * Milliseconds that a request of a peer would wait if it came now, by what requests cost lately.
   * Too long an estimate empties the queue and so corrects itself; after one that is too short
   * requests are shed by the time they waited.
   */
  waitMs(peer: string): number {
    if (this.#begun === 0) return 0
    const own = this.#queues.get(peer)?.size ?? 0
    // The peers take turns: those that have less waiting are done before.
    const ahead = Math.min(this.#waiting, (own + 1) * this.#queues.size)
    return (ahead * this.#begunMs) / this.#begun
  }

  /**
   * Takes a request that may not begin yet.
   *
   * @returns takes it out again: nobody waits for it any more.
   */
  add(peer: string, run: Run): () => void {
    let queue = this.#queues.get(peer)
    if (queue === undefined) {
      queue = new Set()
      this.#queues.set(peer, queue)
    }
    const waiting = { run, arrivedMs: this.#init.now() }
    queue.add(waiting)
    this.#waiting++
    this.#openTurn()
    return () => this.#leave(peer, waiting)
  }

  #leave(peer: string, waiting: Waiting): void {
    const queue = this.#queues.get(peer)
    if (queue?.delete(waiting) !== true) return
    this.#waiting--
    if (queue.size === 0) this.#queues.delete(peer)
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
    this.#learn(starts, elapsed)
    if (elapsed > sliceMs) {
      const fitting = Math.floor((starts * sliceMs) / elapsed)
      this.#startsMax = Math.max(1, Math.min(this.#startsMax, fitting))
    } else if (starts >= this.#startsMax) {
      this.#startsMax = Math.min(startsMax, this.#startsMax * 2)
    }
    this.#starts = undefined
    if (this.#waiting > 0) this.#serve()
  }

  /** What a request costs: everything that happens in its turn, so reading and shedding too. */
  #learn(starts: number, elapsed: number): void {
    const { sliceMs } = this.#init
    if (starts === 0) return
    this.#begun += starts
    // One turn that something else held up must not count for long.
    this.#begunMs += Math.min(elapsed, 10 * sliceMs)
    if (this.#begun < COST_OF) return
    this.#begun /= 2
    this.#begunMs /= 2
  }

  /** One request of each peer in turn, until the turn is full. */
  #serve(): void {
    this.#openTurn()
    while (this.#waiting > 0 && this.#hasRoom()) {
      const [next] = this.#queues
      if (next === undefined) return
      const [peer, queue] = next
      const run = this.#takeFrom(queue)
      this.#queues.delete(peer)
      if (queue.size > 0) this.#queues.set(peer, queue)
      if (run === undefined) continue
      this.#count()
      run.begin()
    }
  }

  /** The first that is still of use; sheds those before it. */
  #takeFrom(queue: Set<Waiting>): Run | undefined {
    const now = this.#init.now()
    for (const waiting of queue) {
      const { run, arrivedMs } = waiting
      queue.delete(waiting)
      this.#waiting--
      if (now - arrivedMs <= run.patienceMs) return run
      run.shed()
    }
    return undefined
  }
}
