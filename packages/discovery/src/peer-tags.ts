import type { Logger, PeerStore } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { parsePeer } from './targets.ts'

/** Tag of kept peers in libp2p's peer store: pruning then spares their connections. */
const KEPT_TAG = 'murmuration-kept'
const KEPT_VALUE = 100

/**
 * Tells libp2p's peer store of kept peers, one after the other and never in the way of dialling:
 * other users of the node then can open connections to them by PeerId, too.
 */
export class PeerTags {
  readonly #peerStore: Pick<PeerStore, 'merge'>
  readonly #log: Logger
  /** What is still to be written; at most one entry per peer. */
  readonly #waiting = new Map<string, readonly Multiaddr[] | undefined>()
  #kept: ReadonlySet<string> = new Set()
  #isWriting = false

  constructor(peerStore: Pick<PeerStore, 'merge'>, log: Logger) {
    this.#peerStore = peerStore
    this.#log = log
  }

  /** Replaces the kept peers. */
  keep(peers: ReadonlyMap<string, readonly Multiaddr[]>): void {
    for (const peer of this.#kept) {
      if (!peers.has(peer)) {
        this.#waiting.set(peer, undefined)
      }
    }
    for (const [peer, addresses] of peers) {
      this.#waiting.set(peer, addresses)
    }
    this.#kept = new Set(peers.keys())
    if (!this.#isWriting) {
      this.#isWriting = true
      void this.#write()
    }
  }

  async #write(): Promise<void> {
    for (const [peer, addresses] of this.#waiting) {
      this.#waiting.delete(peer)
      try {
        await this.#peerStore.merge(parsePeer(peer), {
          multiaddrs: [...(addresses ?? [])],
          tags: { [KEPT_TAG]: addresses === undefined ? undefined : { value: KEPT_VALUE } }
        })
      } catch (error) {
        // The keeper dials by its own addresses; without the tag only pruning may hit this peer.
        this.#log.error('%s was not noted in the peer store: %e', peer, error)
      }
    }
    this.#isWriting = false
  }
}
