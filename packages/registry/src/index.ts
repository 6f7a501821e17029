/**
 * Who owns which agent, asked from anywhere.
 *
 * The owner of an agent is the first replica of its slot in the agreed view, so a member computes
 * it without asking anybody; what it asks the owner is only whether the agent exists.
 *
 * @packageDocumentation
 */
import type {
  AgentRecord,
  Clock,
  Epoch,
  LeaseWaitOptions,
  LogSink,
  Membership,
  MergedAgent,
  Partition,
  PeerLease,
  Random,
  Registers,
  Registry,
  Rpc,
  Service,
  Signals,
  Store,
  ViewControl
} from '@murmuration/interface'
import type { AbortOptions, PrivateKey } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import type { Placement } from '@murmuration/placement'
import { DhtRegistry } from './dht/dht-registry.ts'
import { DhtHomeFinder, HomeHints } from './dht/hints.ts'
import type {
  HomeFinder,
  HomeFinderComponents,
  HomeFinderInit,
  HomeHintsComponents
} from './dht/hints.ts'
import type { LocationRecords } from './dht/location-records.ts'
import { LocalRegistry } from './local-registry.ts'
import { PlacementRegistry } from './registry.ts'
import { SeatClearance } from './seats/clearance.ts'
import type { SeatClearanceComponents } from './seats/clearance.ts'
import { EdgePeerSeat } from './seats/edge-seat.ts'
import type { EdgeSeatComponents } from './seats/edge-seat.ts'
import { SeatKeeper } from './seats/seat-keeper.ts'
import type { SeatKeeperComponents } from './seats/seat-keeper.ts'

export { compilePattern } from './core/pattern.ts'
export { defaults } from './defaults.ts'
export type {
  FoundHome,
  HomeFinder,
  HomeFinderComponents,
  HomeFinderInit,
  HomeHintsComponents
} from './dht/hints.ts'
export { locationRecords } from './dht/location-records.ts'
export type { LocationRecords, LocationRecordsInit } from './dht/location-records.ts'

/** What the registry needs from the layer that runs agents on this peer. */
export interface Tenure {
  /** Starts the agent here, as its owner; rejects with `NotOwnerError` or `UnavailableError`. */
  begin(agent: AgentRecord, options?: AbortOptions): Promise<Epoch>
  /** Stops the agent here; false if it did not run. */
  end(id: string): Promise<boolean>
  /** The epoch under which the agent runs here; undefined if it does not. */
  running(id: string): Epoch | undefined
  /** Whether this peer holds a copy of the agent's state. */
  held(id: string): boolean
  /**
   * Who ran the agent before this peer, from the view that moved it until this peer serves it.
   *
   * @default undefined: it is never said to be on its way
   */
  movingFrom?(agent: AgentRecord): string | undefined
}

export interface RegistryComponents {
  readonly rpc: Rpc
  readonly membership: Membership
  /** The placement of the current view; undefined before the first view. */
  readonly placement: () => Placement | undefined
  readonly tenure: Tenure
  readonly clock: Clock
  /** Where claims are decided. Without them ownership follows from the view alone, and is not kept. */
  readonly registers?: Registers | undefined
  /** Moves agents that are claimed against placement. Without it such claims are redirected. */
  readonly control?: Pick<ViewControl, 'propose'> | undefined
  /** Sides of a split that go on by themselves. Without them every claim needs an agreed view. */
  readonly sides?: ClaimingSides | undefined
  /** Carries changes to watchers on other peers. Without it `watch` sees this peer's changes. */
  readonly signals?: Signals | undefined
  readonly log?: LogSink | undefined
}

/** What the registry needs to know of sides that go on by themselves, and of what becomes of them. */
export interface ClaimingSides {
  /** By what agents are placed: the agreed view, or the branch of this side. */
  readonly membership: Pick<Membership, 'view'>
  /** Whether an agent may be claimed for one side: it goes on everywhere, and all of it merges. */
  readonly mayBranch: (agent: AgentRecord) => boolean
  readonly partition: Pick<Partition, 'addEventListener' | 'removeEventListener'>
  /**
   * What became of the state of an agent that this peer changed in a branch: a claim of it is told when
   * that is known, as one change. @default nothing is waited for
   */
  readonly stateOf?:
    | ((branch: string, id: string) => 'pending' | MergedAgent | undefined)
    | undefined
  /** Where such claims are kept until they are merged. @default nowhere: they end with the process */
  readonly store?: Store | undefined
}

export interface RegistryInit {
  /** How an agent is placed, by its id; types know. @default hashed, 3 replicas */
  readonly recordOf?: (id: string) => AgentRecord
  /** @default 100000 */
  readonly locationsMax?: number
  /** @default 2000 */
  readonly questionTimeoutMs?: number
}

/** Makes the registry of one peer. */
export function createRegistry(components: RegistryComponents, init: RegistryInit = {}): Registry {
  return new PlacementRegistry(components, init)
}

export interface LocalRegistryComponents {
  /** PeerId (text) of this peer. */
  readonly peer: string
  readonly tenure: Tenure
  /** Where registrations are kept. @default nowhere: they end with the process */
  readonly store?: Store | undefined
}

/** Makes the registry of a program that is alone: no network, and every agent is here or nowhere. */
export function createLocalRegistry(
  components: LocalRegistryComponents,
  init: RegistryInit = {}
): Registry {
  return new LocalRegistry(components, init)
}

export interface DhtRegistryComponents {
  /** kad-dht of this node, made with the options of `records` and over the store that they guard. */
  readonly dht: KadDHT
  readonly records: LocationRecords
  /** Ed25519 key of this node. */
  readonly privateKey: PrivateKey
  /** @default the clock of the machine */
  readonly clock?: Clock
  /** @default the randomness of the machine */
  readonly random?: Random
  readonly log?: LogSink
}

export interface DhtRegistryInit {
  /** Milliseconds for which a location holds; published anew four times as often. @default 600000 */
  readonly ttlMs?: number
  /** Peers that must have stored a claim, this one included. @default 2 */
  readonly copiesMin?: number
}

/**
 * A registry on a plain libp2p node with kad-dht, without the rest of the cluster.
 *
 * Its promise is weaker: there are no views and no quorums of known size, so two peers that are cut
 * off from each other may both be granted an agent. Each finds out when it publishes anew, the one
 * that lost says `conflicted`, and nothing fences what it did until then.
 */
export function createDhtRegistry(
  components: DhtRegistryComponents,
  init: DhtRegistryInit = {}
): Registry {
  return new DhtRegistry(components, init)
}

export type { SeatClearanceComponents } from './seats/clearance.ts'
export type { EdgeSeatComponents } from './seats/edge-seat.ts'
export type { SeatKeeperComponents } from './seats/seat-keeper.ts'

/** The place of an edge peer, under whose number and lease it owns what is pinned to it. */
export interface Seat extends Service {
  /** Greater in each later life of the peer; undefined before it is taken, and before the lease of a former life with another disk has ended. */
  readonly number: number | undefined
  /** Fires when it is over, until the next start. */
  readonly lost: AbortSignal
  readonly lease: PeerLease
  /** The lease was held once, and nobody is known to have another one: enough for who goes on alone. */
  readonly isTaken: boolean
  whenTaken(options?: AbortOptions): Promise<number>
}

/** Takes and keeps the seat of an edge peer. Start it after the membership. */
export function createEdgeSeat(components: EdgeSeatComponents): Seat {
  return new EdgePeerSeat(components)
}

/** Whether a member may act for what is pinned to it: an edge peer of its name may still do so. */
export interface Clearance extends Service {
  readonly isClear: boolean
  whenClear(options?: LeaseWaitOptions): Promise<void>
}

/** Looks, once for each start of a member, whether an edge peer of its name may still act. */
export function createSeatClearance(components: SeatClearanceComponents): Clearance {
  return new SeatClearance(components)
}

/** Answers edge peers for their seats, on a member. */
export function createSeatKeeper(components: SeatKeeperComponents): Service {
  return new SeatKeeper(components)
}

/**
 * Publishes, for a member, hints for peers without the view: provider records in the DHT that say
 * which groups of slots it serves, and a signed summary of its view for who asks it. Start it after
 * the membership; nothing waits for it.
 */
export function createHomeHints(components: HomeHintsComponents): Service {
  return new HomeHints(components)
}

/**
 * Finds the home of agents for a peer without the view: providers of the agent's group are hints,
 * until one of them proves its view. Lower views than the highest one seen are refused.
 */
export function createHomeFinder(
  components: HomeFinderComponents,
  init: HomeFinderInit
): HomeFinder {
  return new DhtHomeFinder(components, init)
}
