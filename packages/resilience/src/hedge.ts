import type { AbortOptions } from '@libp2p/interface'
import { AbortedError, InvalidParametersError } from '@murmuration/interface'
import type { Clock } from '@murmuration/interface'
import { systemClock } from '@murmuration/system'
import { defaults } from './defaults.ts'

/** Options of {@link withHedge}. */
export interface HedgeOptions {
  /** A second attempt must not do anything twice; saying so is the caller's part. */
  readonly idempotent: true
  /** Milliseconds before a further attempt; the 95th percentile is a good choice. @default 50 */
  readonly afterMs?: number
  /** Further attempts, 1 to 4. @default 1 */
  readonly hedgesMax?: number
  /** @default the real time */
  readonly clock?: Clock
}

/**
 * Asks again where an answer is late, and takes the first that comes (Dean and Barroso, "The Tail at
 * Scale", 2013). The others are aborted. `attempt` counts from 0, so that each can go to another
 * replica. Rejects when all attempts failed, with the error of the first, or with `AbortedError`.
 *
 * @example
 * ```ts
 * const read = withHedge((attempt, signal) => ask(replicas[attempt], { signal }), { idempotent: true })
 * await read()
 * ```
 */
export function withHedge<R>(
  operation: (attempt: number, signal: AbortSignal) => Promise<R>,
  options: HedgeOptions
): (options?: AbortOptions) => Promise<R> {
  const { afterMs = defaults.hedgeAfterMs, hedgesMax = defaults.hedgesMax } = options
  const clock = options.clock ?? systemClock
  // For callers without types.
  if (!options.idempotent) {
    throw new InvalidParametersError('only idempotent operations may be hedged')
  }
  if (!(afterMs >= 0 && afterMs <= 3_600_000)) {
    throw new InvalidParametersError(`afterMs must be 0 to 3600000, not ${afterMs}`)
  }
  if (!Number.isInteger(hedgesMax) || hedgesMax < 1 || hedgesMax > 4) {
    throw new InvalidParametersError(`hedgesMax must be 1 to 4, not ${hedgesMax}`)
  }
  return ({ signal } = {}) => race(operation, { afterMs, hedgesMax, clock }, signal)
}

async function race<R>(
  operation: (attempt: number, signal: AbortSignal) => Promise<R>,
  { afterMs, hedgesMax, clock }: { afterMs: number; hedgesMax: number; clock: Clock },
  outer: AbortSignal | undefined
): Promise<R> {
  const ended = new AbortController()
  const { promise, resolve, reject } = Promise.withResolvers<R>()
  const errors: unknown[] = []
  let begun = 0
  let cancel = (): void => {}
  // Async, so that what it throws before there is a promise is a failed attempt as well.
  const attemptOf = async (attempt: number): Promise<R> => operation(attempt, ended.signal)
  const begin = (): void => {
    const attempt = begun++
    if (attempt < hedgesMax) {
      cancel = clock.schedule(afterMs, begin)
    }
    attemptOf(attempt).then(resolve, (error: unknown) => {
      errors[attempt] = error
      if (Object.keys(errors).length > hedgesMax) {
        reject(errors[0])
      } else if (attempt === begun - 1 && begun <= hedgesMax) {
        // It failed before its time: there is nothing to wait for.
        cancel()
        begin()
      }
    })
  }
  const onAbort = (): void => reject(new AbortedError('aborted', { cause: outer?.reason }))
  outer?.addEventListener('abort', onAbort, { once: true })
  if (outer?.aborted === true) {
    onAbort()
  } else {
    begin()
  }
  try {
    return await promise
  } finally {
    cancel()
    begun = hedgesMax + 1
    outer?.removeEventListener('abort', onAbort)
    ended.abort()
  }
}
