/** What to stop, in the reverse order of its start. */
export class Closers {
  readonly #tasks: (() => Promise<void> | void)[] = []
  #closing: Promise<void> | undefined

  add(task: () => Promise<void> | void): void {
    this.#tasks.push(task)
  }

  /** Stops everything, once; the first error is thrown after all have been tried. */
  close(): Promise<void> {
    this.#closing ??= this.#run()
    return this.#closing
  }

  async #run(): Promise<void> {
    const errors: unknown[] = []
    for (let task = this.#tasks.pop(); task !== undefined; task = this.#tasks.pop()) {
      try {
        // One after the other on purpose: a part may need the one below it until it has stopped.
        // oxlint-disable-next-line no-await-in-loop
        await task()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }
}
