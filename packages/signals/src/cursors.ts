import type { ReplayFrom } from '@murmuration/interface'
import { InvalidParametersError } from '@murmuration/interface'

/** Where a signal stands in the log: number of its entry, place in it. */
export function cursorOf(number: number, index: number): string {
  return `${number}.${index}`
}

/** What a {@link ReplayFrom} says. */
export interface Place {
  readonly number: number
  /** Signals of that entry that were seen already. */
  readonly skip: number
  readonly time: number
}

/**
 * Refuses a cursor that stands beyond the newest entry, and so is of another log. Throws
 * `InvalidParametersError`.
 */
export function checkPlace({ number }: Place, last: number): void {
  if (number > last) {
    throw new InvalidParametersError('the cursor is not of this log')
  }
}

/** Reads a {@link ReplayFrom}; throws `InvalidParametersError`. */
export function checkFrom(from: ReplayFrom): Place {
  if (from === 'start') {
    return { number: 0, skip: 0, time: 0 }
  }
  if (typeof from === 'object' && from !== null) {
    if ('time' in from && Number.isFinite(from.time)) {
      return { number: 0, skip: 0, time: from.time }
    }
    if ('cursor' in from && /^\d{1,16}\.\d{1,4}$/.test(from.cursor)) {
      const [number = 0, index = 0] = from.cursor.split('.').map(Number)
      return { number, skip: index + 1, time: 0 }
    }
  }
  throw new InvalidParametersError("from must be 'start', { time } or { cursor }")
}
