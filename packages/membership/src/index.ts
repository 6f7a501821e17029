/**
 * Who is in the cluster: agreed, numbered views by a chain of single-decree Paxos instances, and
 * the failure detector that proposes them.
 *
 * @packageDocumentation
 */
import type { ComponentLogger, Metrics } from '@libp2p/interface'
import type { AbortOptions } from '@libp2p/interface'
import type {
  Clock,
  Discovery,
  Leases,
  Membership,
  PlacementParameters,
  Random,
  Role,
  Rpc,
  Store,
  View,
  ViewControl
} from '@murmuration/interface'
import type { ProbeResult } from './core/detector.ts'
import { standardRules } from './core/rules.ts'
import { ViewFollower } from './follower.ts'
import { MembershipService } from './membership.ts'

export type { RefusalReason } from './core/messages.ts'
export { acceptorsOf, isMajority } from './core/quorum.ts'
export type { ProbeResult } from './core/detector.ts'
export { JoinRefusedError } from './errors.ts'

/** The part of discovery that membership uses. `createDiscovery` gives it, `probe` included. */
export interface MembershipDiscovery extends Pick<
  Discovery,
  'connected' | 'keep' | 'addEventListener' | 'removeEventListener'
> {
  /** Tells a peer whose process is gone (`refused`) from a silent one. */
  probe?(peer: string, options?: AbortOptions): Promise<ProbeResult>
}

/** What membership runs on. */
export interface MembershipComponents {
  readonly rpc: Rpc
  /** Keeps incarnation, boot, votes and views under the prefix `membership/`. */
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  /** Without it a killed peer is found by its silence only, and contacts must be given. */
  readonly discovery?: MembershipDiscovery
  readonly logger?: ComponentLogger
  readonly metrics?: Metrics
}

type Labels = Readonly<Record<string, string>>

/** Options of {@link createMembership}. */
export interface MembershipInit {
  /** Name of the cluster, 1 to 256 characters; peers of another name are not talked to. */
  readonly cluster: string
  /**
   * Whether to make a cluster of its own where the store knows none. A peer with stored views
   * resumes with them and never founds again.
   *
   * @default true if `contacts` gives nobody at the start
   */
  readonly found?: boolean
  /** PeerIds (text) to ask for admission, beside all connected peers. @default none */
  readonly contacts?: () => readonly string[]
  /** Where this peer can be dialled, as multiaddr texts, at most 16. @default none */
  readonly addresses?: () => readonly string[]
  /** At most 32; given as a function, the view follows when they change. @default none */
  readonly labels?: Labels | (() => Labels)
  /**
   * Share of agents relative to other members, 1 to 1000; given as a function, the view follows when
   * it changes. @default 100
   */
  readonly weight?: number | (() => number)
  /**
   * Whether agents come to this peer bit by bit, as somebody proposes by `share`, and not all with
   * the view that it joins in or that changes its weight; once a view is `inUse`. @default false
   */
  readonly gradual?: boolean
  /**
   * Chosen when the cluster is founded; a joiner with other ones is refused.
   *
   * @default { hash: 'sha256-hrw-1', slots: 16384, zoneLabel: 'zone' }
   */
  readonly placement?: Partial<PlacementParameters>
  /**
   * Names of the layers that keep data here: a view counts as reported when all of them have called
   * `reportSettled` with their names. @default ['state']
   */
  readonly reporters?: readonly string[]
  /** Roles that a peer's certificate gives it; only a `member` may join. @default all are members */
  readonly rolesOf?: (peer: string) => readonly Role[]
  /**
   * A name of the certificate that a peer has shown, such as issuer/serial, if it is known here: peers
   * with a revoked one are removed and not admitted. @default none is known
   */
  readonly serialOf?: (peer: string) => string | undefined
}

/** Options of {@link createViewFollower}. */
export interface ViewFollowerInit {
  /** Name of the cluster. */
  readonly cluster: string
  /** PeerIds (text) to ask for the view, beside all connected peers. @default none */
  readonly contacts?: () => readonly string[]
}

/** {@link Membership} with its lease, what people may do with it, and how to wait for it. */
export interface JoiningMembership extends Membership, Leases, ViewControl {
  /**
   * Resolves with the view as soon as this peer has one (and, if it can be a member, is in it).
   * Rejects with `JoinRefusedError` when a member refuses it for good, with `AbortedError` when the
   * signal fires and with `NotStartedError` when it is stopped.
   */
  joined(options?: AbortOptions): Promise<View>
}

/**
 * Takes part in the cluster as a member: votes, watches others and is watched. `start` resolves
 * when `self` is known; `joined` tells when there is a view.
 *
 * Throws `InvalidParametersError` for an option out of its range.
 *
 * @example
 * ```ts
 * const membership = createMembership({ rpc, store, clock, random, discovery }, { cluster: 'demo' })
 * membership.addEventListener('view', ({ detail }) => console.log(detail.view.number))
 * await membership.start()
 * await membership.joined()
 * ```
 */
export function createMembership(
  components: MembershipComponents,
  init: MembershipInit
): JoiningMembership {
  return new MembershipService(components, init, standardRules)
}

/**
 * Follows the views of a cluster from outside, for edge and guest peers: never votes and is not
 * counted. It asks members each second; `leave` and `reportSettled` do nothing. Only its boot number
 * is kept.
 */
export function createViewFollower(
  components: MembershipComponents,
  init: ViewFollowerInit
): JoiningMembership {
  return new ViewFollower(components, init)
}
