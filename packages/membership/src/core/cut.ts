import { fullMeshMax, highMark, lowMark } from '../defaults.ts'

/** What is known against the members of a view. */
export interface Evidence {
  readonly members: number
  /** Members against whom anything is known. */
  readonly accused: readonly string[]
  readonly observersOf: (peer: string) => readonly string[]
  /** Whether an observer has an accusation that counts. */
  readonly accuses: (by: string, peer: string) => boolean
  /** How many observers found its port closed. */
  readonly refusals: (peer: string) => number
  /** Whether the observer stood still lately: then its silence about a peer says nothing. */
  readonly isLagging: (observer: string) => boolean
}

/** Who should go, and who may have to go soon, for whom others wait so that they go together. */
export interface Cut {
  readonly stable: readonly string[]
  readonly unstable: readonly string[]
}

/**
 * Detects the members that should be removed together. A port that two observers (of a pair: one)
 * found closed is enough. Silence is judged by all observers up to 11 members, above that by the
 * high and low marks of Rapid.
 */
export function cutOf(evidence: Evidence): Cut {
  const closed = evidence.accused.filter((peer) => {
    const observers = new Set(evidence.observersOf(peer)).size
    return observers > 0 && evidence.refusals(peer) >= Math.min(2, observers)
  })
  return evidence.members <= fullMeshMax
    ? unanimous(evidence, new Set(closed))
    : byMarks(evidence, new Set(closed))
}

/**
 * The largest set of which every observer outside accuses every one inside. So one that still hears
 * a peer keeps it, and those who fell silent together need not accuse each other.
 */
function unanimous(evidence: Evidence, closed: ReadonlySet<string>): Cut {
  const { accused, accuses, isLagging, observersOf } = evidence
  const cut = new Set(accused)
  const isAgreed = (peer: string): boolean => {
    const judges = observersOf(peer).filter((by) => !cut.has(by) && !isLagging(by))
    return judges.length > 0 && judges.every((by) => accuses(by, peer))
  }
  for (let before = -1; before !== cut.size;) {
    before = cut.size
    for (const peer of Array.from(cut)) {
      if (!closed.has(peer) && !isAgreed(peer)) {
        cut.delete(peer)
      }
    }
  }
  return { stable: [...cut], unstable: [] }
}

/**
 * Each observer reports once per ring. From {@link highMark} reports on a peer should go; between
 * the marks it is not known yet, and an observer that is itself reported so often counts as if it
 * had reported, for it may never do so.
 */
function byMarks(evidence: Evidence, closed: ReadonlySet<string>): Cut {
  const { accused, accuses, observersOf, refusals } = evidence
  const tallies = new Map<string, number>()
  const isDoubted = (peer: string): boolean =>
    closed.has(peer) || (tallies.get(peer) ?? 0) >= lowMark
  for (let hasGrown = true; hasGrown;) {
    hasGrown = false
    for (const peer of accused) {
      const isLow = isDoubted(peer)
      const reports = observersOf(peer).filter((by) => {
        return accuses(by, peer) || (isLow && isDoubted(by))
      })
      if (reports.length > (tallies.get(peer) ?? 0)) {
        tallies.set(peer, reports.length)
        hasGrown = true
      }
    }
  }
  const isOut = (peer: string): boolean => closed.has(peer) || (tallies.get(peer) ?? 0) >= highMark
  const unstable = accused.filter((peer) => {
    return !isOut(peer) && (isDoubted(peer) || refusals(peer) > 0)
  })
  return { stable: accused.filter(isOut), unstable }
}
