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
  /**
   * The weight by which agents run on it, in thousandths, while that is on its way to `weight`: from
   * 0 for one that has joined, to 0 for one that will leave. What it keeps copies of follows
   * `weight`, and so is there before. 0 to 1,000,000. @default 1000 × weight
   */
  readonly ownerWeight?: number
  /** Number of the view in which this incarnation was first a member. */
  readonly since: number
  /** What its certificate allowed when it was admitted. @default ['member'] */
  readonly roles?: readonly Role[]
  /** The protocol versions that it speaks. @default 1 to 1 */
  readonly protocols?: ProtocolRange
}

/** Versions of the protocol between peers, both included. */
export interface ProtocolRange {
  readonly lowest: number
  readonly highest: number
}

/** Who is kept out, by agreement: it is removed and never admitted again. */
export interface Revocations {
  /** PeerIds as text, in order; at most 1024. */
  readonly peers: readonly string[]
  /** Names of certificates (`certificateName` of `identity`: issuer/serial), in order; at most 1024. */
  readonly serials: readonly string[]
}

/** One life of a peer's disk. */
export interface StoreLife {
  /** PeerId as text. */
  readonly peer: string
  readonly incarnation: string
}

/**
 * An operator made a view without a majority, or gave up what lost disks held. Data that was
 * acknowledged before may be lost.
 */
export interface ForcedMark {
  /** The number of that view. */
  readonly view: number
  /** The view that it was made from. Views in between, if somebody decided any, do not count. */
  readonly base: number
  /** The peer on which it was forced, as text. */
  readonly by: string
  readonly reason: string
  /** How many lives of disks it gives up; then a majority decided it. @default it was forced */
  readonly abandoned?: number
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

/** Agents that are not where hashing puts them. */
export interface MovedAgents {
  /** PeerId (text) of the member that runs them. */
  readonly peer: string
  /** Their shard keys, or ids where they have none; in order. */
  readonly keys: readonly string[]
}

/** How far a member's {@link Member.ownerWeight} has come. */
export interface OwnerShare {
  /** PeerId (text) of a member; nothing happens for others. */
  readonly peer: string
  /** In thousandths; 1000 × its weight ends the way. */
  readonly ownerWeight: number
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
  /**
   * Agents that were moved by hand or by load, by peer, in order; at most 2048 keys. Who leaves the
   * view gives them back to hashing. @default none
   */
  readonly moved?: readonly MovedAgents[]
  /**
   * There are agents, or have been: from here on they come step by step to members that join, which
   * get their share at once as long as there is nothing to move. @default false
   */
  readonly inUse?: boolean
  /**
   * Milliseconds for which one renewal of a peer's lease counts. It grows with the cluster and never
   * shrinks again, so that whoever waits for a lease to end knows how long. @default 1500
   */
  readonly leaseMs?: number
  /** What all members speak. @default 1 to 1 */
  readonly protocols?: ProtocolRange
  /** @default nobody */
  readonly revoked?: Revocations
  /**
   * Disks that are lost for good, by the word of an operator: nobody waits for what only they held,
   * and none of them is admitted again; at most 1024. @default none
   */
  readonly abandoned?: readonly StoreLife[]
  /**
   * Where it is not empty, this view descends from a forced one, or from one that gave disks up, and
   * nobody has acknowledged that:
   * it is not known that everything acknowledged is there. @default safe
   */
  readonly unsafe?: readonly ForcedMark[]
  /**
   * This is no agreed view but one side of a split that goes on by itself: the members of the last
   * agreed view that reach each other. It is never sent to others, and every agreed view that follows
   * ranks above it. @default none
   */
  readonly branch?: Branch
}

/** A side of a split that goes on by itself, until the sides meet again. */
export interface Branch {
  readonly id: string
  /** The view that was agreed last, with the members of all sides. */
  readonly agreed: View
  /** The member that made the branch. */
  readonly steward: string
  /**
   * Agent types (`namespace/type`) of which the steward runs all agents of this side, unless they are
   * pinned. @default none
   */
  readonly stewarded?: readonly string[]
  /** Milliseconds since 1970. */
  readonly began: number
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
  /** The lease of this peer was obtained or has lapsed. Advice only: {@link PeerLease.held} decides. */
  lease: CustomEvent<{ readonly held: boolean }>
  /**
   * This peer adopted a view that an operator forced or that gave disks up, or one that descends from
   * it. `lost` are the numbers of views that this peer had adopted and that do not count any more:
   * what was acknowledged in them is known to this peer and its like only.
   */
  forced: CustomEvent<{ readonly mark: ForcedMark; readonly lost: readonly number[] }>
}

/** What a member may want to change in the next view, beside who comes and goes. */
export interface ViewProposal {
  /** Keeps these out; members among them are removed in the same view. */
  readonly revoke?: Partial<Revocations>
  /** Takes revocations back. */
  readonly reinstate?: Partial<Revocations>
  /** Takes the marks of forced views up to this number away: somebody has looked after the data. */
  readonly acknowledgeForced?: number
  /** Gives up what disks held that are lost for good. **Unsafe**: what only they held is gone. */
  readonly abandon?: Abandonment
  /** Moves agents to these members; keys under the peer `''` go back to where hashing puts them. */
  readonly move?: readonly MovedAgents[]
  /** Says that there are agents; there is no way back. */
  readonly inUse?: true
  /** Gives these members more or fewer agents. */
  readonly share?: readonly OwnerShare[]
  /**
   * All of it while all members own agents by exactly these weights, or not at all, so that it
   * changes exactly what its maker has looked at; where another share, a join or a leave comes first,
   * `propose` rejects with `UnavailableError`. @default in whatever view
   */
  readonly among?: readonly OwnerShare[]
}

/** Where a majority of replicas is lost, their last known data would be waited for, for ever. */
export interface Abandonment {
  /** Members of unsettled views, and of the present one no more. */
  readonly lives: readonly StoreLife[]
  /** Why, for whoever reads it later; 1 to 256 characters. */
  readonly reason: string
  /** PeerId (text) of whoever is responsible. @default the peer that is asked */
  readonly by?: string
}

/** An operator's decision in place of a majority that is lost for good. */
export interface ForcedView {
  /** Members of the present view that go on, as PeerIds in text; the peer that is asked is one. */
  readonly members: readonly string[]
  /** Why, for whoever reads it later; 1 to 256 characters. */
  readonly reason: string
}

/** Changes of the view by people. */
export interface ViewControl {
  /** Who holds up that the newest view is settled, as far as is known here. */
  readonly unreported: Unreported
  /**
   * Proposes a change until a view has it, and resolves with that view. Rejects with
   * `InvalidParametersError` for too many revocations, `UnavailableError` after `timeoutMs` (it may
   * still happen), `AbortedError` and `NotStartedError`.
   */
  propose(proposal: ViewProposal, options?: LeaseWaitOptions): Promise<View>
  /**
   * Makes a view without a majority, where that is lost for good. **Unsafe**: what only the lost
   * members knew is gone, and if they were only cut off, what they acknowledged meanwhile is
   * overruled. It is logged, counted, recorded in the view and all later ones (`unsafe`), and its
   * number is one to two thousand higher, so that it wins over whatever the others decided; when they
   * come back they join anew.
   *
   * Rejects with `InvalidParametersError` where a majority can be reached or the members are not of
   * this view, and with `UnavailableError` where one of the listed members does not answer.
   */
  forceView(forced: ForcedView, options?: AbortOptions): Promise<View>
}

/** Who has not said yet that all data of the newest view is on enough of its replicas. */
export interface Unreported {
  /** PeerIds of members. Empty where the view is settled, or there is none. */
  readonly members: readonly string[]
  /** Layers of this peer. */
  readonly layers: readonly string[]
}

/** How long a wait may last. */
export interface LeaseWaitOptions extends AbortOptions {
  /** Milliseconds until the wait fails with `UnavailableError`. @default no limit */
  readonly timeoutMs?: number
}

/**
 * The lease of this boot of this peer (rule 8). While it is held, nobody takes over what this peer
 * owns; while it is not, somebody may. Granted by a majority of the acceptors of the view, and
 * counted by monotonic clocks.
 *
 * A lease says nothing about what was owned before it: a peer that was removed and admitted again
 * holds one too. What it claimed in a view below the `since` of its own record is no longer its own.
 */
export interface PeerLease {
  /**
   * Whether it is held at this moment. Ask again after every `await`, right before the effect: a
   * process that stood still may wake long after its lease has ended.
   */
  readonly held: boolean
  /** Milliseconds that are left, 0 where it is not held. */
  readonly remainingMs: number
  /**
   * Resolves as soon as it is held. A lapsed lease holds calls, it does not reject them: give the
   * deadline of the call. Rejects with `UnavailableError` after `timeoutMs`, with `AbortedError` and
   * with `NotStartedError`.
   */
  whenHeld(options?: LeaseWaitOptions): Promise<void>
}

/** One life of a peer that owns something: as {@link SelfIdentity}, and the boot if it is known. */
export type Owner = Pick<SelfIdentity, 'peer' | 'incarnation'> & Partial<Pick<SelfIdentity, 'boot'>>

/**
 * When an owner acts, and when somebody else may act in its place. For one owner never both, as long
 * as no two clocks drift apart by more than 5 %, and no view was forced by an operator.
 */
export interface Leases {
  readonly lease: PeerLease
  /**
   * Whether the lease of this owner has ended for good: a view without it is adopted here, and the
   * grants of the acceptors that decided it have run out. Never true of an owner that is a member;
   * but with `boot` given, it is true as soon as a later boot of the same store has been heard.
   * Stays true until that very incarnation is a member again: then it is another tenure, to be
   * compared by epoch.
   */
  mayReplace(owner: Owner): boolean
  /** Resolves when {@link mayReplace} holds; fails as {@link PeerLease.whenHeld} does. */
  whenReplaceable(owner: Owner, options?: LeaseWaitOptions): Promise<void>
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

/** Whether an operator has given this life of a disk up. */
export function isAbandoned({ abandoned = [] }: View, { peer, incarnation }: StoreLife): boolean {
  return abandoned.some((life) => life.peer === peer && life.incarnation === incarnation)
}

/**
 * Milliseconds for which one renewal of the lease of an edge peer counts: four times that of a member,
 * so that a device sends little. Whoever takes over from it waits as long.
 */
export function edgeLeaseMs({ leaseMs = 1500 }: View): number {
  return 4 * leaseMs
}
