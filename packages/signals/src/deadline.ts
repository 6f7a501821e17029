import type { Clock } from '@murmuration/interface'
import { AbortedError } from '@murmuration/interface'

export interface DeadlineInit {
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  /** Called when nobody waits for the work any more. */
  readonly giveUp?: () => void
}

/** Resolves `late()` when time is over; rejects with `AbortedError` when the signal fires. */
export function withDeadline<T>(work: Promise<T>, init: DeadlineInit, late: () => T): Promise<T> {
  const { clock, timeoutMs, signal } = init
  // By hand, since a race makes many promises more, and each publication has one.
  return new Promise((resolve, reject) => {
    const end = (): void => {
      cancel()
      signal?.removeEventListener('abort', abort)
    }
    const abort = (): void => {
      end()
      init.giveUp?.()
      reject(new AbortedError('publishing was aborted', { outcomeUnknown: true }))
    }
    const cancel = clock.schedule(timeoutMs, () => {
      end()
      init.giveUp?.()
      resolve(late())
    })
    signal?.addEventListener('abort', abort, { once: true })
    work.then(
      (value) => {
        end()
        resolve(value)
      },
      (error: unknown) => {
        end()
        reject(error)
      }
    )
  })
}

/** Waits; ends early, without an error, when the signal fires. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve()
      return
    }
    const cancel = clock.schedule(ms, () => {
      signal.removeEventListener('abort', wake)
      resolve()
    })
    const wake = (): void => {
      cancel()
      resolve()
    }
    signal.addEventListener('abort', wake, { once: true })
  })
}
