import { gossipsub } from '@libp2p/gossipsub'
import type { GossipSub, GossipsubOpts } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Identify } from '@libp2p/identify'
import type { Libp2p, PrivateKey } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import type { Rpc } from '@murmuration/interface'
import { rpc } from '@murmuration/rpc'
import { createLibp2p } from 'libp2p'
import { gossipDefaults, signals } from '../src/index.ts'
import type { SignalBus, SignalsServiceInit } from '../src/index.ts'

export interface Services extends Record<string, unknown> {
  identify: Identify
  pubsub: GossipSub
  rpc: Rpc
  signals: SignalBus
}

export type Node = Libp2p<Services>

export interface NodeOptions {
  readonly privateKey?: PrivateKey
  readonly gossip?: Partial<GossipsubOpts>
  readonly signals?: SignalsServiceInit
}

/** A real node on a loopback port. */
export function createNode(options: NodeOptions = {}): Promise<Node> {
  return createLibp2p<Services>({
    ...(options.privateKey && { privateKey: options.privateKey }),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [tls()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 10_000, maxIncomingPendingConnections: 1000 },
    services: {
      identify: identify(),
      pubsub: gossipsub({ ...gossipDefaults, ...options.gossip }),
      rpc: rpc(),
      signals: signals(options.signals)
    }
  })
}

/** So many nodes, each connected to all others by one connection. */
export async function createMesh(count: number): Promise<Node[]> {
  const nodes = await Promise.all(Array.from({ length: count }, () => createNode()))
  await connectAll(nodes)
  return nodes
}

/** One connection between any two. */
export async function connectAll(nodes: readonly Node[]): Promise<void> {
  for (const [index, node] of nodes.entries()) {
    for (const other of nodes.slice(0, index)) {
      await node.dial(other.getMultiaddrs())
    }
  }
}

export async function stopAll(nodes: readonly Node[]): Promise<void> {
  await Promise.all(nodes.map(async (node) => await node.stop()))
}

/** Waits for a condition; fails with its text after the given time. */
export async function until(
  what: string,
  condition: () => boolean,
  timeoutMs = 20_000
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() > deadline) {
      throw new Error(`did not happen in ${timeoutMs} ms: ${what}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export function peerOf(node: Node): string {
  return node.peerId.toString()
}

/** An element that must be there. */
export function at<T>(list: readonly T[], index: number): T {
  const element = list.at(index)
  if (element === undefined) {
    throw new RangeError(`there is no element ${index}`)
  }
  return element
}
