import type { AbortOptions, Libp2p } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { systemClock } from '@murmuration/system'
import { defaults } from './defaults.ts'

/**
 * Closes all connections to a peer and has them made anew, for a gossip stream that has gone mute. One
 * side dials, as it does always: if both did, one of two connections would close again, and its stream
 * with it.
 */
export function reconnector(
  libp2p: Libp2p
): (peer: string, options: AbortOptions) => Promise<void> {
  return async (peer, options) => {
    const id = peerIdFromString(peer)
    const isDialler = libp2p.peerId.toString() < peer
    await libp2p.hangUp(id, options)
    // The other side must have seen the end too, or it keeps its half of the old state.
    await new Promise<void>((resolve) => {
      systemClock.schedule(defaults.reconnectSettleMs, resolve)
    })
    if (isDialler) await libp2p.dial(id, options)
  }
}
