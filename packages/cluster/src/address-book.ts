import type { Libp2p } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import type { LogSink, Member } from '@murmuration/interface'

/**
 * Tells libp2p where the members of a view can be dialled, so that a call to a member that is not
 * connected yet finds it.
 */
export function rememberAddresses(libp2p: Libp2p, members: readonly Member[], log: LogSink): void {
  for (const { peer, addresses } of members) {
    if (addresses.length === 0 || peer === libp2p.peerId.toString()) continue
    const multiaddrs = addresses.map((address) => multiaddr(address))
    libp2p.peerStore.merge(peerIdFromString(peer), { multiaddrs }).catch((error: unknown) => {
      // Without the address a call waits until discovery has connected the peer.
      log(`the addresses of ${peer} were not stored: ${String(error)}`)
    })
  }
}
