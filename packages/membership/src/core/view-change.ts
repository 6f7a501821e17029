import type { Member, PlacementParameters, SelfIdentity, View } from '@murmuration/interface'
import type { Candidate, Decision } from './messages.ts'

/** What a proposer wants to change in a view. */
export interface Change {
  readonly join: readonly Candidate[]
  /** Against their will. */
  readonly remove: readonly string[]
  readonly leave: readonly string[]
  /** True: a view without a change, so that a joiner with a higher number can follow. */
  readonly advance: boolean
}

export function isEmpty(change: Change): boolean {
  return change.join.length + change.remove.length + change.leave.length === 0 && !change.advance
}

/** The first view of a cluster. */
export function firstDecision(
  cluster: string,
  placement: PlacementParameters,
  founder: Candidate
): Decision {
  const members = [memberOf(founder, 1)]
  return { view: { cluster, number: 1, members, tieBreaker: founder.peer, placement }, left: [] }
}

/** The view that follows by this change. A member with a new incarnation replaces the old one. */
export function nextDecision(view: View, change: Change): Decision {
  const number = view.number + 1
  const members = new Map(view.members.map((member) => [member.peer, member]))
  for (const peer of [...change.remove, ...change.leave]) {
    members.delete(peer)
  }
  for (const candidate of change.join) {
    const present = members.get(candidate.peer)
    const same = present !== undefined && present.incarnation === candidate.incarnation
    members.set(candidate.peer, memberOf(candidate, same ? present.since : number))
  }
  const ordered = [...members.values()].toSorted((a, b) => compareText(a.peer, b.peer))
  return {
    view: { ...view, number, members: ordered, tieBreaker: tieBreakerOf(view, ordered, number) },
    left: change.leave
  }
}

/** The record of a member, if it is one with this incarnation. */
function memberIn(
  view: View | undefined,
  self: Pick<SelfIdentity, 'peer' | 'incarnation'>
): Member | undefined {
  return view?.members.find(
    ({ peer, incarnation }) => peer === self.peer && incarnation === self.incarnation
  )
}

/** Whether a member's record says what the candidate says. */
export function isRecordedAs(member: Member, candidate: Candidate): boolean {
  return (
    member.incarnation === candidate.incarnation &&
    member.weight === candidate.weight &&
    JSON.stringify(member.addresses) === JSON.stringify(candidate.addresses) &&
    JSON.stringify(sorted(member.labels)) === JSON.stringify(sorted(candidate.labels))
  )
}

/**
 * The former one as long as it stays in the same incarnation (the founder first). After it the
 * member that has been there longest; never one that is just joining, of whom nobody knows yet
 * whether it ever arrives.
 */
function tieBreakerOf(view: View, members: readonly Member[], number: number): string {
  const former = view.members.find(({ peer }) => peer === view.tieBreaker)
  if (former !== undefined && memberIn({ ...view, members }, former) !== undefined) {
    return former.peer
  }
  const [longest] = members.toSorted((a, b) => a.since - b.since || compareText(a.peer, b.peer))
  const settled = members.filter(({ since }) => since < number)
  const [eligible] = settled.toSorted((a, b) => a.since - b.since || compareText(a.peer, b.peer))
  return (eligible ?? longest)?.peer ?? view.tieBreaker
}

function memberOf(candidate: Candidate, since: number): Member {
  const { peer, incarnation, addresses, labels, weight } = candidate
  return { peer, incarnation, addresses, labels, weight, since }
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function sorted(labels: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  return Object.entries(labels).toSorted(([a], [b]) => compareText(a, b))
}
