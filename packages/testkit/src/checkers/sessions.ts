import type { Violation } from './violation.ts'

/** For each writer, how many of its writes are included. */
export type Versions = Readonly<Record<string, number>>

/** One operation of a session. A write's number among the writes of its writer begins with 1. */
export interface SessionOperation {
  readonly session: string
  /** The write that it made; undefined for a read. */
  readonly write?: { readonly writer: string; readonly number: number }
  /** What its replica held when it answered, its own write included. */
  readonly versions: Versions
}

/**
 * The four session guarantees of Terry et al., "Session guarantees for weakly consistent replicated
 * data" (1994), for operations in the order of each session: read your writes, monotonic reads,
 * monotonic writes, and writes follow reads.
 */
export function checkSessions(operations: readonly SessionOperation[]): readonly Violation[] {
  const violations: Violation[] = []
  const sessions = new Map<string, { written: Versions; read: Versions }>()
  /** What whoever holds a write must hold too. */
  const needs: Need[] = []
  for (const { session, write, versions } of operations) {
    const past = sessions.get(session) ?? { written: {}, read: {} }
    sessions.set(session, past)
    if (write === undefined) {
      const checks = [
        ['read your writes', past.written],
        ['monotonic reads', past.read]
      ] as const
      for (const [rule, wanted] of checks) {
        const missing = missingIn(versions, wanted)
        if (missing !== undefined) {
          violations.push({ rule, detail: `${session} read without ${missing}` })
        }
      }
      past.read = joined(past.read, versions)
      continue
    }
    needs.push(
      { ...write, session, rule: 'monotonic writes', wanted: past.written },
      { ...write, session, rule: 'writes follow reads', wanted: past.read }
    )
    past.written = joined(past.written, { [write.writer]: write.number })
  }
  for (const need of needs) {
    const broken = operations.find(({ versions }) => {
      const isHeld = (versions[need.writer] ?? 0) >= need.number
      return isHeld && missingIn(versions, need.wanted) !== undefined
    })
    if (broken !== undefined) {
      const { session, writer, number, rule } = need
      const missing = missingIn(broken.versions, need.wanted)
      const detail = `${broken.session} saw write ${writer}:${number} of ${session} without ${missing}`
      violations.push({ rule, detail })
    }
  }
  return violations
}

interface Need {
  readonly session: string
  readonly rule: string
  readonly writer: string
  readonly number: number
  readonly wanted: Versions
}

function missingIn(versions: Versions, wanted: Versions): string | undefined {
  const missing = Object.entries(wanted).find(([writer, number]) => {
    return (versions[writer] ?? 0) < number
  })
  return missing === undefined ? undefined : missing.join(':')
}

function joined(a: Versions, b: Versions): Versions {
  const all = { ...a }
  for (const [writer, number] of Object.entries(b)) {
    all[writer] = Math.max(all[writer] ?? 0, number)
  }
  return all
}
