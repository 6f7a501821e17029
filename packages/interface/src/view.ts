import type { TypedEventTarget } from 'main-event'
import type { AbortOptions } from '@libp2p/interface'
import type { Service } from './runtime.ts'

/**
 * What a peer may do. `member`: votes, holds replicas, owns agents. `edge`: outside the view, calls
 * and is called. `guest`: calls only.
 */
export type Role = 'member' | 'edge' | 'guest'

/** One member of a {@link View}. */
export interface Member {
  /** PeerId as text. */
  readonly peer: string
  /** One life of the peer's durable store; a wiped peer is a new incarnation. */
  readonly incarnation: string
  /** Where the peer can be dialled, as multiaddr texts. */
  readonly addresses: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  /** Share of agents relative to other members, 1 to 1000. */
  readonly weight: number
  /** Number of the view in which this incarnation was first a member. */
  readonly since: number
}

/** How agents are mapped to members; equal on all peers of a view. */
export interface PlacementParameters {
  /** Name and version of the hash function. */
  readonly hash: 'sha256-hrw-1'
  /** Number of slots, chosen when the cluster is made. */
  readonly slots: number
  /** The label that tells failure zones apart. */
  readonly zoneLabel: string
}

/** A numbered set of members on which a majority of the previous view agreed. */
export interface View {
  readonly cluster: string
  /** 1 for the first view of the cluster, then rising by one. */
  readonly number: number
  /** Ordered by `peer`. */
  readonly members: readonly Member[]
  /** The member whose vote weighs 2 where the number of voters is even. */
  readonly tieBreaker: string
  readonly placement: PlacementParameters
}

/** What this peer thinks of another one now; only a view decides. */
export type Reachability = 'reachable' | 'suspected' | 'unreachable'

/** This peer's own place in time. */
export interface SelfIdentity {
  readonly peer: string
  readonly incarnation: string
  /** Number of this process start, raised durably before anything else. */
  readonly boot: number
}

export interface MembershipEvents {
  /** A new view was durably adopted by this peer. */
  view: CustomEvent<{ readonly previous: View | undefined; readonly view: View }>
  /** The oldest view whose replica sets may still hold unique data has moved up. */
  settled: CustomEvent<{ readonly settled: number }>
  reachability: CustomEvent<{ readonly peer: string; readonly reachability: Reachability }>
}

/**
 * Who is in the cluster. A view is adopted durably before it is shown: from then on this peer
 * acknowledges nothing under an older view (the fence of the rules).
 */
export interface Membership extends TypedEventTarget<MembershipEvents>, Service {
  readonly self: SelfIdentity
  /** The newest adopted view; undefined before the first one. */
  readonly view: View | undefined
  /** The oldest view that is not known to be superseded by settled data. At most `view.number`. */
  readonly settled: number
  /** The adopted views from {@link settled} to {@link view}, oldest first. */
  unsettledViews(): readonly View[]
  /** Resolves when this peer has adopted view `number` or a later one; asks `from` for it. */
  catchUp(number: number, from: string, options?: AbortOptions): Promise<View>
  /**
   * Says that all data this peer is responsible for in view `number` is on enough of its replicas.
   * Where several layers keep data, each reports by its own name, and this peer has reported when
   * all of them have. @default reporter 'state'
   */
  reportSettled(number: number, reporter?: string): void
  reachability(peer: string): Reachability
  /** Asks the cluster to go on without this peer; resolves when a view without it is decided. */
  leave(options?: AbortOptions): Promise<void>
}
