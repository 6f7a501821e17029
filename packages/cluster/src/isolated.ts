import { NotFoundError, TypedEventEmitter } from '@libp2p/interface'
import type { ComponentLogger, Libp2pEvents, PeerId } from '@libp2p/interface'
import type { Libp2pParts } from '@murmuration/discovery'
import { PeerUnavailableError } from '@murmuration/interface'

/** The parts of a node that has no network: nobody is connected, and nobody can be dialled. */
export function isolatedParts(peerId: PeerId, logger: ComponentLogger): Libp2pParts {
  const nobody = (): Promise<never> => {
    return Promise.reject(new PeerUnavailableError('a single peer has no network to dial on'))
  }
  const unknown = (): Promise<never> => Promise.reject(new NotFoundError('no other peer is known'))
  return {
    peerId,
    logger,
    events: new TypedEventEmitter<Libp2pEvents>(),
    connectionManager: { getConnections: () => [], openConnection: nobody },
    peerStore: { get: unknown, merge: unknown },
    addressManager: { getAddresses: () => [] }
  }
}
