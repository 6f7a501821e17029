import { identify } from '@libp2p/identify'
import type { PrivateKey } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { peerOf } from '@murmuration/identity'
import {
  admission,
  credentialsFromCertificate,
  notAdmittedError,
  readInvitation,
  redeemInvitation
} from '@murmuration/identity'
import { PeerUnavailableError } from '@murmuration/interface'
import { rpc } from '@murmuration/rpc'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { defaults } from './defaults.ts'

/** What an invitation comes to. */
export interface Redeemed {
  /** PeerIds (text) of the root keys. */
  readonly roots: readonly string[]
  readonly certificate: Uint8Array
  /** Where the peer that redeemed it can be dialled. */
  readonly addresses: readonly string[]
}

/**
 * Exchanges an invitation for a certificate of this peer's key, through a short-lived node with the
 * key that came in the invitation.
 *
 * @throws InvalidParametersError, NotAdmittedError, PeerUnavailableError
 */
export async function redeem(line: string, privateKey: PrivateKey): Promise<Redeemed> {
  const { cluster, roots, addresses, bearerKey, pass, grant } = await readInvitation(line)
  const credentials = await credentialsFromCertificate({
    cluster,
    rootPublicKey: roots,
    certificate: pass,
    privateKey: bearerKey
  })
  const door = admission(credentials)
  const node = await createLibp2p({
    privateKey: bearerKey,
    transports: [tcp()],
    connectionEncrypters: door.connectionEncrypters,
    connectionGater: { ...door.connectionGater, denyDialMultiaddr: () => false },
    streamMuxers: [yamux()],
    services: { identify: identify(), rpc: rpc({ cluster }) }
  })
  try {
    const signal = AbortSignal.timeout(defaults.redeemTimeoutMs)
    const connection = await node
      .dial(
        addresses.map((address) => multiaddr(address)),
        { signal }
      )
      .catch((cause: unknown) => {
        throw (
          notAdmittedError(cause) ??
          new PeerUnavailableError('nobody answers who could redeem the invitation', { cause })
        )
      })
    const at = connection.remotePeer.toString()
    const bearer = peerOf(bearerKey.publicKey)
    const certificate = await redeemInvitation(node.services.rpc, at, { grant, bearer, privateKey })
    return { roots, certificate, addresses }
  } finally {
    await node.stop()
  }
}
