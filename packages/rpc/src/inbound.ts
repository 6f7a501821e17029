import type { Connection, Logger, Stream } from '@libp2p/interface'
import type { Deadlines } from './core/deadlines.ts'
import type { Limits } from './core/limits.ts'
import type { Methods } from './core/methods.ts'
import { Outbox } from './core/outbox.ts'
import type { RunQueue } from './core/run-queue.ts'
import { Serving } from './core/serving.ts'
import type { PeerLoad } from './core/serving.ts'
import type { Defer } from './end-of-turn.ts'
import type { Leaving } from './leaving.ts'
import { Link } from './link.ts'

export interface InboundInit {
  readonly methods: Methods
  readonly deadlines: Deadlines
  readonly limits: Limits
  readonly runs: RunQueue
  readonly leaving: Leaving
  readonly authorize?: ((peer: string, method: string) => boolean) | undefined
  readonly defer: Defer
  readonly log: Logger
}

interface SharedLoad extends PeerLoad {
  /** Streams that are open from this peer. */
  streams: number
}

interface Served {
  readonly serving: Serving
  readonly connectionId: string
}

/** The streams on which others call this peer. */
export class Inbound {
  readonly #init: InboundInit
  readonly #links = new Map<Link, Served>()
  readonly #loads = new Map<string, SharedLoad>()

  constructor(init: InboundInit) {
    this.#init = init
  }

  get inFlight(): number {
    let sum = 0
    for (const { running } of this.#loads.values()) sum += running
    return sum
  }

  /** Serves the requests of a stream that a peer has opened. */
  accept(stream: Stream, connection: Connection): void {
    const { limits } = this.#init
    const peer = connection.remotePeer.toString()
    const load = this.#loadOf(peer)
    load.streams++
    const outbox = new Outbox()
    const link: Link = new Link({
      ...this.#init,
      outbox,
      messageBytesMax: limits.messageBytesMax,
      closeTimeoutMs: limits.closeTimeoutMs,
      onFrame: (frame) => serving.receive(frame),
      onFlushed: () => serving.drained(),
      onClose: (reason) => {
        this.#links.delete(link)
        load.streams--
        serving.close(reason)
      }
    })
    const serving = new Serving({
      ...this.#init,
      peer,
      load,
      outbox,
      wake: () => link.wake(),
      end: (reason, ending) => link.end(reason, ending)
    })
    this.#links.set(link, { serving, connectionId: connection.id })
    link.attach(stream)
    // Its caller may not have heard yet.
    if (this.#init.leaving.has(connection.id)) serving.leave()
  }

  /** Asks those who call on a connection to go on elsewhere. */
  leave(connectionId: string): void {
    for (const served of this.#links.values()) {
      if (served.connectionId === connectionId) served.serving.leave()
    }
  }

  #loadOf(peer: string): SharedLoad {
    // Handlers may run on after their stream has gone, so loads are dropped here and not there.
    for (const [other, { streams, running }] of this.#loads) {
      if (streams === 0 && running === 0) this.#loads.delete(other)
    }
    const load = this.#loads.get(peer) ?? { running: 0, streams: 0 }
    this.#loads.set(peer, load)
    return load
  }

  /** Ends all streams; the signals of what runs fire. */
  close(reason: Error): void {
    for (const link of this.#links.keys()) link.end(reason, 'flush')
  }
}
