import type { AbortOptions, ComponentLogger, Metrics, TypedEventTarget } from '@libp2p/interface'
import type { Conflict, Document } from '@murmuration/crdt'
import type {
  AckLevel,
  AgentRecord,
  Clock,
  Epoch,
  IdempotencyKey,
  Leases,
  Membership,
  Operation,
  PeerLease,
  Random,
  Registers,
  Rpc,
  Service,
  Store,
  VersionVector
} from '@murmuration/interface'
import type { Placement } from '@murmuration/placement'

/**
 * Keeps two owners from acting at once (rule 8): an owner acknowledges while it holds its lease, and
 * the next one begins when that of the former one has ended.
 */
export interface OwnerLeases extends Pick<Leases, 'mayReplace' | 'whenReplaceable'> {
  /** What the owner of this document must hold before it acknowledges. */
  of(id: string): PeerLease
}

/**
 * The place of a peer outside the view, which owns what is pinned to it. Members agree on its number,
 * which is greater in each later life of the peer, also when its disk was lost.
 */
export interface EdgeSeat {
  /** Undefined before it is taken. */
  readonly number: number | undefined
  /** Resolves with the number; rejects where this peer has and gets none, with `UnavailableError`. */
  whenTaken(options?: AbortOptions): Promise<number>
  /** Fires when it is over: a later life of this peer has taken it, or the peer is no edge peer any more. */
  readonly lost: AbortSignal
}

/** What {@link createState} needs from the node. */
export interface StateComponents {
  readonly rpc: Rpc
  readonly membership: Membership
  /** Documents are kept under the prefix `state/`. */
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  /** For strong state; without them there is none. Their `replicas` must include 3. */
  readonly registers?: Registers | undefined
  /** Without them nobody waits for anybody: right where there is only this peer. @default none */
  readonly leases?: OwnerLeases | undefined
  /**
   * Of a peer outside the view: it holds no replicas, and owns what is pinned to it while it has its
   * seat. @default this peer is a member, or joins
   */
  readonly edge?: EdgeSeat | undefined
  /**
   * Documents that are served without copies that nobody in the view has, as the side that decides
   * needs it where it goes on in a split. Their epochs say `partial` then. @default none
   */
  readonly goesOn?: ((record: AgentRecord) => boolean) | undefined
  /**
   * Whether such agents may be pinned: an edge peer names what it sends as it likes, and must not bring
   * state of agents of other types that have its PeerId as their key. @default all may
   */
  readonly mayPin?: ((record: AgentRecord) => boolean) | undefined
  readonly logger?: ComponentLogger
  readonly metrics?: Metrics
}

/** Options of {@link createState}. */
export interface StateInit {
  /** How long `own()` and `read()` wait for enough copies. Unit: ms. @default 5000 */
  readonly ownTimeoutMs?: number
  /** How long `commit()` waits for copies. Unit: ms. @default 5000 */
  readonly commitTimeoutMs?: number
  /** How long one question to a peer may take. Unit: ms. @default 2000 */
  readonly requestTimeoutMs?: number
  /** How long a replica waits for what a session has seen. Unit: ms. @default 20 */
  readonly sessionWaitMs?: number
  /**
   * How far the clock of an owner may be from the median of its view; further, and its updates fail
   * with `ClockSkewError`. Unit: ms. @default 500
   */
  readonly clockSkewMs?: number
  /** Between two comparisons with the same owner. Unit: ms. @default 3000 */
  readonly compareMs?: number
  /** Confirmed updates that are folded together. Fewer means more writing. @default 32 */
  readonly foldEntries?: number
  /** A document that is quiet for so long is folded. Unit: ms. @default 1000 */
  readonly foldIdleMs?: number
  /** Names of owners that a document keeps before those that are done with go. @default 16 */
  readonly collectNames?: number
  /** Sessions of clients that a document remembers; more, and those idle for longest are forgotten. @default 4096 */
  readonly sessionsMax?: number
  /** Updates of one document that wait for copies. @default 1024 */
  readonly unacknowledgedMax?: number
  /** Updates of one document above its floors. @default 16384 */
  readonly entriesMax?: number
  /** Documents that this peer holds. @default 1000000 */
  readonly documentsMax?: number
}

export interface StateEvents {
  /** A document held here changed, by an update or by a merge. */
  change: CustomEvent<{ readonly id: string }>
  /** This peer began or ceased to serve a document. */
  tenure: CustomEvent<{ readonly id: string; readonly status: 'begun' | 'ended' }>
  /**
   * A document that this peer serves has values that exclude each other, written by owners that did not
   * know of each other, as in a split. Told by its owner when a merge brings them, and once by each later
   * owner that finds them: until the field is written again.
   */
  conflict: CustomEvent<{ readonly id: string; readonly conflicts: readonly Conflict[] }>
  /** A stream that brings copies to this peer began, went on or ended. */
  copying: CustomEvent<CopyProgress>
  /** This peer ceased to serve a document that it changed for its side of a split by itself. */
  branched: CustomEvent<BranchedDocument>
}

/** How far a stream of copies is, as more than one message holds. */
export interface CopyProgress {
  /** The source. */
  readonly peer: string
  /** `broken`: whoever needed the copies tries again, perhaps from another peer, for the rest. */
  readonly status: 'begun' | 'going' | 'ended' | 'broken'
  /** Written here, or not held by the source any more. */
  readonly documents: number
  readonly of: number
  readonly bytes: number
  /** How often it broke off and went on. */
  readonly resumes: number
}

/** What a side of a split made of a document, by itself. */
export interface BranchedDocument {
  readonly record: AgentRecord
  readonly branch: string
  readonly updates: number
  readonly version: VersionVector
}

/** How an update was acknowledged. */
export interface Commit {
  readonly result: Uint8Array
  /** What the document contains with this update. */
  readonly version: VersionVector
  readonly epoch: Epoch
  /** Replicas of the home set that hold it durably; 1 in a cluster of one. */
  readonly copies: number
  /** The key was known: this is the result of its first execution. */
  readonly duplicate: boolean
}

export interface CommitOptions {
  /** Makes a repetition count once. Default: none, each call counts. */
  readonly key?: IdempotencyKey
  /** Kept under the key and given to whoever repeats it. Default: empty. */
  readonly result?: Uint8Array
  /** @default 'replicated' */
  readonly ack?: AckLevel
  /** Unit: ms. Default: `commitTimeoutMs` of the service. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** What is known of an idempotency key. */
export type Lookup =
  | { readonly status: 'new' }
  /** Older than what its session has confirmed; it was executed and forgotten. */
  | { readonly status: 'expired' }
  /** It was forgotten, or is new: nobody can tell. What was forgotten until `since` may be among it. */
  | { readonly status: 'unknown'; readonly since: readonly number[] }
  /** Resolves when its first execution is on enough replicas (again). */
  | { readonly status: 'known'; readonly commit: Promise<Commit> }

/** A document while this peer is its owner. */
export interface OwnedDocument {
  readonly record: AgentRecord
  readonly epoch: Epoch
  /** Fires when the tenure ends: a view gave the document to another peer, or the service stops. */
  readonly signal: AbortSignal
  /** The live document, for reading; drafts come from it. Look it up anew after each await. */
  readonly document: Document
  /** The options say with how many copies, and for how long, a commit that is known is waited for. */
  lookup(key: IdempotencyKey, options?: Pick<CommitOptions, 'ack' | 'timeoutMs'>): Lookup
  /** For the `since` of keys that are made now. */
  readonly forgotten: readonly number[]
  /** Whether the document has everything that somebody has seen of it. */
  includes(version: VersionVector): boolean
  /**
   * Applies operations, at once where the lease of this peer is held and else as soon as it is, and
   * resolves when they are on enough replicas and the lease is held.
   *
   * Errors: `FencedError` (the tenure has ended), `UnavailableError` (the lease was not held in time),
   * `OverloadedError`, `KeyExpiredError`, `SessionUnknownError`, `InvalidParametersError`,
   * `MessageTooLargeError`, `ClockSkewError`, `StorageError` (its disk takes no writes): nothing was changed.
   * `OutcomeUnknownError`, `AbortedError`, and `FencedError` with `outcomeUnknown`: applied here, and
   * replication goes on.
   */
  commit(operations: readonly Operation[], options?: CommitOptions): Promise<Commit>
}

/** What {@link State.read} gives. */
export interface DocumentReading {
  /** The reader's own; changing it changes nothing else. */
  readonly document: Document
  readonly version: VersionVector
  /** Undefined where a replica answered. */
  readonly epoch: Epoch | undefined
  /** PeerIds of the replicas by the current view. */
  readonly replicas: string[]
  /** Whether it has everything that somebody has seen of the document. */
  includes(version: VersionVector): boolean
}

export interface ReadOptions extends AbortOptions {
  /** Take the nearest replica instead of asking the owner. @default false */
  readonly stale?: boolean
  /**
   * Take any replica that has this version, or gets it within `sessionWaitMs`, else the owner.
   * `UnavailableError` where the owner does not have it either: an update was read before it was
   * acknowledged, and is lost or still on its way from a former owner.
   */
  readonly after?: VersionVector
  /**
   * With `stale` or `after`: milliseconds after which one more that may answer is asked as well, where
   * the one before is silent; the first answer counts. `InvalidParametersError` for other reads, which
   * only one peer may answer. Default: the next one is asked when the one before has failed.
   */
  readonly hedgeAfterMs?: number
}

/** Options of {@link StrongState}. */
export interface StrongOptions extends AbortOptions {
  /** Unit: ms. Default: `ownTimeoutMs` of the service. */
  readonly timeoutMs?: number
}

export interface StrongReadOptions extends StrongOptions {
  /** Where its update was applied before, that is told instead of the state. */
  readonly key?: IdempotencyKey
}

/** The strong state of an agent, at some moment between the question and its answer. */
export interface StrongReading {
  /** Undefined before the first update. */
  readonly value: unknown
  /** Updates that made it. */
  readonly version: number
  readonly epoch: Epoch
  /** PeerIds of the replicas of its register. */
  readonly replicas: string[]
  /** The update of the key that was asked for, if it was applied: its version and what it left. */
  readonly applied?: { readonly version: number; readonly result: Uint8Array }
}

/** An update of strong state: what it becomes, computed from version `expected`. */
export interface StrongChange {
  readonly key: IdempotencyKey
  readonly expected: number
  /** What JSON has, bytes and big integers; at most 256 KiB encoded. */
  readonly value: unknown
  /** Kept under the key, and told to whoever repeats it. 64 KiB for all of an agent. @default empty */
  readonly result?: Uint8Array
}

export type StrongResult =
  | {
      readonly status: 'applied'
      readonly version: number
      readonly epoch: Epoch
      /** Replicas of the register that had it durably when it was acknowledged, at least. */
      readonly copies: number
      /** It had been applied before, under the same key. */
      readonly duplicate: boolean
      /** What was kept when it was applied. */
      readonly result: Uint8Array
    }
  /** It was not applied, and never will be: the state is this one now. */
  | { readonly status: 'changed'; readonly version: number; readonly value: unknown }

/**
 * Linearizable state of agents, one value each, agreed by a majority of three replicas and fenced by
 * the epoch of the owner. Any peer may ask; the owner answers.
 *
 * Errors: `NotOwnerError`, `UnavailableError`, `OverloadedError`, `MessageTooLargeError`: nothing was
 * changed. `OutcomeUnknownError` and lost connections: it may take effect or not; repeat it with
 * its key **and the same `expected`**, until the outcome is known. `KeyExpiredError`: nobody knows
 * any more. `ConsistencyUnavailableError`: the owner was made without registers.
 */
export interface StrongState {
  read(record: AgentRecord, options?: StrongReadOptions): Promise<StrongReading>
  update(record: AgentRecord, change: StrongChange, options?: StrongOptions): Promise<StrongResult>
}

export interface StateStats {
  /** Documents held here. */
  readonly documents: number
  /** Of these, served by this peer. */
  readonly owned: number
  /** Updates above the floors, in all documents. */
  readonly entries: number
  /** Owned documents whose updates of earlier views are not on enough replicas of this one yet. */
  readonly unsettled: number
  /** Updates that not every replica has confirmed. */
  readonly unconfirmed: number
  readonly damaged: number
  /** Documents that open streams have still to bring. */
  readonly copying: number
}

/**
 * Replicated documents of agents. One peer owns a document in a view; its updates are acknowledged
 * when they are durable on two replicas, so that the failure of any single peer loses none.
 */
export interface State extends TypedEventTarget<StateEvents>, Service {
  /**
   * Resolves when this peer serves the document: it is the owner in its view and has merged enough
   * copies. `NotOwnerError` names the owner; `UnavailableError` says what is missing.
   */
  own(record: AgentRecord, options?: AbortOptions): Promise<OwnedDocument>
  /** Reads from any peer. Errors: `UnavailableError`, and what a remote call may throw. */
  read(record: AgentRecord, options?: ReadOptions): Promise<DocumentReading>
  /**
   * Has a peer fetch copies of documents from their owner, so that a view that moves them there makes
   * calls wait only for what has changed since. Rejects where the peer does not answer, and gives
   * false where it could not fetch all of them.
   */
  prepare(
    peer: string,
    owner: string,
    ids: readonly string[],
    options?: AbortOptions
  ): Promise<boolean>
  /**
   * Who owned a document in the view before, while this peer has got it by the present one, holds a
   * copy, and does not serve it yet.
   */
  movingFrom(record: AgentRecord): string | undefined
  /** The strong part of agents. */
  readonly strong: StrongState
  /** Documents held here. */
  records(): readonly AgentRecord[]
  /** Whether a document is held here. */
  holds(id: string): boolean
  /** The placement of the current view. */
  placement(): Placement | undefined
  stats(): StateStats
}
