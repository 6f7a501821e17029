import { ownSessionPrefix } from './copy-state.ts'
import type { Entry } from './entry.ts'
import type { EntrySet } from './entry-set.ts'

/**
 * When a document last forgot sessions: view and boot of that tenure, and the how-many-th collection
 * of its base it was. Later ones compare greater. Empty: never.
 */
export type Since = readonly number[]

export const never: Since = []

/**
 * Sessions of this form belong to the program that runs the agent, as those of schedules do. They are
 * few, they last as long as the document, and are never forgotten.
 */
export const lastingSessionPrefix = '@'

export function compareSince(a: Since, b: Since): number {
  for (let at = 0; at < 3; at++) {
    const order = (a[at] ?? 0) - (b[at] ?? 0)
    if (order !== 0) return order
  }
  return 0
}

/** Undefined where there is none. */
export function latestSince(all: readonly (Since | undefined)[]): Since | undefined {
  return all.reduce((latest, one) =>
    one === undefined || (latest !== undefined && compareSince(one, latest) <= 0) ? latest : one
  )
}

/** Whether a session belongs to clients, which come and go. */
export function isForgettable(session: string): boolean {
  return !session.startsWith(ownSessionPrefix) && !session.startsWith(lastingSessionPrefix)
}

/**
 * Whether an entry comes late: its session was forgotten then, and is not known or was opened again.
 * The owner that forgot it had everything that was acknowledged until then, so what it had not was
 * acknowledged to nobody, and the rest is in the base. What a side of a split did by itself it could
 * not have.
 */
export function isLate({ isOfSide, session, since, stamp }: Entry, forgotten: Since): boolean {
  if (forgotten.length === 0 || isOfSide || !isForgettable(session)) return false
  const order = compareSince([stamp.view, stamp.boot], forgotten.slice(0, 2))
  return order < 0 || (order === 0 && compareSince(since, forgotten) < 0)
}

/**
 * The sessions that make room for others, so that at most three quarters of `max` stay. Those whose
 * client has passed all it sent come first: nobody misses them. Then whoever was not heard of for
 * longest; those of which a replica lacks something stay.
 */
export function sessionsToForget(
  entries: EntrySet,
  max: number,
  isConfirmed: (entry: Entry) => boolean
): string[] {
  const found: { readonly name: string; readonly time: number }[] = []
  let count = 0
  for (const name of entries.sessions()) {
    if (!isForgettable(name)) continue
    count++
    const own = entries.below(name, Number.POSITIVE_INFINITY)
    if (own.every(isConfirmed)) {
      found.push({ name, time: own.reduce((last, { time }) => Math.max(last, time.time), 0) })
    }
  }
  const least = Math.min(count - Math.floor((max * 3) / 4), forgottenAtOnce)
  return count <= max
    ? []
    : found
        .toSorted((a, b) => a.time - b.time)
        .slice(0, least)
        .map(({ name }) => name)
}

/** Names of one message. */
const forgottenAtOnce = 1024
