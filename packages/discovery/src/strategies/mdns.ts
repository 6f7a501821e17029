import { mdns as libp2pMdns } from '@libp2p/mdns'
import { isStartable } from '@libp2p/interface'
import type { ComponentLogger, PeerDiscovery, PeerInfo } from '@libp2p/interface'
import { toString } from 'uint8arrays/to-string'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { StrategyFactory } from '../components.ts'
import { MDNS_INTERVAL_MS, MDNS_SERVICE_TAG } from '../defaults.ts'
import { number } from '../settings.ts'

/** Options of {@link mdns}. */
export interface MdnsInit {
  /** Peers with the same tag find each other. @default '_murmuration._udp.local' */
  readonly serviceTag?: string
  /** Time between queries, in ms. @default 10000 */
  readonly intervalMs?: number
  /** Makes the module that speaks the protocol. @default that of `@libp2p/mdns` */
  readonly create?: (init: {
    readonly serviceTag: string
    readonly interval: number
    readonly peerName: string
  }) => (components: {
    readonly addressManager: { getAddresses(): Multiaddr[] }
    readonly logger: ComponentLogger
  }) => PeerDiscovery
}

/**
 * Finds peers on the same network by multicast DNS. What comes in is not authenticated: anybody on
 * the network can make this peer dial an address, and nobody can pass for another peer there.
 * Clouds mostly do not carry multicast: use {@link bootstrap} there.
 */
export function mdns(init: MdnsInit = {}): StrategyFactory {
  const serviceTag = init.serviceTag ?? MDNS_SERVICE_TAG
  const interval = number('intervalMs', init.intervalMs ?? MDNS_INTERVAL_MS, 100)
  const create = init.create ?? defaultCreate
  return (components) => {
    let module: PeerDiscovery | undefined
    let onPeer: ((event: CustomEvent<PeerInfo>) => void) | undefined
    return {
      name: 'mdns',
      start: async (found) => {
        // A DNS label of at most 63 characters, not the PeerId: mDNS is heard by everybody.
        const peerName = toString(components.random.bytes(16), 'hex')
        const { addressManager, logger } = components
        module = create({ serviceTag, interval, peerName })({ addressManager, logger })
        onPeer = ({ detail }) =>
          found({ peer: detail.id.toString(), addresses: detail.multiaddrs.map(String) })
        module.addEventListener('peer', onPeer)
        if (isStartable(module)) {
          await module.start()
        }
      },
      stop: async () => {
        if (module !== undefined && onPeer !== undefined) {
          module.removeEventListener('peer', onPeer)
        }
        if (isStartable(module)) {
          await module.stop()
        }
        module = undefined
      }
    }
  }
}

const defaultCreate: NonNullable<MdnsInit['create']> = (init) => (components) =>
  // The module asks for libp2p's whole address manager and calls `getAddresses` only.
  libp2pMdns(init)(components as Parameters<ReturnType<typeof libp2pMdns>>[0])
