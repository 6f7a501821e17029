import {
  boolean,
  bytes,
  integer,
  list,
  message,
  object,
  oneOf,
  optional,
  record as map,
  text
} from '@murmuration/codec'
import type { Infer, Message, Shape } from '@murmuration/codec'
import { MalformedMessageError } from '@murmuration/interface'
import type { AgentRecord, VersionVector } from '@murmuration/interface'
import { decodeEntry } from './entry.ts'
import type { Entry } from './entry.ts'
import type { CollectStep } from './base.ts'
import type { Closing } from './closings.ts'
import type { CopyState, FoldStep } from './copy-state.ts'

const count: Shape<number> = integer({ min: 0 })
const idText: Shape<string> = text({ max: 512 })
const sessionText: Shape<string> = text({ max: 256 })
const memberText: Shape<string> = text({ max: 256 })

const wireRecord = object({
  id: idText,
  shardKey: optional(idText),
  placement: oneOf('hash', 'pinned', 'load'),
  replicas: integer({ min: 1, max: 7 })
})
/** An agent record as it travels. */
export const agentRecord: Shape<AgentRecord> = wireRecord

const byOf = { high: count, low: count, view: count, boot: count }
const wireFold = object({ session: sessionText, from: count, to: count, ...byOf })
const wireClosing = object({ life: text({ max: 16 }), boot: count, number: count, last: count })
const wireCollection = object({
  closings: list(wireClosing, { max: 4096 }),
  sessions: optional(list(sessionText, { max: 4096 })),
  ...byOf
})
const wireSince = list(count, { max: 3 })

type WireFold = Infer<typeof wireFold>
type WireCollection = Infer<typeof wireCollection>

export function stepToWire({ session, from, to, digest, by }: FoldStep): WireFold {
  return { session, from, to, ...digest, view: by.view, boot: by.boot }
}

export function stepFromWire({ session, from, to, high, low, view, boot }: WireFold): FoldStep {
  return { session, from, to, digest: { high, low }, by: { view, boot } }
}

export function collectionToWire({ closings, sessions, from, by }: CollectStep): WireCollection {
  const forgotten = sessions.length > 0 ? { sessions: [...sessions] } : {}
  return { closings: [...closings], ...forgotten, ...from, view: by.view, boot: by.boot }
}

export function collectionFromWire({
  closings,
  sessions = [],
  high,
  low,
  view,
  boot
}: WireCollection): CollectStep {
  return { closings, sessions, from: { high, low }, by: { view, boot } }
}

/** What every request of an owner says about its sender: the view it acts in, and its place in time. */
export interface Sender {
  readonly view: number
  /** The side of a split that it acts for; undefined: an agreed view. */
  readonly branch?: string
  readonly incarnation: string
  readonly boot: number
}

/** What every answer says about the one who gives it. */
interface Answerer {
  /** The view it has adopted; if newer than that of the request, nothing counts. */
  readonly view: number
  readonly incarnation: string
  /** The sender is older than what this peer has promised to; what it sent was merged only. */
  readonly fenced: boolean
}

const branchText: Shape<string> = text({ max: 256 })
const sender = {
  view: count,
  branch: optional(branchText),
  incarnation: memberText,
  boot: count
}
const answerer = { view: count, incarnation: memberText, fenced: boolean() }

export interface AppendDocument {
  readonly record: AgentRecord
  readonly entries: readonly Uint8Array[]
  readonly folds: readonly WireFold[]
  /** After the others. */
  readonly collection?: WireCollection
}
export interface AppendRequest extends Sender {
  readonly documents: readonly AppendDocument[]
}
/**
 * `ok`: durable. `full`: send the whole state. `more`: durable, and the replica holds something that
 * the sender has to see. `failed`: not confirmed, try again.
 */
export type Verdict = 'ok' | 'full' | 'more' | 'failed'
export interface Verdicts extends Answerer {
  readonly results: readonly Verdict[]
  /** The wall clock of the one who answers. Unit: ms since 1970. */
  readonly now?: number
}
const verdict = oneOf('ok', 'full', 'more', 'failed')

export const appendRequest: Message<AppendRequest> = message({
  ...sender,
  documents: list(
    object({
      record: agentRecord,
      entries: list(bytes()),
      folds: list(wireFold),
      collection: optional(wireCollection)
    })
  )
})
export const verdicts: Message<Verdicts> = message({
  ...answerer,
  results: list(verdict),
  now: optional(count)
})

/** Whole states. `owner`: to its replica. `holder`: from anyone else, to the owner. */
export interface PutRequest extends Sender {
  readonly from: 'owner' | 'holder'
  readonly states: readonly Uint8Array[]
}
export const putRequest: Message<PutRequest> = message({
  ...sender,
  from: oneOf('owner', 'holder'),
  states: list(bytes())
})

export interface CollectRequest extends Sender {
  /** Only documents after this id. */
  readonly after?: string
}
export interface IndexEntry {
  readonly id: string
  readonly digest: string
}
export interface CollectReply extends Answerer {
  readonly documents: readonly IndexEntry[]
  /** Ids of which this peer's own copy is damaged: it does not count for them. */
  readonly damaged: readonly string[]
  readonly more: boolean
}
const indexEntry = object({ id: idText, digest: text({ max: 32 }) })
export const collectRequest: Message<CollectRequest> = message({
  ...sender,
  after: optional(idText)
})
export const collectReply: Message<CollectReply> = message({
  ...answerer,
  documents: list(indexEntry),
  damaged: list(idText),
  more: boolean()
})

/**
 * More copies than one message holds, by their digests: the receiver pulls those that it lacks. Its
 * answers come as a stream of verdicts: first one for each document (`full`: to be pulled), then one
 * for each that was pulled, in this order.
 */
export interface OfferRequest extends Sender {
  readonly from: 'owner' | 'holder'
  readonly documents: readonly IndexEntry[]
}
export const offerRequest: Message<OfferRequest> = message({
  ...sender,
  from: oneOf('owner', 'holder'),
  documents: list(indexEntry)
})

/** Asks for copies of documents to be fetched from their owner, before a view moves them. */
export interface PrepareRequest {
  readonly owner: string
  readonly ids: readonly string[]
}
export const prepareRequest: Message<PrepareRequest> = message({
  owner: memberText,
  ids: list(idText)
})
/** False where the owner did not give them: the replicas will, when the view has come. */
export const prepareReply: Message<{ readonly copied: boolean }> = message({ copied: boolean() })

/** Asks for a live document, which comes in pieces. */
export interface PullRequest {
  readonly id: string
}
export const pullRequest: Message<PullRequest> = message({ id: idText })

export interface CompareRequest extends Pick<Sender, 'view' | 'branch'> {
  /** A digest of each bucket, packed. */
  readonly buckets: Uint8Array
}
export interface CompareReply {
  /** The one asked does not serve now, or in another view. */
  readonly busy: boolean
  readonly differing: readonly number[]
}
export const compareRequest: Message<CompareRequest> = message({
  view: count,
  branch: optional(branchText),
  buckets: bytes({ max: 8192 })
})
export const compareReply: Message<CompareReply> = message({
  busy: boolean(),
  differing: list(count, { max: 1024 })
})

/** Documents that the sender holds and the receiver owns. */
export interface ListRequest extends Pick<Sender, 'view' | 'branch'> {
  /** The sender is a replica: these are all of its documents in the named buckets. */
  readonly buckets: readonly number[]
  /** Of so many buckets. */
  readonly count: number
  readonly documents: readonly IndexEntry[]
}
export interface ListReply {
  readonly busy: boolean
  /** Send me your copy. */
  readonly want: readonly string[]
  /** I have exactly this, and it is durable on W replicas. */
  readonly have: readonly string[]
}
export const listRequest: Message<ListRequest> = message({
  view: count,
  branch: optional(branchText),
  buckets: list(count, { max: 1024 }),
  count,
  documents: list(indexEntry)
})
export const listReply: Message<ListReply> = message({
  busy: boolean(),
  want: list(idText),
  have: list(idText)
})

export interface ReadRequest {
  /** The view of the reader; whoever is asked takes it up before it says whether it is the owner. */
  readonly asked: number
  readonly record: AgentRecord
  readonly stale: boolean
  /** What the reader's session has seen: who is without it says so. */
  readonly after?: VersionVector
}
export interface ReadReply {
  /** Missing where the document is too large for one message, or not held. */
  readonly document?: Uint8Array
  /** `elsewhere`: somebody else owns it in the view of the one asked, which is given. */
  readonly status: 'inline' | 'large' | 'absent' | 'behind' | 'elsewhere'
  /** The owner's tenure; missing where a replica answered. */
  readonly view?: number
  readonly boot?: number
  readonly branch?: string
  readonly partial?: boolean
  /** Writers that have left the version of the document. */
  readonly closed?: readonly Closing[]
}
export const readRequest: Message<ReadRequest> = message({
  asked: count,
  record: agentRecord,
  stale: boolean(),
  after: optional(map(count, { max: 10_000 }))
})
export const readReply: Message<ReadReply> = message({
  document: optional(bytes()),
  status: oneOf('inline', 'large', 'absent', 'behind', 'elsewhere'),
  view: optional(count),
  boot: optional(count),
  branch: optional(branchText),
  partial: optional(boolean()),
  closed: optional(list(wireClosing, { max: 65_536 }))
})

const stateLimits = { bytesMax: 67_108_864, itemsMax: 4_194_304 }
const baseFields = {
  record: agentRecord,
  base: bytes({ max: stateLimits.bytesMax }),
  floors: list(object({ session: sessionText, floor: count, since: optional(wireSince) }), {
    max: 1_048_576
  }),
  time: count,
  tick: count,
  /** Where it was folded: view and boot of that tenure; and where writers were taken out: how often, and view and boot of the last time. */
  folded: optional(list(count, { max: 5 })),
  forgotten: optional(wireSince),
  closed: optional(list(wireClosing, { max: 65_536 }))
}
const baseMessage = message(baseFields, stateLimits)
const stateMessage = message(
  { ...baseFields, entries: list(bytes(), { max: 1_048_576 }) },
  stateLimits
)

type WireBase = Infer<typeof baseMessage>

function partsOf(state: CopyState): WireBase {
  const { record, base, floors, time, folded, lineage, closed, forgotten } = state
  const tenures = [folded.view, folded.boot, lineage.count, lineage.view, lineage.boot]
  return {
    record,
    base,
    floors: floors.map(([session, floor, since]) =>
      since === undefined ? { session, floor } : { session, floor, since: [...since] }
    ),
    ...time,
    ...(tenures.some((part) => part > 0) ? { folded: tenures } : {}),
    ...(closed.length > 0 ? { closed: [...closed] } : {}),
    ...(forgotten.length > 0 ? { forgotten: [...forgotten] } : {})
  }
}

function stateOf(
  { record, base, floors, time, tick, folded = [], closed = [], forgotten = [] }: WireBase,
  entries: readonly Entry[]
): CopyState {
  const [view = 0, boot = 0, collections = 0, collectedIn = 0, collectedBy = 0] = folded
  return {
    record,
    base,
    folded: { view, boot },
    lineage: { count: collections, view: collectedIn, boot: collectedBy },
    closed,
    forgotten,
    floors: floors.map(({ session, floor, since }) =>
      since === undefined ? ([session, floor] as const) : ([session, floor, since] as const)
    ),
    entries,
    time: { time, tick }
  }
}

/** Record, base and floors, as they are stored. */
export function encodeBase(state: CopyState): Uint8Array {
  return baseMessage.encode(partsOf(state))
}

/** Throws `MalformedMessageError`. */
export function decodeBase(stored: Uint8Array): CopyState {
  return stateOf(baseMessage.decode(stored), [])
}

/** A whole copy, as it travels. */
export function encodeState(state: CopyState): Uint8Array {
  return stateMessage.encode({
    ...partsOf(state),
    entries: state.entries.map((entry) => entry.bytes)
  })
}

/** Throws `MalformedMessageError`. */
export function decodeState(sent: Uint8Array): CopyState {
  const decoded = stateMessage.decode(sent)
  const state = stateOf(
    decoded,
    decoded.entries.map((entry) => decodeEntry(entry))
  )
  const floorOf = new Map(state.floors.map(([session, floor]) => [session, floor]))
  if (state.entries.some(({ session, sequence }) => sequence < (floorOf.get(session) ?? 0))) {
    throw new MalformedMessageError('state: an entry below the floor of its session')
  }
  return state
}
