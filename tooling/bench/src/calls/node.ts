import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { admission, credentialsFromSecret } from '@murmuration/identity'
import { joinedFrames, rpc, sparingWindowUpdates } from '@murmuration/rpc'
import type { Rpc } from '@murmuration/rpc'
import { createLibp2p } from 'libp2p'

export const encryptions = ['tls', 'noise'] as const
export type Encryption = (typeof encryptions)[number]

/** Protocol of the contender that opens a stream for each request. */
export const echoProtocol = '/bench/echo/1.0.0'

const common = {
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionManager: { inboundConnectionThreshold: 1_000 }
}

/** A plain libp2p node. */
export function startPlain(): Promise<Libp2p> {
  return createLibp2p({
    ...common,
    connectionEncrypters: [tls()],
    streamMuxers: [yamux()],
    services: { identify: identify() }
  })
}

/** A node with rpc behind the admission of a cluster, as its members have it. */
export async function startNode(encryption: Encryption): Promise<Libp2p<{ rpc: Rpc }>> {
  const privateKey = await generateKeyPair('Ed25519')
  const credentials = await credentialsFromSecret({
    cluster: 'bench',
    secret: 'a secret for this bench alone',
    privateKey,
    roles: ['member']
  })
  const { connectionEncrypters, connectionGater } = admission(credentials, {
    encrypters: [encryption === 'tls' ? tls() : noise()]
  })
  return createLibp2p({
    ...common,
    privateKey,
    connectionEncrypters,
    connectionGater,
    streamMuxers: [joinedFrames(sparingWindowUpdates(yamux()))],
    services: { identify: identify(), rpc: rpc({ cluster: 'bench' }) }
  })
}
