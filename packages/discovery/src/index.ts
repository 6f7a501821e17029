/**
 * Finding peers and staying connected to them.
 *
 * @packageDocumentation
 */
import { serviceDependencies } from '@libp2p/interface'
import type { Discovery, Rpc } from '@murmuration/interface'
import { systemClock, systemRandom } from '@murmuration/system'
import type { DiscoveryComponents, Libp2pParts } from './components.ts'
import { DefaultDiscovery } from './discovery.ts'
import type { Prober } from './prober.ts'
import { settingsOf } from './settings.ts'
import type { DiscoveryInit } from './settings.ts'

export { componentsOf } from './components.ts'
export type {
  DiscoveryComponents,
  Libp2pParts,
  StrategyComponents,
  StrategyFactory
} from './components.ts'
export {
  connectionManagerDefaults,
  connectionMonitorDefaults,
  peerStoreDefaults,
  tcpDefaults,
  yamuxDefaults
} from './node-defaults.ts'
export { survivorOf } from './core/duplicates.ts'
export type { ObservedConnection } from './core/duplicates.ts'
export type { ProbeResult, Prober } from './prober.ts'
export type { DiscoveryInit } from './settings.ts'
export { kademliaNode, kademliaProtocol } from './kademlia-node.ts'
export type { KademliaNodeInit } from './kademlia-node.ts'
export { bootstrap } from './strategies/bootstrap.ts'
export type { BootstrapInit } from './strategies/bootstrap.ts'
export { dns } from './strategies/dns.ts'
export type { DnsInit, DnsQuestion } from './strategies/dns.ts'
export { environment } from './strategies/environment.ts'
export type { EnvironmentInit } from './strategies/environment.ts'
export { file } from './strategies/file.ts'
export type { FileInit } from './strategies/file.ts'
export { fixed } from './strategies/fixed.ts'
export { kademlia } from './strategies/kademlia.ts'
export type { KademliaInit, Walkable } from './strategies/kademlia.ts'
export type { ListedInit } from './strategies/listed.ts'
export { mdns } from './strategies/mdns.ts'
export type { MdnsInit } from './strategies/mdns.ts'
export { peersOfPeers } from './strategies/peers-of-peers.ts'
export type { MembershipProofs, PeersOfPeersInit } from './strategies/peers-of-peers.ts'

/**
 * Finds peers by the given strategies, keeps one connection to each peer given to `keep`, and asks
 * peers what they offer. Start it after the node, stop it before the node; it closes no connection
 * of its own accord but second ones to the same kept peer.
 *
 * Throws `InvalidParametersError` for an option out of its range.
 */
export function createDiscovery(
  components: DiscoveryComponents,
  init: DiscoveryInit = {}
): Discovery & Prober {
  return new DefaultDiscovery({
    libp2p: components,
    rpc: () => components.rpc,
    clock: init.clock ?? components.clock ?? systemClock,
    random: init.random ?? components.random ?? systemRandom,
    settings: settingsOf(init)
  })
}

/**
 * The same as a service of libp2p, next to a service named `rpc`. It starts and stops with the node.
 *
 * @example
 * ```ts
 * await createLibp2p({ services: { rpc: rpc(), discovery: discovery({ strategies: [mdns()] }) } })
 * ```
 */
export function discovery(
  init: DiscoveryInit = {}
): (components: Libp2pParts & { readonly rpc: Rpc }) => Discovery & Prober {
  const settings = settingsOf(init)
  return (components) =>
    new DiscoveryService({
      libp2p: components,
      rpc: () => components.rpc,
      clock: init.clock ?? systemClock,
      random: init.random ?? systemRandom,
      settings
    })
}

/** libp2p starts its services all at once: dialling has to wait until the others run. */
class DiscoveryService extends DefaultDiscovery {
  readonly [Symbol.toStringTag]: string = '@murmuration/discovery'
  readonly [serviceDependencies]: string[] = ['@murmuration/rpc']

  override async start(): Promise<void> {}

  async afterStart(): Promise<void> {
    await super.start()
  }

  async beforeStop(): Promise<void> {
    await super.stop()
  }
}
