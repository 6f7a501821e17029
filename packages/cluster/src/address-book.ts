import type { Libp2p } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import type { LogSink, Membership } from '@murmuration/interface'

/**
 * Tells libp2p where the members of each view can be dialled, so that a call to a member that is not
 * connected yet finds it.
 */
export function rememberAddresses(libp2p: Libp2p, membership: Membership, log: LogSink): void {
  membership.addEventListener('view', ({ detail }) => {
    for (const { peer, addresses } of detail.view.members) {
      if (addresses.length === 0 || peer === libp2p.peerId.toString()) continue
      const multiaddrs = addresses.map((address) => multiaddr(address))
      libp2p.peerStore.merge(peerIdFromString(peer), { multiaddrs }).catch((error: unknown) => {
        // Without the address a call waits until discovery has connected the peer.
        log(`the addresses of ${peer} were not stored: ${String(error)}`)
      })
    }
  })
}
