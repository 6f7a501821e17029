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
 * The next reading: later than `previous`, and not behind the wall clock `nowMs`. Pass the highest
 * stamp seen so far, received ones included; a wall clock that goes back never goes unnoticed.
 */
export function nextStamp(previous: Stamp, nowMs: number): Stamp {
  const now = Math.min(Math.max(0, Math.floor(nowMs)), stampTimeMax)
  if (now > previous.time) return { time: now, tick: 0 }
  if (previous.tick < stampTickMax) return { time: previous.time, tick: previous.tick + 1 }
  return { time: previous.time + 1, tick: 0 }
}
