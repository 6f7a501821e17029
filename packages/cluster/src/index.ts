/**
 * One peer of a cluster: keys, connections, membership, state, agents and signals, assembled.
 *
 * @packageDocumentation
 */
import type { AbortOptions, ComponentLogger, Metrics, PrivateKey } from '@libp2p/interface'
import type { AgentRef, Agents, AgentType, PeerLoad } from '@murmuration/agent'
import type { Equivocation } from '@murmuration/identity'
import type { StrategyFactory } from '@murmuration/discovery'
import type {
  AgentRecord,
  Discovery,
  ForcedMark,
  Member,
  Membership,
  Partition,
  PartitionPolicy,
  Registers,
  Registry,
  Role,
  SignalRoute,
  Signals,
  StoreLife,
  View,
  ViewControl
} from '@murmuration/interface'
import type { RebalancePlan } from '@murmuration/placement'
import type { HomeFinder } from '@murmuration/registry'
import type { SignalsInit } from '@murmuration/signals'
import type { State } from '@murmuration/state'
import type { Motion, MotionInit } from './motion-contract.ts'
import type { Platform } from './platform.ts'
import { startCluster, startClusterOn } from './start.ts'

export { defaults } from './defaults.ts'
export type { Platform } from './platform.ts'
export type { Motion, MotionInit, MotionProgress, PeerMotion } from './motion-contract.ts'
export { isClusterName } from './settings.ts'

/** Membership by certificate: the root key stays offline. */
export interface CertificateIdentity {
  /**
   * Raw Ed25519 public key of the root (32 bytes); two while it is being rotated, the newer one last.
   * What `trust` has changed holds after restarts, until something else is given here.
   */
  readonly rootPublicKey: Uint8Array | readonly Uint8Array[]
  /** Certificate of this peer, made by `issueCertificate` of `@murmuration/identity`. */
  readonly certificate: Uint8Array
  /**
   * With the root key or a delegate's, this peer renews certificates of others and redeems
   * invitations. One such peer that is reachable now and then is enough. @default none
   */
  readonly issuer?: {
    readonly privateKey: PrivateKey
    /** From `issueDelegate`, if the key is a delegate's. */
    readonly delegate?: Uint8Array
    /** Milliseconds for which certificates hold; renewed at half of it. @default 86400000 */
    readonly ttlMs?: number
  }
}

export interface ClusterInit {
  /** Name of the cluster; peers of other names are refused. Lower-case letters, digits, `-`. */
  readonly name: string
  /**
   * Whoever has the secret may join. Two while it is being changed. Without a secret or an identity the
   * peer listens on loopback only.
   */
  readonly secret?: string | { readonly current: string; readonly next?: string }
  readonly identity?: CertificateIdentity
  /**
   * One line from `murmuration invite` or `cluster.identity.invite()`, in place of `identity`: used at
   * the first start; with a `dataDir` later ones use what it was exchanged for.
   */
  readonly invitation?: string
  /**
   * Encrypts everything, handshakes included, with a key that the secret yields: a second lock. All
   * peers must agree, and the secret cannot be changed without a stop. @default false
   */
  readonly privateNetwork?: boolean
  /** Agent types; equal on all members. @default [] */
  readonly agents?: readonly AgentType[]
  /** Multiaddrs to listen on. @default all interfaces with credentials, loopback without */
  readonly listen?: readonly string[]
  /** Multiaddrs to tell others instead of those listened on, as behind a NAT. @default none */
  readonly announce?: readonly string[]
  /** Multiaddrs of peers to join. @default none: this peer founds the cluster unless `mdns` is on */
  readonly bootstrap?: readonly string[]
  /** Finds peers on the local network by multicast. @default false */
  readonly mdns?: boolean
  /** Finds peers from one address through a DHT of this cluster. @default false */
  readonly kademlia?: boolean
  /**
   * Members tell through the DHT which agents they are home to, and a peer that is no member finds
   * homes there (`cluster.homes`), also before it has a view. No member waits for it. Needs
   * `kademlia`. @default false
   */
  readonly hints?: boolean
  /** Further ways to find peers: `dns`, `file`, `environment` of `@murmuration/discovery`. @default none */
  readonly strategies?: readonly StrategyFactory[]
  /** Where keys and state are kept. @default nowhere: everything is lost when the process ends */
  readonly dataDir?: string
  /**
   * What to do where files of the `dataDir` are damaged. `refuse`: fail with `CorruptDataError`.
   * `replace`: keep them aside and come back as a peer that lost its disk, which fetches its copies from
   * the others; needs `bootstrap`. Two peers that do so at once may have had the last copies of
   * something. @default 'refuse'
   */
  readonly damagedStore?: 'refuse' | 'replace'
  /** `edge`: outside the view; calls and is called, holds no replicas. @default 'member' */
  readonly role?: Role
  /**
   * This peer is a tool of an operator: outside of the view, and yet allowed what members are, such as
   * `recovery`. With a secret it certifies itself; a certificate must name the role `member` beside
   * its own. @default false
   */
  readonly operator?: boolean
  /** What agents whose type does not say do in a split. @default 'pause-minority' */
  readonly onPartition?: PartitionPolicy
  /** Route of signals by type pattern, where a publication names none. @default all: `cluster` */
  readonly routes?: Readonly<Record<string, SignalRoute>>
  /** Copies, log and budgets of signals; the defaults are those of `@murmuration/signals`. */
  readonly signals?: Pick<SignalsInit, 'copies' | 'log' | 'budget'>
  /** Shown to other members; the label `zone` keeps replicas apart. @default {} */
  readonly labels?: Readonly<Record<string, string>>
  /** Share of agents relative to other members, 1 to 1000. @default 100 */
  readonly weight?: number
  readonly motion?: MotionInit
  /** What this peer has of the resources that agent types declare, such as `{ gpu: 2 }`. @default {} */
  readonly capacity?: Readonly<Record<string, number>>
  /** Agents running on this peer at once. @default 100000 */
  readonly agentsMax?: number
  /** `false`: the same program without network or ports. @default MURMURATION_MODE !== 'single' */
  readonly distributed?: boolean
  /** @default libp2p's logger: set `DEBUG=murmuration:*` */
  readonly logger?: ComponentLogger
  /** Factory of a libp2p metrics implementation, such as `prometheusMetrics()`. */
  readonly metrics?: (components: { logger: ComponentLogger }) => Metrics
}

/** What a peer is about. */
export type ClusterStatus = 'starting' | 'ready' | 'draining' | 'stopped'

/** A running peer. */
export interface Cluster extends AsyncDisposable {
  readonly name: string
  readonly mode: 'single' | 'distributed'
  /** PeerId as text. */
  readonly peerId: string
  /** Where this peer can be dialled, PeerId included. */
  readonly addresses: readonly string[]
  /** The newest agreed view; undefined until this peer has one. */
  readonly view: View | undefined
  members(): readonly Member[]
  /**
   * `starting` until this peer can serve, `ready` while it can, `draining` as soon as it is asked to
   * leave: give it no new work then. What a readiness probe should show.
   */
  readonly status: ClusterStatus
  /** Resolves when this peer can serve: it is in the view, or follows one (edge). */
  ready(options?: AbortOptions): Promise<void>
  /** A reference; nothing is sent. */
  agent<T extends AgentType>(type: T, key: string): AgentRef<T>
  /** The same by id, in both modes. */
  getAgent(id: string): AgentRef<AgentType>
  readonly agents: Agents
  readonly registry: Registry
  readonly signals: Signals
  readonly state: State
  /** One linearizable register per key; undefined in single mode and on peers that are no members. */
  readonly registers: Registers | undefined
  /** The agreed views, and what people may change in them. */
  readonly membership: Membership & ViewControl
  readonly partition: Partition
  /** Finds homes of agents through the DHT; undefined unless `hints` was set. */
  readonly homes: HomeFinder | undefined
  /** In single mode it knows this peer only; undefined on a platform without one. */
  readonly discovery: Discovery | undefined
  /** Who may come in. Undefined in single mode. */
  readonly identity: ClusterIdentity | undefined
  readonly placement: ClusterPlacement
  /** For operators: what is waited for, and giving it up. */
  readonly recovery: ClusterRecovery
  /**
   * Says `draining`, gives its agents away step by step in at most half of `timeoutMs`, leaves the
   * view (as one that left, not one that failed), waits for the rest of it until the others have
   * taken over everything, then disconnects and stops. It does not come back by itself. A signal that
   * fires while it gives agents away makes it stay and take them back: then it rejects with
   * `AbortedError`. @default 10000 ms
   */
  drain(options?: AbortOptions & { readonly timeoutMs?: number }): Promise<void>
  /** Stops without leaving: the peer may come back with its data directory. */
  stop(): Promise<void>
}

/** Changes of who may come in, while the peer runs. */
export interface ClusterIdentity {
  readonly mode: 'secret' | 'root-key' | 'open'
  /** The roles of a connected peer. */
  rolesOf(peer: string): readonly Role[] | undefined
  /**
   * Shuts a peer out of the whole cluster: refused here at once, by all when the next view is agreed,
   * which `revoke` waits for, and after restarts. On a side of a split that cannot agree, its
   * certificate lasts until it expires.
   *
   * @throws UnsupportedInSecretModeError with a secret, UnavailableError if no view was agreed in time
   */
  revoke(peer: string, options?: AbortOptions): Promise<View>
  /**
   * Trusts these root keys, one or two (the newer one last), from now on and after restarts; peers
   * under others are cut. An `issuer` of the newest key takes the place of the one before; its key is
   * not kept, so give it at the next start too.
   *
   * @throws InvalidParametersError also where the own certificate is of none of them
   */
  trust(
    rootPublicKey: CertificateIdentity['rootPublicKey'],
    options?: Pick<CertificateIdentity, 'issuer'>
  ): Promise<void>
  /**
   * Shows these certificates from now on, also on open connections and after restarts; without any,
   * has one issued, of no older root key than the present one.
   */
  renew(certificate?: Uint8Array | readonly Uint8Array[]): Promise<void>
  /** Changes the secret: first to both on all peers, then to the next one alone. */
  rotateSecret(secret: string | { readonly current: string; readonly next: string }): Promise<void>
  /** Proofs that a peer has signed two different contents under one number; such a peer is revoked. */
  evidence(): Promise<readonly Equivocation[]>
  /** One line with which one new peer can join once. Needs `identity.issuer`. */
  invite(options?: { readonly roles?: readonly Role[]; readonly ttlMs?: number }): Promise<string>
}

/**
 * Where the disks of a majority of an agent's replicas are lost, the agent is `unavailable` until one of
 * them is back, or somebody gives them up.
 */
export interface ClusterRecovery {
  /** Which disks are waited for, and what for: a dry run, which changes nothing. */
  survey(): Promise<LostDisks>
  /**
   * Gives disks up. **Unsafe**: what only they held is gone, and a peer that comes back with one is not
   * admitted again. It is decided by a majority, logged by all, and marks this view and all later ones.
   *
   * @throws InvalidParametersError where `view` is not the present one any more, nobody waits for one of
   * the disks, or its peer answers; UnavailableError without a majority
   */
  giveUp(
    disks: readonly StoreLife[],
    options: { readonly view: number; readonly reason: string }
  ): Promise<GivenUp>
  /** Takes the marks of views up to this number away: somebody has looked after the data. */
  acknowledge(view: number): Promise<GivenUp>
}

/** A disk that is in unsettled views and in the present one no more. */
export interface LostDisk extends StoreLife {
  /** The unsettled views that it was a member of. */
  readonly views: readonly number[]
  /** Its peer is connected, and may yet come back with it. */
  readonly isAnswering: boolean
}

export interface LostDisks {
  readonly view: number
  /** The oldest view whose data may not be where it belongs yet. */
  readonly settled: number
  readonly disks: readonly LostDisk[]
  /** Agents that wait for them, of those that the member which was asked has copies of. */
  readonly agents: number
  /** Ids of some of them. */
  readonly examples: readonly string[]
  /** What was forced or given up before, and not acknowledged. */
  readonly unsafe: readonly Pick<ForcedMark, 'view' | 'by' | 'reason' | 'abandoned'>[]
}

/** The view in which it is done. */
export interface GivenUp {
  readonly view: number
}

/** Where agents belong by the current view, and how they are moved. */
export interface ClusterPlacement {
  readonly motion: Motion
  /** PeerIds (text) of the replicas, the owner first where it is one of them. */
  homeOf(agent: string | AgentRecord): readonly string[]
  ownerOf(agent: string | AgentRecord): string | undefined
  /** The member on which an agent would be started now, by room and load. @throws ClusterAtCapacityError */
  selectPeerForAgent(id: string): Promise<PeerLoad>
  /** A dry run: what would move if these members came or went; without any, what `rebalance` would. */
  plan(options?: PlanOptions): RebalancePlan
  /**
   * Moves agents, and all with their shard keys, to a member: by views, so that no call fails and no
   * update is lost, whoever dies in between. Calls wait while the new owner merges. What a view
   * moves stays moved until it is moved back or its member leaves; 2048 can be away at a time.
   *
   * @throws InvalidParametersError for a peer that is no member, UnavailableError without a majority
   */
  move(agents: string | readonly string[], peer: string, options?: MoveOptions): Promise<MoveReport>
  /** Moves everything back to where hashing puts it. */
  rebalance(options?: MoveOptions): Promise<MoveReport>
}

export interface PlanOptions {
  /** PeerIds (text) of members that would leave. */
  readonly leave?: readonly string[]
  readonly join?: readonly {
    readonly weight?: number
    readonly labels?: Readonly<Record<string, string>>
  }[]
  /** @default the agents of which this peer holds copies */
  readonly agents?: readonly string[]
}

export interface MoveOptions extends AbortOptions {
  /** Milliseconds for each view. @default 10000 */
  readonly timeoutMs?: number
  /** Agents that one view moves. @default 256 */
  readonly perView?: number
  /** Mean of the milliseconds between two views; jittered by half. @default 200 */
  readonly pauseMs?: number
}

/** What came of moves. The signal cancels those that are not under way yet. */
export interface MoveReport {
  readonly moved: readonly string[]
  readonly refused: readonly { readonly id: string; readonly reason: string }[]
}

/**
 * Starts a peer. Resolves once it runs; `ready()` tells when it can serve.
 *
 * @throws InvalidParametersError when an option is wrong or an address is taken, StorageError when the
 * data directory cannot be used
 */
export function createCluster(init: ClusterInit): Promise<Cluster> {
  return startCluster(init)
}

/** Options that do not depend on what a peer stands on. */
export type PlatformClusterInit = Pick<
  ClusterInit,
  | 'name'
  | 'agents'
  | 'role'
  | 'routes'
  | 'signals'
  | 'labels'
  | 'weight'
  | 'motion'
  | 'capacity'
  | 'agentsMax'
>

/**
 * Starts a peer on parts that the caller made and closes itself: a simulation, other transports. The
 * peer is the same as one of {@link createCluster}; who may connect is for the platform to decide.
 *
 * @throws InvalidParametersError when an option is wrong
 */
export function createClusterOn(platform: Platform, init: PlatformClusterInit): Promise<Cluster> {
  return startClusterOn(platform, init)
}
