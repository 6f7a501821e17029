import type { GossipsubOpts, Message } from '@libp2p/gossipsub'
import { sha256 } from '@noble/hashes/sha2.js'
import type * as Crypto from 'node:crypto'
import { checkCluster, topicNames } from './core/pattern.ts'
import { clusterDefault, tellBytesMin } from './defaults.ts'

/** Options of {@link gossipOptions}. */
export interface GossipOptionsInit {
  /** The same as `SignalsInit.cluster`. @default 'default' */
  readonly cluster?: string
}

/**
 * Options for `gossipsub(...)` that signals need, for a cluster of this name. Spread them to change
 * some: `gossipsub({ ...gossipOptions({ cluster: 'shop' }), floodPublish: false })`. With other
 * topics of your own on the same gossipsub, add them to `allowedTopics`.
 */
export function gossipOptions(init: GossipOptionsInit = {}): Partial<GossipsubOpts> {
  return {
    // Every batch is signed once by its author; a second signature of the same key adds nothing.
    globalSignaturePolicy: 'StrictNoSign',
    msgIdFn: messageId,
    allowPublishToZeroTopicPeers: true,
    // Copies of a message come within 5 heartbeats. What comes later is known by its number; to know it by
    // its hash for two minutes only takes memory. Unit: milliseconds.
    seenTTL: 30_000,
    ignoreDuplicatePublishError: true,
    // Authors send to all subscribers they know: shortest way, and no wait for the mesh to form.
    floodPublish: true,
    // One encoding for all of them; what a heartbeat has to say does not ride along.
    batchPublish: true,
    // The author reaches all it knows, so the mesh only has to reach the others; each link more
    // costs every message one more copy.
    D: 4,
    Dlo: 3,
    Dhi: 8,
    Dscore: 3,
    Dout: 1,
    // Floodsub peers bypass scores and validators of the mesh.
    fallbackToFloodsub: false,
    // With the default weight, more than 13 peers behind one address silently lose everything.
    scoreParams: { IPColocationFactorWeight: 0 },
    allowedTopics: [...topicNames(checkCluster(init.cluster ?? clusterDefault))],
    // Frames of several messages occur when a neighbour asks for missed ones; a frame above this
    // ends the stream, so it must hold 16 messages of the largest size.
    maxInboundDataLength: 4_194_304,
    // Without a limit a slow neighbour fills the memory of all others. Above it the stream is
    // aborted and a new one is opened.
    maxOutboundBufferSize: 8_388_608,
    idontwantMinDataSize: tellBytesMin,
    maxTopicBytesPerPeer: 65_536,
    decodeRpcLimits: {
      maxSubscriptions: 64,
      maxMessages: 4096,
      maxIhaveMessageIDs: 4096,
      maxIwantMessageIDs: 4096,
      maxIdontwantMessageIDs: 512,
      maxControlMessages: 64,
      maxPeerInfos: 16
    },
    // Edge peers may be reachable through a relay only.
    runOnLimitedConnection: true
  }
}

/** {@link gossipOptions} for the cluster name `default`. */
export const gossipDefaults: Partial<GossipsubOpts> = gossipOptions()

/**
 * The id covers the topic too: otherwise a peer could send somebody's message on a wrong topic
 * first, and the real one would then be dropped everywhere as already seen.
 */
function messageId({ data, topic }: Message): Uint8Array {
  const head = encoder.encode(`${topic}\n`)
  const bytes = new Uint8Array(head.length + data.length)
  bytes.set(head)
  bytes.set(data, head.length)
  return nodeHash === undefined ? sha256(bytes) : nodeHash('sha256', bytes, 'buffer')
}

const encoder = new TextEncoder()

/** A fifth of the cost of the portable one; missing in browsers and before Node 22.3. */
const nodeHash = (
  globalThis as { process?: { getBuiltinModule?(name: string): typeof Crypto } }
).process // untyped in browsers
  ?.getBuiltinModule?.('node:crypto').hash
