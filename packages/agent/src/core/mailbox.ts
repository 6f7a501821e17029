import { OverloadedError, stackless } from '@murmuration/interface'

/** One request of a mailbox. It settles its own outcome: neither method throws or rejects. */
export interface Turn {
  /** Does the work; the next turn begins when it returns, or when the promise it returns resolves. */
  take(): void | Promise<void>
  /** The mailbox was closed before or during its turn. */
  refuse(reason: Error): void
}

/** Takes turns one after the other, in the order they came. Bounded. */
export class Mailbox {
  readonly #turnsMax: number
  #waiting: Turn[] = []
  #current: Turn | undefined

  constructor(turnsMax: number) {
    this.#turnsMax = turnsMax
  }

  /** Turns that wait or run. */
  get size(): number {
    return this.#waiting.length + (this.#current === undefined ? 0 : 1)
  }

  /** @throws OverloadedError when the mailbox is full */
  add(turn: Turn): void {
    if (this.#waiting.length >= this.#turnsMax) {
      const why = `${this.#waiting.length} requests wait already`
      throw stackless(() => new OverloadedError(why))
    }
    this.#waiting.push(turn)
    if (this.#current === undefined) this.#drain()
  }

  /** Refuses all turns, the running one included; what that one still does is its own affair. */
  close(reason: Error): void {
    const refused = this.#waiting
    this.#waiting = []
    this.#current?.refuse(reason)
    for (const turn of refused) turn.refuse(reason)
  }

  #drain(): void {
    for (let turn = this.#waiting.shift(); turn !== undefined; turn = this.#waiting.shift()) {
      this.#current = turn
      const taken = turn.take()
      if (taken !== undefined) {
        // Turns never reject.
        void taken.then(() => this.#drain())
        return
      }
    }
    this.#current = undefined
  }
}
