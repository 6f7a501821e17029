/**
 * Who may begin in a turn of the event loop: the first message of each source at once, and of what is
 * left one of each source per turn, in their order. So whoever sends much waits for itself, and delays
 * the others by one message of each. What waits is bounded by who enters.
 */
export class FairTurns {
  readonly #nextTurn: (task: () => void) => void
  /** Sources that have had their turn. */
  readonly #served = new Set<string>()
  /** A map iterates in order of insertion: the first waits for the longest time. */
  readonly #waiting = new Map<string, (() => void)[]>()
  #scheduled = false

  /** @param nextTurn - runs a task when the messages of this turn have come */
  constructor(nextTurn: (task: () => void) => void) {
    this.#nextTurn = nextTurn
  }

  /** Undefined: begin now. */
  enter(source: string): Promise<void> | undefined {
    this.#schedule()
    const queue = this.#waiting.get(source)
    if (queue === undefined && !this.#served.has(source)) {
      this.#served.add(source)
      return undefined
    }
    return new Promise((resolve) => {
      if (queue === undefined) {
        this.#waiting.set(source, [resolve])
      } else {
        queue.push(resolve)
      }
    })
  }

  #schedule(): void {
    if (!this.#scheduled) {
      this.#scheduled = true
      this.#nextTurn(() => this.#turn())
    }
  }

  #turn(): void {
    this.#scheduled = false
    this.#served.clear()
    for (const [source, queue] of this.#waiting) {
      queue.shift()?.()
      if (queue.length === 0) {
        this.#waiting.delete(source)
      }
    }
    if (this.#waiting.size > 0) {
      this.#schedule()
    }
  }
}
