import { InvalidParametersError, isFactual } from '@murmuration/interface'
import type { Clock } from '@murmuration/interface'
import { systemClock } from '@murmuration/system'
import { ExponentialBackoff, fullJitterGenerator, handleWhen, retry } from 'cockatiel'
import { defaults } from './defaults.ts'

/** How many repetitions there may be, shared by many callers. */
export interface RetryBudget {
  /** A call was begun: it earns a share of a repetition. */
  earn(): void
  /** Takes one repetition; false where none is left. */
  take(): boolean
}

/** Options of {@link createRetryBudget}. */
export interface RetryBudgetOptions {
  /** Repetitions per call, 0 to 1. @default 0.1 */
  readonly ratio?: number
  /** Repetitions per second that are there however few calls are made. @default 10 */
  readonly perSecondMin?: number
  /** @default the real time */
  readonly clock?: Pick<Clock, 'monotonic'>
}

/** Seconds for which unused repetitions are saved. */
const SAVED_SECONDS = 10

/**
 * A budget for repetitions: each call earns a tenth of one, and a few per second are always there. When
 * the far side fails everybody at once, callers then add a tenth to its load and not a multiple.
 */
export function createRetryBudget(options: RetryBudgetOptions = {}): RetryBudget {
  const { ratio = defaults.retryRatio, perSecondMin = defaults.retriesPerSecondMin } = options
  if (!(ratio >= 0 && ratio <= 1) || !(perSecondMin >= 0 && perSecondMin <= 1_000_000)) {
    throw new InvalidParametersError('ratio must be 0 to 1 and perSecondMin 0 to 1000000')
  }
  const clock = options.clock ?? systemClock
  const savedMax = Math.max(1, perSecondMin * SAVED_SECONDS)
  let saved = perSecondMin
  let at = clock.monotonic()
  let earned = 0
  const refill = (): void => {
    const now = clock.monotonic()
    saved = Math.min(savedMax, saved + ((now - at) / 1_000) * perSecondMin)
    at = now
  }
  return {
    earn: () => {
      // Bounded by what a second of many calls earns, not by how long the program has run.
      earned = Math.min(10_000, earned + ratio)
    },
    take: () => {
      refill()
      if (earned >= 1) {
        earned--
        return true
      }
      if (saved >= 1) {
        saved--
        return true
      }
      return false
    }
  }
}

/** Options of {@link withRetry}. */
export interface RetryOptions {
  /** A repetition must not do anything twice; saying so is the caller's part. */
  readonly idempotent: true
  /** Attempts, the first included, 1 to 100. @default 3 */
  readonly attemptsMax?: number
  /** @default one of its own */
  readonly budget?: RetryBudget
  /** First ceiling of the pause, in ms; doubles each time, with full jitter. @default 20 */
  readonly baseMs?: number
  /** Longest pause, in ms. @default 1000 */
  readonly maxMs?: number
  /** @default errors that say so, and those that left the outcome unknown */
  readonly isRetryable?: (error: unknown) => boolean
}

/**
 * Repeats an idempotent operation that failed in a way that may pass, within a budget. When attempts
 * or budget are used up, the last error is thrown.
 */
export function withRetry<A extends readonly unknown[], R>(
  operation: (...args: A) => Promise<R> | R,
  options: RetryOptions
): (...args: A) => Promise<R> {
  const { attemptsMax = defaults.attemptsMax, isRetryable = mayPass } = options
  const { baseMs = defaults.retryBaseMs, maxMs = defaults.retryMaxMs } = options
  // For callers without types.
  if (!options.idempotent) {
    throw new InvalidParametersError('only idempotent operations may be repeated')
  }
  if (!Number.isInteger(attemptsMax) || attemptsMax < 1 || attemptsMax > 100) {
    throw new InvalidParametersError(`attemptsMax must be 1 to 100, not ${attemptsMax}`)
  }
  if (!(baseMs > 0 && maxMs >= baseMs && maxMs <= 3_600_000)) {
    throw new InvalidParametersError('pauses must be above 0, maxMs not below baseMs')
  }
  const budget = options.budget ?? createRetryBudget()
  const policy = retry(
    handleWhen((error) => isRetryable(error) && budget.take()),
    {
      maxAttempts: attemptsMax - 1,
      backoff: new ExponentialBackoff({
        initialDelay: baseMs,
        maxDelay: maxMs,
        generator: fullJitterGenerator
      })
    }
  )
  return (...args) => {
    budget.earn()
    return policy.execute(async () => operation(...args))
  }
}

function mayPass(error: unknown): boolean {
  return isFactual(error) && (error.retryable || error.outcomeUnknown)
}
