import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Identify } from '@libp2p/identify'
import type { Libp2p, PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import type { Ping } from '@libp2p/ping'
import type { KadDHT } from '@libp2p/kad-dht'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import type { Discovery, FoundPeer, Rpc } from '@murmuration/interface'
import { rpc } from '@murmuration/rpc'
import { createLibp2p } from 'libp2p'
import {
  bootstrap,
  connectionManagerDefaults,
  discovery,
  connectionMonitorDefaults,
  kademlia,
  kademliaNode,
  peerStoreDefaults,
  tcpDefaults,
  yamuxDefaults
} from '../src/index.ts'
import type { DiscoveryInit, Prober } from '../src/index.ts'

export type Node = Libp2p<{
  identify: Identify
  rpc: Rpc
  discovery: Discovery & Prober
}>

export type KademliaNode = Libp2p<{
  identify: Identify
  ping: Ping
  dht: KadDHT
  rpc: Rpc
  discovery: Discovery & Prober
}>

export interface NodeInit extends DiscoveryInit {
  readonly privateKey?: PrivateKey
  /** A fixed one makes a node findable after a restart. @default any free one */
  readonly port?: number
  /** @default '127.0.0.1' */
  readonly host?: string
}

/** A peer on loopback as `cluster` makes it: TLS, yamux, the defaults of this package. */
export async function createNode({
  privateKey,
  port,
  host = '127.0.0.1',
  ...init
}: NodeInit = {}): Promise<Node> {
  return await createLibp2p({
    ...(privateKey === undefined ? {} : { privateKey }),
    addresses: { listen: [`/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/${port ?? 0}`] },
    transports: [tcp(tcpDefaults)],
    connectionEncrypters: [tls()],
    streamMuxers: [yamux(yamuxDefaults)],
    connectionManager: connectionManagerDefaults,
    connectionMonitor: connectionMonitorDefaults,
    peerStore: peerStoreDefaults,
    services: { identify: identify(), rpc: rpc(), discovery: discovery(init) }
  })
}

/** The same with a DHT, and the strategy that walks it. */
export async function createKademliaNode(
  addresses: readonly string[],
  init: NodeInit = {}
): Promise<KademliaNode> {
  const node: KademliaNode = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp(tcpDefaults)],
    connectionEncrypters: [tls()],
    streamMuxers: [yamux(yamuxDefaults)],
    connectionManager: connectionManagerDefaults,
    connectionMonitor: connectionMonitorDefaults,
    peerStore: peerStoreDefaults,
    services: {
      identify: identify(),
      ping: ping(),
      dht: kademliaNode({ cluster: 'test' }),
      rpc: rpc(),
      discovery: discovery({
        ...init,
        strategies: [
          ...(addresses.length === 0 ? [] : [bootstrap({ addresses })]),
          kademlia({ dht: () => node.services.dht })
        ]
      })
    }
  })
  return node
}

/** How others find this node. */
export function foundPeerOf(node: Libp2p): FoundPeer {
  return { peer: node.peerId.toString(), addresses: node.getMultiaddrs().map(String) }
}

/** Keys of peers whose ids are in order, the lowest first. */
export async function createKeys(count: number): Promise<PrivateKey[]> {
  const keys = await Promise.all(Array.from({ length: count }, () => generateKeyPair('Ed25519')))
  return keys
    .map((key) => ({ key, id: peerIdFromPrivateKey(key).toString() }))
    .toSorted((one, other) => (one.id < other.id ? -1 : 1))
    .map(({ key }) => key)
}

/** Waits until something holds; returns the milliseconds it took. */
export async function until(
  what: string,
  holds: () => boolean,
  timeoutMs = 20_000
): Promise<number> {
  const from = performance.now()
  while (!holds()) {
    if (performance.now() - from > timeoutMs) {
      throw new Error(`not within ${timeoutMs} ms: ${what}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return performance.now() - from
}
