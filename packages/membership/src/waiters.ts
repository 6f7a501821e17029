import { AbortedError, UnavailableError } from '@murmuration/interface'
import type { Clock, LeaseWaitOptions, MurmurationError } from '@murmuration/interface'

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
  /** When, by the monotonic clock, the condition will hold by itself; infinite: nobody knows. */
  readonly dueAt?: () => number
  readonly timeoutMs?: number
  /** What is thrown after the timeout. */
  readonly failure?: MurmurationError
}

/** The options of a wait that its caller may end. */
export function waitOf(
  what: string,
  { signal, timeoutMs }: LeaseWaitOptions
): Pick<WaitOptions, 'signal' | 'timeoutMs' | 'failure'> {
  const failure = new UnavailableError(`waited ${timeoutMs} ms for ${what}`)
  return { signal, failure, ...(timeoutMs !== undefined && { timeoutMs }) }
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
    const { what, signal, ask, dueAt, timeoutMs, failure } = options
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
          } else {
            arm()
          }
        },
        fail: (error) => {
          end()
          reject(error)
        }
      }
      let disarm = (): void => {}
      const arm = (): void => {
        disarm()
        const waitMs = (dueAt?.() ?? Number.POSITIVE_INFINITY) - this.#clock.monotonic()
        if (Number.isFinite(waitMs)) {
          disarm = this.#clock.schedule(Math.max(1, waitMs), () => waiter.check())
        }
      }
      cancels.push(() => disarm())
      arm()
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
