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
export async function withDeadline<T>(
  work: Promise<T>,
  init: DeadlineInit,
  late: () => T
): Promise<T> {
  const { clock, timeoutMs, signal } = init
  const interruption = Promise.withResolvers<T>()
  const abort = (): void => {
    init.giveUp?.()
    interruption.reject(new AbortedError('publishing was aborted', { outcomeUnknown: true }))
  }
  const cancel = clock.schedule(timeoutMs, () => {
    init.giveUp?.()
    interruption.resolve(late())
  })
  signal?.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, interruption.promise])
  } finally {
    cancel()
    signal?.removeEventListener('abort', abort)
  }
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
