/**
 * A reading of a hybrid logical clock: milliseconds of wall-clock time, and a tick that orders
 * events within one millisecond or while the wall clock stands still. Ties go by writer.
 */
export interface Stamp {
  /** Milliseconds since 1970, an integer from 0 to 2^48 - 1. */
  readonly time: number
  /** 0 to 2^32 - 1. */
  readonly tick: number
}

export const stampTimeMax: number = 2 ** 48 - 1
export const stampTickMax: number = 2 ** 32 - 1

/**
 * Whether a stamp is too far from the time of the cluster to be taken. Skew is judged once, by the
 * owner before it acknowledges; merging never looks at a clock, or replicas would differ.
 */
export function isSkewed(stamp: Stamp, nowMs: number, boundMs: number): boolean {
  return Math.abs(stamp.time - nowMs) > boundMs
}

/**
 * A stamp from a clock that nobody watched, such as that of a device that was away, brought into
 * `nowMs ± boundMs`. For the one member that receives it; all later ones take what that one gives.
 */
export function clampStamp(stamp: Stamp, nowMs: number, boundMs: number): Stamp {
  if (!isSkewed(stamp, nowMs, boundMs)) return stamp
  const nearest = Math.floor(nowMs) + (stamp.time > nowMs ? boundMs : -boundMs)
  return { time: Math.min(Math.max(0, nearest), stampTimeMax), tick: stamp.tick }
}

/**
 * How far a clock is from those of its peers: the median of `theirs - own`, so that less than half
 * of them can mislead it. 0 without peers.
 */
export function medianOffset(offsetsMs: readonly number[]): number {
  const sorted = offsetsMs.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2
}

/**
 * The next reading: later than `previous`, and not behind the wall clock `nowMs`. Pass the highest
 * stamp seen so far, received ones included; a wall clock that goes back never goes unnoticed.
 */
export function nextStamp(previous: Stamp, nowMs: number): Stamp {
  const now = Math.min(Math.max(0, Math.floor(nowMs)), stampTimeMax)
  if (now > previous.time) return { time: now, tick: 0 }
  if (previous.tick < stampTickMax) return { time: previous.time, tick: previous.tick + 1 }
  return { time: previous.time + 1, tick: 0 }
}
