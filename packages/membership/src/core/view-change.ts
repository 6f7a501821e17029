import { isAbandoned } from '@murmuration/interface'
import type {
  ForcedMark,
  Member,
  PlacementParameters,
  ProtocolRange,
  Revocations,
  SelfIdentity,
  View,
  ViewProposal
} from '@murmuration/interface'
import { protocolVersions } from '../defaults.ts'
import type { Candidate } from './messages.ts'
import { withAbandoned } from './abandoning.ts'
import { movesAmong, withMoves } from './moves.ts'
import { withShares, withUse, withoutStep } from './shares.ts'
import { leaseMsOf, paceOf } from './pace.ts'
import type { Decision } from './records.ts'

/** What a proposer wants to change in a view. */
export interface Change {
  readonly join: readonly Candidate[]
  /** Against their will. */
  readonly remove: readonly string[]
  readonly leave: readonly string[]
  /** True: a view without a change, so that a joiner with a higher number can follow. */
  readonly advance: boolean
  /** Members whose certificate is revoked. */
  readonly expelled?: readonly string[]
  /** What people asked for, as far as the view does not have it. */
  readonly proposals?: readonly ViewProposal[]
}

export function isEmpty(change: Change): boolean {
  const { join, remove, leave, advance, expelled = [], proposals = [] } = change
  return [join, remove, leave, expelled, proposals].every(({ length }) => length === 0) && !advance
}

/** The first view of a cluster. */
export function firstDecision(
  cluster: string,
  placement: PlacementParameters,
  founder: Candidate
): Decision {
  const members = [memberOf(founder, 1)]
  const view = { cluster, number: 1, members, tieBreaker: founder.peer, placement }
  const leaseMs = paceOf(1).leaseMs
  return { view: { ...view, leaseMs, protocols: protocolsOf(members) }, left: [] }
}

/** The view that follows by this change. A member with a new incarnation replaces the old one. */
export function nextDecision(view: View, change: Change): Decision {
  const number = view.number + 1
  const controlled = (change.proposals ?? []).reduce(withProposal, view)
  const members = new Map(controlled.members.map((member) => [member.peer, member]))
  for (const peer of [...change.remove, ...change.leave, ...(change.expelled ?? [])]) {
    members.delete(peer)
  }
  for (const candidate of change.join) {
    const present = members.get(candidate.peer)
    const same = present !== undefined && present.incarnation === candidate.incarnation
    const record = memberOf(candidate, same ? present.since : number)
    // Its roles were read from its certificate when it came; its own word does not change them.
    const roles = same ? present.roles : candidate.roles
    const share = withoutStep(view, present, candidate)
    members.set(candidate.peer, { ...record, ...share, ...(roles && { roles }) })
  }
  for (const peer of controlled.revoked?.peers ?? []) {
    members.delete(peer)
  }
  const ordered = [...members.values()]
    .filter((member) => !isAbandoned(controlled, member))
    .toSorted((a, b) => compareText(a.peer, b.peer))
  return { view: followedBy(controlled, number, ordered), left: change.leave }
}

/** The view that an operator makes of some of the members, in place of a majority. */
export function forcedDecision(
  view: View,
  number: number,
  peers: ReadonlySet<string>,
  by: string,
  reason: string
): Decision {
  const mark: ForcedMark = { view: number, base: view.number, by, reason }
  const members = view.members.filter(({ peer }) => peers.has(peer))
  const unsafe = [...(view.unsafe ?? []), mark]
  return { view: { ...followedBy(view, number, members), unsafe }, left: [], forced: mark }
}

/** Whether the view has all that a proposal asks for. */
export function isProposalIn(view: View, proposal: ViewProposal): boolean {
  return withProposal(view, proposal) === view
}

/** The view with what people asked for: itself, if it has that. */
export function withProposal(view: View, proposal: ViewProposal): View {
  const { revoke = {}, reinstate = {}, acknowledgeForced = 0 } = proposal
  const { peers, serials } = view.revoked ?? { peers: [], serials: [] }
  const revoked: Revocations = {
    peers: changed(peers, revoke.peers, reinstate.peers),
    serials: changed(serials, revoke.serials, reinstate.serials)
  }
  const unsafe = view.unsafe?.filter((mark) => mark.view > acknowledgeForced) ?? []
  const isSame =
    peers.join('\n') === revoked.peers.join('\n') &&
    serials.join('\n') === revoked.serials.join('\n') &&
    unsafe.length === (view.unsafe?.length ?? 0)
  const controlled = isSame ? view : { ...view, revoked, unsafe }
  const moved = withMoves(withAbandoned(controlled, proposal.abandon), proposal.move)
  return withShares(withUse(moved, proposal.inUse), proposal.share)
}

function changed(
  before: readonly string[],
  added: readonly string[] = [],
  removed: readonly string[] = []
): readonly string[] {
  const all = new Set([...before, ...added])
  return [...all].filter((text) => !removed.includes(text)).toSorted(compareText)
}

function followedBy(view: View, number: number, members: readonly Member[]): View {
  const tieBreaker = tieBreakerOf(view, members, number)
  const leaseMs = Math.max(leaseMsOf(view), paceOf(members.length).leaseMs)
  const { moved: _, ...kept } = view
  const followed = { ...kept, ...movesAmong(view, members), number, members, tieBreaker, leaseMs }
  return { ...followed, protocols: protocolsOf(members) }
}

/** What all members speak. A joiner that speaks none of it is not admitted. */
function protocolsOf(members: readonly Member[]): ProtocolRange {
  const ranges = members.map(({ protocols }) => protocols ?? { lowest: 1, highest: 1 })
  return {
    lowest: Math.max(1, ...ranges.map(({ lowest }) => lowest)),
    highest: Math.min(Number.MAX_SAFE_INTEGER, ...ranges.map(({ highest }) => highest))
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
    JSON.stringify(member.protocols) === JSON.stringify(candidate.protocols ?? protocolVersions) &&
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
  const { peer, incarnation, addresses, labels, weight, roles } = candidate
  const protocols = candidate.protocols ?? protocolVersions
  const record = { peer, incarnation, addresses, labels, weight, since, protocols }
  return { ...record, ...(roles && { roles }) }
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function sorted(labels: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  return Object.entries(labels).toSorted(([a], [b]) => compareText(a, b))
}
