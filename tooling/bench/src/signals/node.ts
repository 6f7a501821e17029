import { gossipsub } from '@libp2p/gossipsub'
import type { GossipSub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { joinedFrames, rpc, sparingWindowUpdates } from '@murmuration/rpc'
import { gossipDefaults, signals } from '@murmuration/signals'
import { openLevelStore } from '@murmuration/storage'
import { createLibp2p } from 'libp2p'

/** `signals`: the bus with a log on disk. `plain`: gossipsub as it comes, each message signed. */
export type Kind = 'signals' | 'plain'

const topic = 'bench'
const type = 'bench.tick'
export const payloadBytes = 200

/** One peer that publishes and listens. */
export interface BenchNode {
  readonly libp2p: Libp2p
  readonly rpc: ReturnType<ReturnType<typeof rpc>>
  /** Hands `payload` to all who listen. */
  publish(payload: Uint8Array): Promise<void>
  /** Calls back with each payload that comes. */
  listen(got: (payload: Uint8Array) => void): void
  /** How many others are known to listen. */
  listeners(): number
  /** What the bus has counted, by event; plain gossip counts nothing. */
  counters(): Readonly<Record<string, number>>
}

export async function startNode(
  kind: Kind,
  folder: string,
  dial: readonly string[]
): Promise<BenchNode> {
  const common = {
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [tls()],
    // As in the node of a cluster.
    streamMuxers: [joinedFrames(sparingWindowUpdates(yamux()))],
    // A flooded peer answers pings late, and would be cut off in the middle of a measurement.
    connectionMonitor: { enabled: false }
  }
  const base = { identify: identify(), rpc: rpc() }
  if (kind === 'plain') {
    const node = await createLibp2p({
      ...common,
      services: {
        ...base,
        pubsub: gossipsub({
          globalSignaturePolicy: 'StrictSign',
          allowPublishToZeroTopicPeers: true
        })
      }
    })
    await connect(node, dial)
    return plainNode(node)
  }
  const store = await openLevelStore({ path: folder })
  const node = await createLibp2p({
    ...common,
    services: {
      ...base,
      pubsub: gossipsub(gossipDefaults),
      signals: signals({ store })
    }
  })
  await connect(node, dial)
  const { signals: bus } = node.services
  return {
    libp2p: node,
    rpc: node.services.rpc,
    publish: async (data) => {
      await bus.publish({ type, data })
    },
    listen: (got) => {
      bus.subscribe(
        'bench.*',
        ({ data }) => {
          if (data instanceof Uint8Array) got(data)
        },
        { queueMax: 65_536 }
      )
    },
    listeners: () => subscribed(node.services.pubsub),
    counters: () => bus.counters()
  }
}

type Base = Record<'identify', ReturnType<ReturnType<typeof identify>>> & {
  readonly rpc: BenchNode['rpc']
  readonly pubsub: GossipSub
}

function plainNode(node: Libp2p<Base>): BenchNode {
  const { pubsub } = node.services
  return {
    libp2p: node,
    rpc: node.services.rpc,
    publish: async (data) => {
      await pubsub.publish(topic, data)
    },
    listen: (got) => {
      pubsub.addEventListener('message', ({ detail }) => got(detail.data))
      pubsub.subscribe(topic)
    },
    listeners: () => subscribed(pubsub),
    counters: () => ({})
  }
}

function subscribed(pubsub: GossipSub): number {
  return Math.max(0, ...pubsub.getTopics().map((name) => pubsub.getSubscribers(name).length))
}

async function connect(node: Libp2p, addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    // One after the other: a burst of dials meets libp2p's own limits.
    // oxlint-disable-next-line no-await-in-loop
    await node.dial(multiaddr(address))
  }
}
