import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { admission, credentialsFromCertificate } from '@murmuration/identity'
import type { Issuer } from '@murmuration/identity'
import type { Role, Rpc } from '@murmuration/interface'
import { rpc } from '@murmuration/rpc'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

/** A node with a certificate and nothing else of a peer, to do what a peer would not do. */
export interface Outsider {
  readonly rpc: Rpc
  dial(addresses: readonly string[]): Promise<void>
  connections(): number
  stop(): Promise<void>
}

export async function outsider(init: {
  readonly rootKey: Ed25519PrivateKey
  readonly issuer: Issuer
  readonly cluster: string
  readonly roles?: readonly Role[]
}): Promise<Outsider> {
  const privateKey = await generateKeyPair('Ed25519')
  const { rootKey, issuer, cluster, roles = ['member'] } = init
  const credentials = await credentialsFromCertificate({
    cluster,
    privateKey,
    rootPublicKey: rootKey.publicKey,
    certificate: await issuer.issue(privateKey.publicKey, roles)
  })
  const { connectionEncrypters } = admission(credentials)
  const node = await createLibp2p({
    privateKey,
    transports: [tcp()],
    connectionEncrypters,
    streamMuxers: [yamux()],
    connectionManager: { reconnectRetries: 0 },
    services: { identify: identify(), rpc: rpc({ cluster }) }
  })
  return {
    rpc: node.services.rpc,
    dial: async (addresses) => {
      await node.dial(addresses.map((address) => multiaddr(address)))
    },
    connections: () => node.getConnections().length,
    stop: async () => node.stop()
  }
}
