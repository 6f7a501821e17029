import type { GossipSub } from '@libp2p/gossipsub'
import type { Connection, PeerId, Stream } from '@libp2p/interface'
import type { Clock } from '@murmuration/interface'
import { reopenGraceMs, reopenPauseMs } from './defaults.ts'

export interface GossipStreamsInit {
  readonly pubsub: GossipSub
  /** Open connections: those to one peer, or all. */
  readonly connections: (peer?: PeerId) => readonly Connection[]
  readonly clock: Clock
}

/**
 * Gossipsub keeps one outgoing stream per peer. When that closes and the peer stays connected, as of two
 * connections that simultaneous dials made one closes again, it does not open another, and everything
 * for that peer is lost without an error; when a stream was cut while it was read, it even forgets the
 * peer. Telling it again of the connection that is left makes it open a stream there.
 */
export class GossipStreams {
  readonly #init: GossipStreamsInit
  /** Connected peers that speak the protocol. */
  readonly #speakers = new Map<string, PeerId>()
  /** When a stream was last asked for. */
  readonly #asked = new Map<string, number>()

  constructor(init: GossipStreamsInit) {
    this.#init = init
  }

  /** Open outgoing streams to a peer. */
  to(peer: PeerId): readonly Stream[] {
    const { protocols } = this.#init.pubsub
    return this.#open(peer).flatMap(({ streams }) =>
      streams.filter(
        ({ direction, protocol, status }) =>
          direction === 'outbound' && status === 'open' && protocols.includes(protocol)
      )
    )
  }

  /** Has streams opened to connected peers that have none; returns those peers (text). */
  mend(): readonly string[] {
    for (const peer of this.#init.pubsub.getPeers()) {
      this.#speakers.set(peer.toString(), peer)
    }
    const mended: string[] = []
    for (const [name, peer] of this.#speakers) {
      const [connection] = this.#open(peer)
      if (connection === undefined) {
        this.#speakers.delete(name)
        this.#asked.delete(name)
      } else if (this.to(peer).length > 0) {
        this.#asked.delete(name)
      } else if (!this.#isYoung(connection) && this.#mayAsk(name)) {
        this.#ask(peer, connection)
        mended.push(name)
      }
    }
    return mended
  }

  #open(peer: PeerId): readonly Connection[] {
    return this.#init.connections(peer).filter(({ status }) => status === 'open')
  }

  /** Whether gossipsub may still be about to open its stream there. */
  #isYoung({ timeline }: Connection): boolean {
    const age = this.#init.clock.now() - timeline.open
    // Where the clock was set back, it is older than it seems.
    return age >= 0 && age < reopenGraceMs
  }

  /** Opening one takes a moment, and they are opened one after the other. */
  #mayAsk(name: string): boolean {
    const now = this.#init.clock.monotonic()
    const last = this.#asked.get(name)
    if (last !== undefined && now - last < reopenPauseMs) {
      return false
    }
    this.#asked.set(name, now)
    return true
  }

  #ask(peer: PeerId, connection: Connection): void {
    // Not part of its interface: what libp2p calls for a new connection. It adds the peer if it was
    // forgotten, and opens a stream if there is none.
    const told: unknown = Reflect.get(this.#init.pubsub, 'onPeerConnected')
    if (typeof told === 'function') {
      Reflect.apply(told, this.#init.pubsub, [peer, connection])
    }
  }
}
