import { PeerUnavailableError } from '@murmuration/interface'
import type { Clock, Rpc } from '@murmuration/interface'
import type { Connection, Logger, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Libp2pParts } from './components.ts'
import { answers, isZombie } from './connection-health.ts'
import type { ObservedConnection } from './core/duplicates.ts'
import { withDeadline } from './deadline.ts'
import { CLOSE_TIMEOUT_MS, LEAVE_TIMEOUT_MS, VERIFY_TIMEOUT_MS } from './defaults.ts'
import type { DiscoveryMetrics } from './metrics.ts'
import { parsePeer, peerOf, usableTargets } from './targets.ts'

/** The connections of one node: looks at them, opens and closes them, decides nothing. */
export class Connections {
  readonly #parts: Libp2pParts
  readonly #rpc: () => Rpc
  readonly #clock: Clock
  readonly #log: Logger
  readonly #metrics: DiscoveryMetrics
  /** Connections that this object is closing; they count as closed. */
  readonly #closing = new Set<string>()
  /** Connections found dead at the last sweep. */
  #suspects = new Set<string>()

  constructor(
    parts: Libp2pParts,
    rpc: () => Rpc,
    clock: Clock,
    log: Logger,
    metrics: DiscoveryMetrics
  ) {
    this.#parts = parts
    this.#rpc = rpc
    this.#clock = clock
    this.#log = log
    this.#metrics = metrics
  }

  /** All open connections by peer. A relayed, limited one counts only where there is no other. */
  observe(): ReadonlyMap<string, readonly ObservedConnection[]> {
    const peers = new Map<string, ObservedConnection[]>()
    const limited = new Map<string, ObservedConnection>()
    for (const connection of this.#open()) {
      const peer = connection.remotePeer.toString()
      const observed = {
        id: connection.id,
        outbound: connection.direction === 'outbound',
        openedAt: connection.timeline.open
      }
      if (connection.limits === undefined) {
        const known = peers.get(peer)
        if (known === undefined) {
          peers.set(peer, [observed])
        } else {
          known.push(observed)
        }
      } else {
        limited.set(peer, observed)
      }
    }
    for (const [peer, observed] of limited) {
      if (!peers.has(peer)) {
        peers.set(peer, [observed])
      }
    }
    return peers
  }

  /**
   * Opens a connection to a known peer, or returns one that is open. Without a usable address
   * libp2p's peer store is asked. Rejects with what libp2p threw, with `PeerUnavailableError` after
   * the timeout, or with `AbortedError`.
   */
  async dial(
    peer: string,
    addresses: readonly string[],
    timeoutMs: number,
    signal?: AbortSignal
  ): Promise<Connection> {
    const id = parsePeer(peer)
    const targets = usableTargets(peer, addresses, this.#log)
    return await this.#openConnection(targets.length > 0 ? targets : id, timeoutMs, signal)
  }

  /** Opens a connection to whoever is at an address; resolves with the PeerId text. */
  async dialAddress(address: Multiaddr, timeoutMs: number, signal?: AbortSignal): Promise<string> {
    const named = peerOf(address)
    const connection = await this.#openConnection(address, timeoutMs, signal)
    const found = connection.remotePeer.toString()
    if (named !== undefined && named !== found) {
      throw new PeerUnavailableError(`${found} answered in place of ${named}`)
    }
    return found
  }

  /** Whether one of the open connections of a peer answers now. Undefined: there is none. */
  async answering(
    peer: string,
    timeoutMs: number,
    signal?: AbortSignal
  ): Promise<boolean | undefined> {
    const open = this.#open(parsePeer(peer))
    const dead = await Promise.all(open.map(isZombie))
    const usable = open.filter((connection, index) => {
      if (dead[index] === true) {
        this.#abortZombie(connection)
      }
      return dead[index] !== true
    })
    if (usable.length === 0) {
      return undefined
    }
    const results = usable.map(async (connection) => {
      if (!(await this.#answers(connection, timeoutMs, signal))) {
        throw new PeerUnavailableError('no answer on this connection')
      }
      return true
    })
    return await Promise.any(results).catch(() => false) // Every connection was silent.
  }

  /**
   * Closes the losers of a duplicate after the survivor has answered; aborts a survivor that does
   * not answer, and then the losers stay.
   */
  async resolve(peer: string, survivorId: string, loserIds: readonly string[]): Promise<void> {
    const open = this.#open(parsePeer(peer))
    const survivor = open.find(({ id }) => id === survivorId)
    if (survivor === undefined) {
      return
    }
    if (!(await this.#answers(survivor, VERIFY_TIMEOUT_MS))) {
      this.#log('the connection %s to %s is dead, its duplicate stays', survivorId, peer)
      this.#metrics.zombies?.increment()
      survivor.abort(new PeerUnavailableError('no answer on a duplicate connection'))
      return
    }
    const losers = open.filter(({ id }) => loserIds.includes(id))
    await Promise.all(losers.map(async (loser) => this.#close(loser)))
  }

  /** Aborts connections that were dead at two sweeps in a row; one may just be closing. */
  async sweep(): Promise<void> {
    const open = this.#open()
    const dead = await Promise.all(open.map(isZombie))
    const suspects = open.filter((_connection, index) => dead[index] === true)
    const before = this.#suspects
    this.#suspects = new Set(suspects.map(({ id }) => id))
    for (const connection of suspects.filter(({ id }) => before.has(id))) {
      this.#abortZombie(connection)
    }
  }

  #open(peer?: PeerId): Connection[] {
    return this.#parts.connectionManager
      .getConnections(peer)
      .filter(({ id, status }) => status === 'open' && !this.#closing.has(id))
  }

  async #openConnection(
    target: PeerId | Multiaddr | Multiaddr[],
    timeoutMs: number,
    signal: AbortSignal | undefined
  ): Promise<Connection> {
    try {
      const connection = await withDeadline(this.#clock, timeoutMs, signal, async (inner) =>
        this.#parts.connectionManager.openConnection(target, { signal: inner })
      )
      this.#metrics.dials?.increment({ connected: true })
      return connection
    } catch (error) {
      this.#metrics.dials?.increment({ failed: true })
      throw error
    }
  }

  async #answers(
    connection: Connection,
    timeoutMs: number,
    signal?: AbortSignal
  ): Promise<boolean> {
    try {
      return await withDeadline(this.#clock, timeoutMs, signal, async (inner) =>
        answers(connection, { signal: inner })
      )
    } catch {
      // Too late or no longer wanted: for the caller that is no answer.
      return false
    }
  }

  async #close(connection: Connection): Promise<void> {
    this.#closing.add(connection.id)
    this.#metrics.duplicates?.increment()
    try {
      // What is under way on it goes on; what begins takes the survivor, at both ends.
      await this.#rpc().leave?.(connection.id, LEAVE_TIMEOUT_MS)
      await withDeadline(this.#clock, CLOSE_TIMEOUT_MS, undefined, async (signal) =>
        connection.close({ signal })
      )
    } catch (error) {
      this.#log('a duplicate connection did not close in time: %e', error)
      connection.abort(new PeerUnavailableError('duplicate connection', { cause: error }))
    } finally {
      this.#closing.delete(connection.id)
    }
  }

  #abortZombie(connection: Connection): void {
    this.#log('aborting a connection to %p that opens no stream', connection.remotePeer)
    this.#metrics.zombies?.increment()
    connection.abort(new PeerUnavailableError('the muxer of this connection is closed'))
  }
}
