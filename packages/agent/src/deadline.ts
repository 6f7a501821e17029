import type { AbortOptions } from '@libp2p/interface'
import { AbortedError, InvalidParametersError, UnavailableError } from '@murmuration/interface'
import type { Clock } from '@murmuration/interface'
import { defaults } from './defaults.ts'

/** Limits of one piece of work, all its steps and retries included. */
export interface RouteOptions extends AbortOptions {
  /** What the caller allowed, for messages. */
  readonly timeoutMs: number
  /** When that is over, by the monotonic clock. */
  readonly deadline: number
  readonly onRetry?: (cause: unknown) => void
}

/**
 * Begins the deadline of a piece of work, which its steps share.
 *
 * @throws InvalidParametersError for a time that no timer takes
 */
export function limitsOf(
  clock: Clock,
  options: AbortOptions & Partial<Pick<RouteOptions, 'timeoutMs' | 'onRetry'>>
): RouteOptions {
  const { signal, onRetry, timeoutMs = defaults.callTimeoutMs } = options
  // Timers take no more than 31 bits of milliseconds.
  if (!(timeoutMs > 0 && timeoutMs < 2 ** 31)) {
    throw new InvalidParametersError(`timeoutMs must be above 0 and below 2^31, not ${timeoutMs}`)
  }
  return {
    timeoutMs,
    deadline: clock.monotonic() + timeoutMs,
    ...(signal === undefined ? {} : { signal }),
    ...(onRetry === undefined ? {} : { onRetry })
  }
}

/** What else may end a task: takes how to end it, and gives how to forget that again. */
export type Watch = (end: (error: Error) => void) => () => void

/**
 * Runs a task that sends nothing with effects. At the deadline, when the caller's signal fires or
 * something ends it, its signal fires and the promise rejects, whether the task listens or not.
 */
export function withDeadline<T>(
  clock: Clock,
  timeoutMs: number,
  caller: AbortSignal | undefined,
  task: (signal: AbortSignal) => Promise<T>,
  watch?: Watch
): Promise<T> {
  const controller = new AbortController()
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      cancel()
      unwatch?.()
      caller?.removeEventListener('abort', onAbort)
    }
    const end = (error: Error): void => {
      finish()
      reject(error)
      controller.abort(error)
    }
    const onAbort = (): void => end(new AbortedError('the caller gave up'))
    const cancel = clock.schedule(timeoutMs, () => {
      end(new UnavailableError(`no answer within ${Math.ceil(timeoutMs)} ms`))
    })
    const unwatch = watch?.(end)
    caller?.addEventListener('abort', onAbort)
    if (caller?.aborted === true) return onAbort()
    task(controller.signal).then(
      (value) => {
        finish()
        resolve(value)
      },
      (error: Error) => {
        finish()
        reject(error)
      }
    )
  })
}
