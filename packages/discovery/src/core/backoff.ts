import type { Random } from '@murmuration/interface'

/** Range of a back-off. */
export interface BackoffRange {
  readonly baseMs: number
  readonly maxMs: number
}

/**
 * Full jitter: uniform in [0, min(max, base · 2^failures)). It spreads the dials of many peers to
 * one that comes back better than equal or decorrelated steps do.
 */
export function backoffMs(failures: number, range: BackoffRange, random: Random): number {
  // 2^30 is above every sensible ratio of max to base, and keeps the product finite.
  const ceiling = Math.min(range.maxMs, range.baseMs * 2 ** Math.min(failures, 30))
  return random.next() * ceiling
}
