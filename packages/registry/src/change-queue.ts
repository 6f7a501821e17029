import type { RegistryChange } from '@murmuration/interface'

/** Changes that wait for one watcher; the oldest ones leave when it is too slow. */
export class ChangeQueue {
  readonly #entriesMax: number
  readonly #waiting: RegistryChange[] = []
  #wake: (() => void) | undefined

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax
  }

  push(change: RegistryChange): void {
    this.#waiting.push(change)
    if (this.#waiting.length > this.#entriesMax) this.#waiting.shift()
    this.#wake?.()
  }

  /** Yields what comes until the signal fires. */
  async *drain(signal: AbortSignal | undefined): AsyncIterable<RegistryChange> {
    const onAbort = (): void => this.#wake?.()
    signal?.addEventListener('abort', onAbort)
    try {
      while (signal?.aborted !== true) {
        const next = this.#waiting.shift()
        if (next !== undefined) {
          yield next
          continue
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }
}
