import type { Connection, Logger, PeerId, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { InvalidParametersError, PeerUnavailableError } from '@murmuration/interface'
import type { Clock } from '@murmuration/interface'
import { Calling } from './core/calling.ts'
import type { CallObserver } from './core/calling.ts'
import type { Deadlines } from './core/deadlines.ts'
import type { Limits } from './core/limits.ts'
import { Outbox } from './core/outbox.ts'
import { fixed } from './defaults.ts'
import { UnsupportedVersionError } from './errors.ts'
import type { Defer } from './end-of-turn.ts'
import type { Leaving } from './leaving.ts'
import { Link } from './link.ts'

/** What is used of libp2p's connection manager. */
export interface RpcConnectionManager {
  getConnections(peerId?: PeerId): Connection[]
  openConnection(peerId: PeerId, options?: { signal?: AbortSignal }): Promise<Connection>
}

export interface OutboundInit {
  readonly protocol: string
  readonly connectionManager: RpcConnectionManager
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly limits: Limits
  readonly defer: Defer
  readonly log: Logger
  readonly observer?: CallObserver | undefined
  readonly leaving: Leaving
}

interface OpenLink {
  readonly peerId: PeerId
  readonly calling: Calling
  readonly link: Link
  /** The connection of its stream, once it has one. */
  connectionId: string | undefined
}

/** Why a peer could not be reached, and until when that is believed without another try. */
interface Failure {
  readonly error: Error
  readonly pauseMs: number
  readonly untilMs: number
  /** Connections that were there and did not help. A new one is worth a try at once. */
  readonly connections: ReadonlySet<string>
}

/** Errors by which libp2p says that a connection is closed, although its status may be `open`. */
const closedErrors = new Set([
  'ConnectionClosedError',
  'ConnectionClosingError',
  'MuxerClosedError'
])

/** Errors by which a stream that is being opened says that it was cut. */
const cutErrors = new Set(['UnexpectedEOFError', 'StreamResetError', 'StreamClosedError'])

/**
 * The streams on which this peer calls others: one per peer, opened on first use or ahead of it, and
 * again after it was lost.
 */
export class Outbound {
  readonly #init: OutboundInit
  readonly #links = new Map<string, OpenLink>()
  /** Those that take no new calls, and end when they have no call under way any more. */
  readonly #draining = new Set<OpenLink>()
  readonly #failures = new Map<string, Failure>()

  constructor(init: OutboundInit) {
    this.#init = init
  }

  get inFlight(): number {
    let sum = 0
    for (const { calling } of this.#all()) sum += calling.inFlight
    return sum
  }

  /**
   * Where to make calls to `peer`; a stream is opened if there is none.
   *
   * @throws InvalidParametersError if `peer` is no PeerId.
   * @throws UnsupportedVersionError if it refused this version of the protocol a moment ago.
   * @throws PeerUnavailableError if it could not be reached a moment ago.
   */
  callingOf(peer: string): Calling {
    const open = this.#links.get(peer)
    if (open !== undefined) return open.calling
    const peerId = parse(peer)
    const failure = this.#failures.get(peer)
    if (failure !== undefined && this.#holds(failure, peerId)) {
      if (failure.error instanceof UnsupportedVersionError) throw failure.error
      const error = new PeerUnavailableError(
        `${peer} could not be reached a moment ago: ${failure.error.message}`,
        { cause: failure.error }
      )
      error.peer = peer
      throw error
    }
    return this.#open(peer, peerId).calling
  }

  /** Opens a stream to a peer that has just connected, so that its first call finds one. */
  prepare(peerId: PeerId): void {
    const peer = peerId.toString()
    if (!this.#links.has(peer)) this.#open(peer, peerId)
  }

  /** Makes new calls elsewhere than on a connection. */
  leave(connectionId: string): void {
    for (const [peer, open] of this.#links) {
      if (open.connectionId === connectionId) this.#drain(peer, open)
    }
  }

  /** Ends all streams; pending calls fail. */
  close(reason: Error): void {
    for (const { link } of this.#all()) link.end(reason, 'close')
    this.#failures.clear()
  }

  #all(): OpenLink[] {
    return [...this.#links.values(), ...this.#draining]
  }

  /** Calls under way on it are answered there; the next ones find a stream on another connection. */
  #drain(peer: string, open: OpenLink): void {
    if (this.#draining.has(open) || open.link.closed) return
    const { leaving } = this.#init
    if (open.connectionId !== undefined) leaving.add(open.connectionId)
    this.#draining.add(open)
    if (this.#links.get(peer) === open) {
      this.#links.delete(peer)
      if (this.#usable(open.peerId).some(({ id }) => !leaving.has(id))) this.prepare(open.peerId)
    }
    open.calling.whenIdle(() => open.link.end(new Error('The connection is left'), 'flush'))
  }

  #holds(failure: Failure, peerId: PeerId): boolean {
    if (this.#init.clock.monotonic() >= failure.untilMs) return false
    return !this.#usable(peerId).some(({ id }) => !failure.connections.has(id))
  }

  #open(peer: string, peerId: PeerId): OpenLink {
    const { limits } = this.#init
    const outbox = new Outbox()
    const link: Link = new Link({
      ...this.#init,
      outbox,
      messageBytesMax: limits.messageBytesMax,
      closeTimeoutMs: limits.closeTimeoutMs,
      onFrame: (frame) => calling.receive(frame),
      onClose: (reason) => {
        if (!this.#draining.delete(open)) this.#links.delete(peer)
        if (reason instanceof UnsupportedVersionError) this.#remember(peer, peerId, reason)
        calling.close(reason)
      }
    })
    const calling = new Calling({
      ...this.#init,
      peer,
      outbox,
      wake: () => link.wake(),
      onLeave: () => this.#drain(peer, open)
    })
    const open: OpenLink = { peerId, calling, link, connectionId: undefined }
    this.#links.set(peer, open)
    // Never rejects: a failure ends the link and with it the calls that wait.
    void this.#connect(peer, open)
    return open
  }

  async #connect(peer: string, open: OpenLink): Promise<void> {
    const { clock, leaving, limits, log } = this.#init
    const { link, peerId } = open
    const controller = new AbortController()
    const stop = clock.schedule(limits.openTimeoutMs, () => {
      controller.abort(new Error(`no stream within ${limits.openTimeoutMs} ms`))
    })
    try {
      const [stream, connectionId] = await this.#newStream(peerId, controller.signal)
      this.#failures.delete(peer)
      open.connectionId = connectionId
      link.attach(stream)
      if (leaving.has(connectionId) && this.#links.get(peer) === open) this.#drain(peer, open)
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause))
      log('no stream to %s: %s', peer, error.message)
      this.#remember(peer, peerId, error)
      link.end(error, 'close')
    } finally {
      stop()
    }
  }

  async #newStream(peerId: PeerId, signal: AbortSignal): Promise<[Stream, string]> {
    const { connectionManager, protocol } = this.#init
    let lastError: unknown
    for (let attempt = 0; attempt < fixed.openAttemptsMax; attempt++) {
      const connection =
        this.#usable(peerId)[0] ?? (await connectionManager.openConnection(peerId, { signal }))
      try {
        const stream = await connection.newStream(protocol, {
          signal,
          runOnLimitedConnection: true,
          maxOutboundStreams: fixed.streamsPerConnectionMax
        })
        return [stream, connection.id]
      } catch (error) {
        if (!(error instanceof Error) || signal.aborted) throw error
        lastError = error
        if (closedErrors.has(error.name)) {
          // libp2p goes on handing out such a connection for many seconds, unless it is aborted.
          if (connection.status === 'open') connection.abort(error)
        } else if (cutErrors.has(error.name)) {
          // A connection that ends cuts its streams a moment before its status tells.
          await pause(this.#init.clock, fixed.openRetryMs)
        } else {
          throw error
        }
      }
    }
    throw lastError
  }

  /** Open connections, those without limits first, and those that are about to be closed last. */
  #usable(peerId: PeerId): Connection[] {
    const { leaving } = this.#init
    const open = this.#init.connectionManager
      .getConnections(peerId)
      .filter(({ status }) => status === 'open')
    if (open.length < 2) return open
    const stay = open.filter(({ id }) => !leaving.has(id))
    return [
      ...stay.filter(({ limits }) => limits === undefined),
      ...stay.filter(({ limits }) => limits !== undefined),
      ...open.filter(({ id }) => leaving.has(id))
    ]
  }

  #remember(peer: string, peerId: PeerId, error: Error): void {
    const { clock, limits } = this.#init
    const before = this.#failures.get(peer)
    const pauseMs = Math.min(
      limits.backoffMsMax,
      before === undefined ? limits.backoffMs : 2 * before.pauseMs
    )
    this.#failures.delete(peer)
    this.#failures.set(peer, {
      error,
      pauseMs,
      untilMs: clock.monotonic() + pauseMs,
      connections: new Set(this.#usable(peerId).map(({ id }) => id))
    })
    if (this.#failures.size <= fixed.failuresRememberedMax) return
    // A map iterates in order of insertion: the first is the oldest.
    for (const oldest of this.#failures.keys()) {
      this.#failures.delete(oldest)
      return
    }
  }
}

function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(delayMs, resolve)
  })
}

function parse(peer: string): PeerId {
  try {
    return peerIdFromString(peer)
  } catch (cause) {
    throw new InvalidParametersError(`${peer} is no PeerId`, { cause })
  }
}
