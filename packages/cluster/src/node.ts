import { gossipsub } from '@libp2p/gossipsub'
import type { GossipSub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Libp2p, PrivateKey } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import {
  connectionManagerDefaults,
  connectionMonitorDefaults,
  peerStoreDefaults,
  tcpDefaults,
  yamuxDefaults
} from '@murmuration/discovery'
import { admission, privateNetwork } from '@murmuration/identity'
import type { Admitted, Credentials } from '@murmuration/identity'
import { InvalidParametersError } from '@murmuration/interface'
import type { Rpc } from '@murmuration/interface'
import { rpc, sparingWindowUpdates } from '@murmuration/rpc'
import { gossipOptions } from '@murmuration/signals'
import { createLibp2p } from 'libp2p'
import type { Settings } from './settings.ts'

export interface Node {
  readonly libp2p: Libp2p
  readonly rpc: Rpc
  readonly pubsub: GossipSub
  readonly admitted: Admitted
}

/** The libp2p node under a peer: TCP, TLS or Noise behind the admission, yamux, identify, gossipsub. */
export async function startNode(
  settings: Settings,
  credentials: Credentials,
  privateKey: PrivateKey,
  listen: readonly string[]
): Promise<Node> {
  const door = admission(credentials)
  const libp2p = await createLibp2p({
    start: false,
    privateKey,
    addresses: { listen: [...listen], announce: [...(settings.announce ?? [])] },
    transports: [tcp(tcpDefaults)],
    connectionEncrypters: door.connectionEncrypters,
    connectionGater: {
      ...door.connectionGater,
      // Peers of one site have private addresses; the default of browsers refuses to dial them.
      denyDialMultiaddr: () => false
    },
    streamMuxers: [sparingWindowUpdates(yamux(yamuxDefaults))],
    connectionManager: connectionManagerDefaults,
    connectionMonitor: connectionMonitorDefaults,
    peerStore: peerStoreDefaults,
    services: {
      identify: identify(),
      rpc: rpc({ cluster: settings.name }),
      pubsub: gossipsub(gossipOptions({ cluster: settings.name }))
    },
    ...(settings.privateNetwork ? { connectionProtector: privateNetwork(credentials) } : {}),
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
  return { libp2p, rpc: services.rpc, pubsub: services.pubsub, admitted: door.admitted }
}

/** libp2p wraps the reason of a taken port twice. */
function reasonOf(error: unknown): string {
  const errors = error instanceof AggregateError ? error.errors : [error]
  return errors.map((each) => (each instanceof Error ? each.message : String(each))).join('; ')
}
