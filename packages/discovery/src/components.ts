import type {
  AbortOptions,
  ComponentLogger,
  Connection,
  Libp2p,
  Libp2pEvents,
  Metrics,
  PeerId,
  PeerStore,
  TypedEventTarget
} from '@libp2p/interface'
import type { Clock, DiscoveryStrategy, Random, Rpc } from '@murmuration/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** What discovery needs of libp2p; the components of a node have it, as has {@link componentsOf}. */
export interface Libp2pParts {
  readonly peerId: PeerId
  readonly events: Pick<TypedEventTarget<Libp2pEvents>, 'addEventListener' | 'removeEventListener'>
  readonly connectionManager: {
    getConnections(peer?: PeerId): Connection[]
    openConnection(
      target: PeerId | Multiaddr | Multiaddr[],
      options?: AbortOptions
    ): Promise<Connection>
  }
  readonly peerStore: Pick<PeerStore, 'merge' | 'get'>
  readonly addressManager: { getAddresses(): Multiaddr[] }
  readonly logger: ComponentLogger
  readonly metrics?: Metrics | undefined
}

/** What `createDiscovery` needs. */
export interface DiscoveryComponents extends Libp2pParts {
  readonly rpc: Rpc
  /** @default the system's */
  readonly clock?: Clock
  /** @default the system's */
  readonly random?: Random
}

/** What a strategy may use of the node it works for. */
export interface StrategyComponents {
  /** PeerId (text) of this peer. */
  readonly peer: string
  readonly clock: Clock
  readonly random: Random
  readonly logger: ComponentLogger
  readonly addressManager: { getAddresses(): Multiaddr[] }
  /** Asked for at the last moment: as a service of libp2p it may be made after this one. */
  rpc(): Rpc
  /** PeerIds (text) of the peers with an open connection. */
  connected(): readonly string[]
  /** The signed peer record (envelope) that a peer told of itself; undefined if it told none. */
  peerRecord(peer: string): Promise<Uint8Array | undefined>
  /**
   * Dials an address whose peer need not be known, and resolves with the PeerId (text) that
   * answered there. Ends by itself after the dial timeout.
   */
  dial(address: string, options?: AbortOptions): Promise<string>
}

/** Makes a strategy for one node. */
export type StrategyFactory = (components: StrategyComponents) => DiscoveryStrategy

/**
 * The parts of a running node, for `createDiscovery` outside of libp2p's own services.
 *
 * @example
 * ```ts
 * const discovery = createDiscovery({ ...componentsOf(node), rpc }, { strategies: [mdns()] })
 * ```
 */
export function componentsOf(node: Libp2p): Libp2pParts {
  return {
    peerId: node.peerId,
    events: node,
    connectionManager: {
      getConnections: (peer) => node.getConnections(peer),
      openConnection: (target, options) => node.dial(target, options)
    },
    peerStore: node.peerStore,
    addressManager: { getAddresses: () => node.getMultiaddrs() },
    logger: node.logger,
    metrics: node.metrics
  }
}
