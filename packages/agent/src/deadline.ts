import { AbortedError, UnavailableError } from '@murmuration/interface'
import type { Clock } from '@murmuration/interface'

/**
 * Runs a task that sends nothing with effects. At the deadline, or when the caller's signal fires,
 * its signal fires and the promise rejects, whether the task listens or not.
 */
export function withDeadline<T>(
  clock: Clock,
  timeoutMs: number,
  caller: AbortSignal | undefined,
  task: (signal: AbortSignal) => Promise<T>
): Promise<T> {
  const controller = new AbortController()
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      cancel()
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
