import { OverloadedError } from '@murmuration/interface'

type Task = () => Promise<void>

/**
 * Runs tasks one after the other, in the order they came. Tasks settle their own outcome and never
 * reject; the queue is bounded.
 */
export class Mailbox {
  readonly #tasksMax: number
  readonly #waiting: Task[] = []
  #running = false

  constructor(tasksMax: number) {
    this.#tasksMax = tasksMax
  }

  get size(): number {
    return this.#waiting.length + (this.#running ? 1 : 0)
  }

  /** Resolves with what `work` gives. Rejects with `OverloadedError` when the mailbox is full. */
  run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting.length >= this.#tasksMax) {
      return Promise.reject(new OverloadedError(`${this.#waiting.length} requests wait already`))
    }
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push(() => work().then(resolve, reject))
      if (!this.#running) void this.#drain()
    })
  }

  async #drain(): Promise<void> {
    this.#running = true
    for (let task = this.#waiting.shift(); task !== undefined; task = this.#waiting.shift()) {
      await task()
    }
    this.#running = false
  }
}
