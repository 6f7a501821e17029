import { AbortedError } from '@murmuration/interface'
import type { Clock, MurmurationError } from '@murmuration/interface'

/** How often a waiter that has something to ask asks again, in milliseconds. */
const askAgainMs = 250

interface Waiter {
  readonly what: string
  check(): void
  fail(error: unknown): void
}

/** What a wait may need. */
export interface WaitOptions {
  /** Named in errors, and the key of {@link Waiters.fail}. */
  readonly what: string
  readonly signal?: AbortSignal | undefined
  /** Called now and then while the wait lasts. */
  readonly ask?: () => void
  readonly timeoutMs?: number
  /** What is thrown after the timeout. */
  readonly failure?: MurmurationError
}

/** Promises that settle when a condition holds. Each caller adds one and removes it by its signal. */
export class Waiters {
  readonly #clock: Clock
  readonly #waiting = new Set<Waiter>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves with the first value that `find` gives. */
  until<T>(find: () => T | undefined, options: WaitOptions): Promise<T> {
    const { what, signal, ask, timeoutMs, failure } = options
    return new Promise((resolve, reject) => {
      const found = find()
      if (found !== undefined) {
        resolve(found)
        return
      }
      const cancels: (() => void)[] = []
      const end = (): void => {
        this.#waiting.delete(waiter)
        for (const cancel of cancels) {
          cancel()
        }
      }
      const waiter: Waiter = {
        what,
        check: () => {
          const value = find()
          if (value !== undefined) {
            end()
            resolve(value)
          }
        },
        fail: (error) => {
          end()
          reject(error)
        }
      }
      this.#waiting.add(waiter)
      const onAbort = (): void => waiter.fail(new AbortedError(`${what} was aborted`))
      if (signal?.aborted === true) {
        onAbort()
        return
      }
      signal?.addEventListener('abort', onAbort)
      cancels.push(() => signal?.removeEventListener('abort', onAbort))
      if (timeoutMs !== undefined) {
        cancels.push(this.#clock.schedule(timeoutMs, () => waiter.fail(failure)))
      }
      if (ask !== undefined) {
        cancels.push(this.#repeat(ask))
      }
    })
  }

  /** Looks at all conditions again. */
  check(): void {
    for (const waiter of Array.from(this.#waiting)) {
      waiter.check()
    }
  }

  fail(what: string, error: unknown): void {
    for (const waiter of Array.from(this.#waiting)) {
      if (waiter.what === what) {
        waiter.fail(error)
      }
    }
  }

  failAll(error: unknown): void {
    for (const waiter of Array.from(this.#waiting)) {
      waiter.fail(error)
    }
  }

  #repeat(ask: () => void): () => void {
    ask()
    let cancel = (): void => {}
    const again = (): void => {
      cancel = this.#clock.schedule(askAgainMs, () => {
        ask()
        again()
      })
    }
    again()
    return () => cancel()
  }
}
