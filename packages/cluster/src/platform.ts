import type { ComponentLogger, Metrics } from '@libp2p/interface'
import type { MachineLoad } from '@murmuration/agent'
import type {
  Clock,
  Discovery,
  Member,
  Random,
  Role,
  Rpc,
  Service,
  Store
} from '@murmuration/interface'
import type { JoiningMembership, MembershipDiscovery } from '@murmuration/membership'
import type { createRegistry, HomeFinder } from '@murmuration/registry'
import type { SignalsComponents } from '@murmuration/signals'
import type { State, StateComponents } from '@murmuration/state'
import type { ClusterIdentity } from './index.ts'

/**
 * What a peer stands on. `createCluster` makes it of this machine and libp2p; a simulation, or
 * another transport, gives its own to `createClusterOn`.
 */
export interface Platform extends Pick<SignalsComponents, 'gossip' | 'signer' | 'defer'> {
  /** PeerId as text. */
  readonly peer: string
  readonly clock: Clock
  readonly random: Random
  /** Where everything is kept. Whoever made it closes it. */
  readonly store: Store
  readonly rpc: Rpc
  /** Started and stopped with the peer. @default none: the peer is alone, in mode `single` */
  readonly discovery?: Discovery & Pick<MembershipDiscovery, 'probe'>
  /** There is no network: the peer is in mode `single`, and its discovery finds nobody. @default false */
  readonly isAlone?: boolean
  /** How busy the machine is. @default idle */
  readonly machine?: () => MachineLoad
  readonly logger: ComponentLogger
  readonly metrics?: Metrics
  /** Whether to found a cluster where the store knows none. @default true */
  readonly found?: boolean
  /** PeerIds (text) to ask for admission, beside connected peers. @default none */
  readonly contacts?: () => readonly string[]
  /** Where others can dial this peer. @default nowhere */
  readonly addresses?: () => readonly string[]
  /** Roles that a connected peer has proven. @default every peer is a member */
  readonly rolesOf?: (peer: string) => readonly Role[]
  /** Name under which the certificate that a connected peer has shown can be revoked. */
  readonly serialOf?: (peer: string) => string | undefined
  /** Started after the membership that it follows. @default none: nobody is refused */
  readonly identity?: ClusterIdentity & Service & { follow(membership: JoiningMembership): void }
  /** Tells peers outside of the view where agents are at home, and finds that. @default nothing */
  readonly hints?: {
    publish(membership: JoiningMembership): Service
    readonly homes: HomeFinder
  }
  /** Makes the service that keeps the documents of agents. @default createState */
  readonly openState?: (components: StateComponents) => State
  /** Makes the registry of a peer that is not alone. @default createRegistry */
  readonly openRegistry?: typeof createRegistry
  /** Is told the members of each view, so that calls find those that are not connected yet. */
  readonly remember?: (members: readonly Member[]) => void
}
