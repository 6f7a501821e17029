import type { AbortOptions, Libp2p } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { systemClock } from '@murmuration/system'
import { defaults } from './defaults.ts'

/** Closes all connections to a peer and dials it anew, for a gossip stream that has gone mute. */
export function reconnector(
  libp2p: Libp2p
): (peer: string, options: AbortOptions) => Promise<void> {
  return async (peer, options) => {
    const id = peerIdFromString(peer)
    await libp2p.hangUp(id, options)
    // The other side must have seen the end too, or it keeps its half of the old state.
    await new Promise<void>((resolve) => {
      systemClock.schedule(defaults.reconnectSettleMs, resolve)
    })
    await libp2p.dial(id, options)
  }
}
