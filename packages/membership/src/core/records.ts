import {
  boolean,
  bytes,
  integer,
  list,
  message,
  object,
  oneOf,
  optional,
  record,
  text
} from '@murmuration/codec'
import type { Message, Shape } from '@murmuration/codec'
import type {
  ForcedMark,
  Member,
  MovedAgents,
  PlacementParameters,
  ProtocolRange,
  Revocations,
  Role,
  StoreLife,
  View
} from '@murmuration/interface'
import {
  abandonedMax,
  acceptorsMax,
  addressesMax,
  addressMax,
  forcedMax,
  labelsMax,
  membersMax,
  movedKeyMax,
  movedMax,
  revokedMax,
  textMax,
  weightMax
} from '../defaults.ts'

/** Names one attempt to decide; unique for ever, because the proposer names its boot. */
export interface Ballot {
  readonly counter: number
  /** `PeerId#incarnation#boot`. */
  readonly proposer: string
}

/** What one instance decides: the next view, and which of the removed members asked for it. */
export interface Decision {
  readonly view: View
  readonly left: readonly string[]
  /** How it was decided. Not part of what is decided: two proposers may have other votes for it. */
  readonly proof?: Proof
  /** In place of a proof, for a view that an operator forced. */
  readonly forced?: ForcedMark
}

/**
 * Who voted for a decision. Votes are not signed: their acceptors are members, named by their
 * connections and trusted; what a proof rules out is a mistake, such as a view that was only
 * proposed, and whoever would lie about votes could lie about all that it holds.
 */
export interface Proof {
  readonly ballot: Ballot
  /** One bit per acceptor of the view before, by its position among them. */
  readonly votes: Uint8Array
  /** For how long, at most, the removed members may hold the leases that these voters granted. */
  readonly graceMs: number
}

export interface AcceptedValue {
  readonly ballot: Ballot
  readonly decision: Decision
}

export const name: Shape<string> = text({ max: textMax })
export const count: Shape<number> = integer({ min: 0 })

export const ballot: Shape<Ballot> = object({
  counter: count,
  proposer: text({ max: 3 * textMax })
})

const roles: Shape<readonly Role[]> = list(oneOf('member', 'edge', 'guest'), { max: 3 })
const protocols: Shape<ProtocolRange> = object({ lowest: count, highest: count })

/** What a member says of itself. */
export const profileFields = {
  peer: name,
  incarnation: name,
  addresses: list(text({ max: addressMax }), { max: addressesMax }),
  labels: record(name, { max: labelsMax }),
  weight: integer({ min: 1, max: weightMax }),
  roles: optional(roles),
  protocols: optional(protocols)
}

export const member: Shape<Member> = object({
  ...profileFields,
  ownerWeight: optional(integer({ min: 0, max: 1000 * weightMax })),
  since: count
})

export const placement: Shape<PlacementParameters> = object({
  hash: oneOf('sha256-hrw-1'),
  slots: integer({ min: 1, max: 1 << 20 }),
  zoneLabel: name
})

const revoked: Shape<readonly string[]> = list(name, { max: revokedMax })

const revocations: Shape<Revocations> = object({ peers: revoked, serials: revoked })

const forcedMark: Shape<ForcedMark> = object({
  view: count,
  base: count,
  by: name,
  reason: name,
  abandoned: optional(count)
})

const storeLife: Shape<StoreLife> = object({ peer: name, incarnation: name })

const movedAgents: Shape<MovedAgents> = object({
  peer: name,
  keys: list(text({ max: movedKeyMax }), { max: movedMax })
})

/** What a view has beside its members. */
export const viewFields = {
  cluster: name,
  number: integer({ min: 1 }),
  tieBreaker: name,
  placement,
  moved: optional(list(movedAgents, { max: membersMax })),
  inUse: optional(boolean()),
  leaseMs: optional(count),
  protocols: optional(protocols),
  revoked: optional(revocations),
  abandoned: optional(list(storeLife, { max: abandonedMax })),
  unsafe: optional(list(forcedMark, { max: forcedMax }))
}

export const view: Shape<View> = object({
  ...viewFields,
  members: list(member, { max: membersMax })
})

export const peers: Shape<readonly string[]> = list(name, { max: membersMax })

const proof: Shape<Proof> = object({
  ballot,
  votes: bytes({ max: Math.ceil(acceptorsMax / 8) }),
  graceMs: count
})

/** What a decision has beside its view. */
export const decisionFields = {
  left: peers,
  proof: optional(proof),
  forced: optional(forcedMark)
}

const decision: Shape<Decision> = object({ view, ...decisionFields })
const acceptedValue: Shape<AcceptedValue> = object({ ballot, decision })

/** The promise and vote of this peer in one instance, as it is stored. */
export interface AcceptorState {
  readonly number: number
  readonly promised: Ballot
  readonly accepted?: AcceptedValue
}

export const StoredAcceptor: Message<AcceptorState> = message({
  number: count,
  promised: ballot,
  accepted: optional(acceptedValue)
})

export const StoredDecision: Message<Decision> = message({ view, ...decisionFields })

/** The lineage of the stored views, and the oldest unsettled one. */
export interface ChainHead {
  readonly lineage: string
  readonly settled: number
}

export const StoredHead: Message<ChainHead> = message({
  lineage: text({ max: 2 * textMax }),
  settled: count
})

/** This life of the store, and how often it was opened. */
export interface StoredSelf {
  readonly incarnation: string
  readonly boot: number
}

export const StoredSelf: Message<StoredSelf> = message({ incarnation: name, boot: count })
