import { gossipsub } from '@libp2p/gossipsub'
import type { GossipSub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Libp2p, PrivateKey } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import {
  connectionManagerDefaults,
  connectionMonitorDefaults,
  kademliaNode,
  kademliaProtocol,
  peerStoreDefaults,
  tcpDefaults,
  yamuxDefaults
} from '@murmuration/discovery'
import { admission, guardedStreams, privateNetwork } from '@murmuration/identity'
import type { Admitted, Credentials } from '@murmuration/identity'
import { InvalidParametersError } from '@murmuration/interface'
import type { Rpc } from '@murmuration/interface'
import { joinedFrames, rpc, sparingWindowUpdates } from '@murmuration/rpc'
import { gossipOptions } from '@murmuration/signals'
import { createLibp2p } from 'libp2p'
import { defaults } from './defaults.ts'
import { mayUse } from './permissions.ts'
import type { Settings } from './settings.ts'

export interface Node {
  readonly libp2p: Libp2p
  readonly rpc: Rpc
  readonly pubsub: GossipSub
  /** Undefined unless asked for. */
  readonly dht: ReturnType<ReturnType<typeof kademliaNode>> | undefined
  readonly admitted: Admitted
  readonly credentials: Credentials
}

/** The libp2p node under a peer: TCP, TLS or Noise behind the admission, yamux, identify, gossipsub. */
export async function startNode(
  settings: Settings,
  credentials: Credentials,
  privateKey: PrivateKey,
  listen: readonly string[]
): Promise<Node> {
  const door = admission(
    credentials,
    settings.privateNetwork ? { connectionProtector: privateNetwork(credentials) } : {}
  )
  const authorize = (peer: string, method: string): boolean =>
    mayUse(door.admitted.certificateOf(peer), method)
  const libp2p = await createLibp2p({
    start: false,
    privateKey,
    addresses: { listen: [...listen], announce: [...(settings.announce ?? [])] },
    transports: [tcp(tcpDefaults)],
    connectionEncrypters: door.connectionEncrypters,
    connectionProtector: door.connectionProtector,
    connectionGater: {
      ...door.connectionGater,
      // Peers of one site have private addresses; the default of browsers refuses to dial them.
      denyDialMultiaddr: () => false
    },
    streamMuxers: [
      guardedStreams(joinedFrames(sparingWindowUpdates(yamux(yamuxDefaults))), {
        [kademliaProtocol(settings.name)]: defaults.kademliaBytesMax
      })
    ],
    connectionManager: connectionManagerDefaults,
    connectionMonitor: connectionMonitorDefaults,
    peerStore: peerStoreDefaults,
    services: {
      identify: identify(),
      rpc: rpc({ cluster: settings.name, authorize }),
      pubsub: gossipsub(gossipFor(settings.name, door.admitted)),
      ping: ping(),
      ...(settings.kademlia ? { dht: dhtOf(settings) } : {})
    },
    ...(settings.logger === undefined ? {} : { logger: settings.logger }),
    ...(settings.metrics === undefined ? {} : { metrics: settings.metrics })
  })
  try {
    await libp2p.start()
  } catch (error) {
    await libp2p.stop()
    throw new InvalidParametersError(`cannot listen on ${listen.join(', ')}: ${reasonOf(error)}`, {
      cause: error
    })
  }
  const { services } = libp2p
  const { rpc: calls, pubsub, dht } = services
  return { libp2p, rpc: calls, pubsub, dht, admitted: door.admitted, credentials }
}

/** What a guest sends by gossip is not taken: it may call, and not publish. */
function gossipFor(cluster: string, admitted: Admitted): ReturnType<typeof gossipOptions> {
  const options = gossipOptions({ cluster })
  const appSpecificScore = (peer: string): number =>
    mayUse(admitted.certificateOf(peer), 'signals.gossip') ? 0 : -1e9
  return { ...options, scoreParams: { ...options.scoreParams, appSpecificScore } }
}

/** An edge peer often cannot be dialled, so it asks and answers nothing. */
function dhtOf({ name, role }: Settings): ReturnType<typeof kademliaNode> {
  return kademliaNode({ cluster: name, mode: role === 'member' ? 'server' : 'client' })
}

/** libp2p wraps the reason of a taken port twice. */
function reasonOf(error: unknown): string {
  const errors = error instanceof AggregateError ? error.errors : [error]
  return errors.map((each) => (each instanceof Error ? each.message : String(each))).join('; ')
}
