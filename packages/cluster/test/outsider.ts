import { generateKeyPair } from '@libp2p/crypto/keys'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { admission, credentialsFromCertificate, peerOf } from '@murmuration/identity'
import type { Issuer } from '@murmuration/identity'
import type { Role, Rpc } from '@murmuration/interface'
import { rpc } from '@murmuration/rpc'
import { gossipOptions } from '@murmuration/signals'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

/** A node with a certificate and nothing else of a peer, to do what a peer would not do. */
export interface Outsider {
  readonly peer: string
  readonly key: Ed25519PrivateKey
  readonly rpc: Rpc
  dial(addresses: readonly string[]): Promise<void>
  connections(): number
  /** Peers that have subscribed to a topic, as far as this node was told. */
  subscribers(topic: string): number
  /** The number of peers that it was sent to. */
  gossip(topic: string, bytes: Uint8Array): Promise<number>
  stop(): Promise<void>
}

export async function outsider(init: {
  readonly rootKey: Ed25519PrivateKey
  readonly issuer: Issuer
  readonly cluster: string
  readonly roles?: readonly Role[]
  readonly key?: Ed25519PrivateKey
  /** In place of one by the issuer. */
  readonly certificate?: Uint8Array
}): Promise<Outsider> {
  const { rootKey, issuer, cluster, roles = ['member'] } = init
  const key = init.key ?? (await generateKeyPair('Ed25519'))
  const credentials = await credentialsFromCertificate({
    cluster,
    privateKey: key,
    rootPublicKey: rootKey.publicKey,
    certificate: init.certificate ?? (await issuer.issue(key.publicKey, roles))
  })
  const { connectionEncrypters } = admission(credentials)
  const node = await createLibp2p({
    privateKey: key,
    transports: [tcp()],
    connectionEncrypters,
    streamMuxers: [yamux()],
    connectionManager: { reconnectRetries: 0 },
    services: {
      identify: identify(),
      rpc: rpc({ cluster }),
      pubsub: gossipsub(gossipOptions({ cluster }))
    }
  })
  const { pubsub } = node.services
  return {
    peer: peerOf(key.publicKey),
    key,
    rpc: node.services.rpc,
    dial: async (addresses) => {
      await node.dial(addresses.map((address) => multiaddr(address)))
    },
    connections: () => node.getConnections().length,
    subscribers: (topic) => pubsub.getSubscribers(topic).length,
    gossip: async (topic, bytes) => (await pubsub.publish(topic, bytes)).recipients.length,
    stop: async () => node.stop()
  }
}
