import { AbortedError, PeerUnavailableError } from '@murmuration/interface'
import type { Clock } from '@murmuration/interface'

/**
 * Runs `task` with a signal that fires when the time is up or the caller's signal fires, and does
 * not wait for a task that ignores it. Rejects with `PeerUnavailableError` when the time is up and
 * with `AbortedError` when the caller's signal fired.
 */
export async function withDeadline<T>(
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  task: (signal: AbortSignal) => Promise<T>
): Promise<T> {
  if (signal?.aborted === true) {
    throw new AbortedError('aborted before it began', { cause: signal.reason })
  }
  const controller = new AbortController()
  const { promise, reject } = Promise.withResolvers<never>()
  const end = (error: Error): void => {
    reject(error)
    controller.abort(error)
  }
  const onAbort = (): void => end(new AbortedError('aborted', { cause: signal?.reason }))
  signal?.addEventListener('abort', onAbort, { once: true })
  const cancel = clock.schedule(timeoutMs, () =>
    end(new PeerUnavailableError(`no answer within ${timeoutMs} ms`))
  )
  try {
    return await Promise.race([task(controller.signal), promise])
  } finally {
    cancel()
    signal?.removeEventListener('abort', onAbort)
  }
}

/** Waits; rejects with the signal's reason as soon as that fires. */
export async function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (delayMs > 0) {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const cancel = clock.schedule(delayMs, resolve)
    const onAbort = (): void => {
      cancel()
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    await promise.finally(() => signal.removeEventListener('abort', onAbort))
  }
}
