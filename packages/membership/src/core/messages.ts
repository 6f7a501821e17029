import { boolean, bytes, list, message, object, oneOf, optional, text } from '@murmuration/codec'
import type { Message, Shape } from '@murmuration/codec'
import type { PlacementParameters, ProtocolRange, Role } from '@murmuration/interface'
import { accusationsMax, membersMax, pageViewsMax, textMax } from '../defaults.ts'
import {
  ballot,
  count,
  decisionFields,
  member,
  name,
  peers,
  placement,
  profileFields,
  view,
  viewFields
} from './records.ts'
import type { Delta, Packed } from './packing.ts'
import type { Ballot } from './records.ts'

/** Where the sender of a message stands. It is part of every message, both ways. */
export interface Standing {
  readonly cluster: string
  /** Tells apart clusters of one name that were founded twice. Empty without a view. */
  readonly lineage: string
  /** 0 without a view. */
  readonly number: number
  readonly settled: number
  /** Members of its view, 0 where it is not one of them. */
  readonly size: number
  readonly incarnation: string
  readonly boot: number
}

/** One member says of another that it is gone. */
export interface Accusation {
  readonly by: string
  readonly peer: string
  readonly kind: 'refused' | 'silent'
  /** Milliseconds since the accuser confirmed it. */
  readonly ageMs: number
}

/** A heartbeat and its answer. */
export interface Beat {
  readonly standing: Standing
  /** One bit per member of the view, by position: it has reported the view as settled. */
  readonly reports: Uint8Array
  /** Accusations of members of the view, four numbers each. */
  readonly charges: readonly number[]
  /** It stood still lately: that it accuses nobody says nothing. */
  readonly isLagging?: boolean
  /** In an answer: this acceptor grants the lease of the peer that asked, in the view of both. */
  readonly grants?: boolean
}

export interface Prepare {
  readonly standing: Standing
  readonly number: number
  readonly ballot: Ballot
  /** Members that the proposer wants to remove against their will. */
  readonly removes: readonly string[]
}

export interface Accept {
  readonly standing: Standing
  readonly number: number
  readonly ballot: Ballot
  readonly decision: Packed
  /** Against their will; empty where the proposer had to take up an earlier proposal. */
  readonly removes: readonly string[]
}

/** Answer to prepare and accept. */
export interface Vote {
  readonly standing: Standing
  /** `veto`: not now, because it heard a peer that is to be removed. `elsewhere`: no voter here. */
  readonly status: 'yes' | 'conflict' | 'veto' | 'elsewhere'
  readonly promised?: Ballot
  readonly accepted?: { readonly ballot: Ballot; readonly decision: Packed }
  /** With a yes to accept: how long the members that the decision removes may hold their leases. */
  readonly graceMs?: number
}

export interface Decided {
  readonly standing: Standing
  readonly decision: Packed
}

export interface Acknowledgement {
  readonly standing: Standing
}

/** Asks for the views after a number, of the sender's lineage; else for all that are unsettled. */
export interface Question {
  readonly standing: Standing
  readonly after: number
}

export interface Chain {
  readonly standing: Standing
  /** Consecutive views, the oldest first; not always all, see `standing.number`. */
  readonly decisions: readonly Packed[]
}

/** A peer that wants to be a member, or a member whose record has changed. */
export interface Candidate {
  readonly peer: string
  readonly incarnation: string
  readonly addresses: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly weight: number
  /** Filled in by the member that admits it, from its certificate. */
  readonly roles?: readonly Role[]
  readonly protocols?: ProtocolRange
  /** Its agents come to it by {@link Member.ownerWeight}, and not all with its record. */
  readonly gradual?: boolean
  /** The highest view number that it has seen: its next view must be above. */
  readonly after: number
}

export interface Join {
  readonly standing: Standing
  readonly candidate: Candidate
  readonly placement: PlacementParameters
  readonly lowest: number
  readonly highest: number
  /** Passed on by a member that has checked it. */
  readonly forwarded: boolean
}

/** Why a join was refused. The first four need a person; the others pass by themselves. */
export type RefusalReason =
  | 'cluster-differs'
  | 'placement-differs'
  | 'protocol-differs'
  | 'role-missing'
  | 'identity-differs'
  | 'incarnation-retired'
  | 'revoked'
  | 'too-far-ahead'
  | 'too-many-unsettled'
  | 'busy'

const refusalReasons = [
  'cluster-differs',
  'placement-differs',
  'protocol-differs',
  'role-missing',
  'identity-differs',
  'incarnation-retired',
  'revoked',
  'too-far-ahead',
  'too-many-unsettled',
  'busy'
] as const satisfies readonly RefusalReason[]

export interface JoinAnswer {
  readonly standing: Standing
  /** `elsewhere`: the asked peer is no member now. */
  readonly status: 'member' | 'pending' | 'refused' | 'elsewhere'
  readonly reason?: RefusalReason
  readonly explanation?: string
}

export interface Leave {
  readonly standing: Standing
  readonly peer: string
}

const standing: Shape<Standing> = object({
  cluster: name,
  lineage: text({ max: 2 * textMax }),
  number: count,
  settled: count,
  size: count,
  incarnation: name,
  boot: count
})

const { cluster: _, ...deltaFields } = viewFields
const members = list(member, { max: membersMax })
const delta: Shape<Delta> = object({ ...deltaFields, base: count, put: members, drop: peers })
const packed: Shape<Packed> = object({
  view: optional(view),
  delta: optional(delta),
  ...decisionFields
})

const candidate: Shape<Candidate> = object({
  ...profileFields,
  gradual: optional(boolean()),
  after: count
})

export const Beat: Message<Beat> = message({
  standing,
  reports: bytes({ max: membersMax / 8 }),
  charges: list(count, { max: 4 * accusationsMax }),
  isLagging: optional(boolean()),
  grants: optional(boolean())
})

export const Prepare: Message<Prepare> = message({
  standing,
  number: count,
  ballot,
  removes: peers
})

export const Accept: Message<Accept> = message({
  standing,
  number: count,
  ballot,
  decision: packed,
  removes: peers
})

export const Vote: Message<Vote> = message({
  standing,
  status: oneOf('yes', 'conflict', 'veto', 'elsewhere'),
  promised: optional(ballot),
  accepted: optional(object({ ballot, decision: packed })),
  graceMs: optional(count)
})

export const Decided: Message<Decided> = message({ standing, decision: packed })

export const Acknowledgement: Message<Acknowledgement> = message({ standing })

export const Question: Message<Question> = message({ standing, after: count })

export const Chain: Message<Chain> = message({
  standing,
  decisions: list(packed, { max: pageViewsMax })
})

export const Join: Message<Join> = message({
  standing,
  candidate,
  placement,
  lowest: count,
  highest: count,
  forwarded: boolean()
})

export const JoinAnswer: Message<JoinAnswer> = message({
  standing,
  status: oneOf('member', 'pending', 'refused', 'elsewhere'),
  reason: optional(oneOf(...refusalReasons)),
  explanation: optional(text({ max: 1024 }))
})

export const Leave: Message<Leave> = message({ standing, peer: name })

/** What is asked and answered under each name; the RPC method is `membership.` and the name. */
export interface Exchanges {
  readonly beat: readonly [Beat, Beat]
  readonly prepare: readonly [Prepare, Vote]
  readonly accept: readonly [Accept, Vote]
  readonly decided: readonly [Decided, Acknowledgement]
  readonly view: readonly [Question, Chain]
  readonly join: readonly [Join, JoinAnswer]
  readonly leave: readonly [Leave, Acknowledgement]
}

export type Method = keyof Exchanges

/** The pair of codecs of each exchange. */
export const exchanges: {
  readonly [M in Method]: {
    readonly request: Message<Exchanges[M][0]>
    readonly answer: Message<Exchanges[M][1]>
  }
} = {
  beat: { request: Beat, answer: Beat },
  prepare: { request: Prepare, answer: Vote },
  accept: { request: Accept, answer: Vote },
  decided: { request: Decided, answer: Acknowledgement },
  view: { request: Question, answer: Chain },
  join: { request: Join, answer: JoinAnswer },
  leave: { request: Leave, answer: Acknowledgement }
}
