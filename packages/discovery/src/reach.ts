import { AbortedError, InvalidParametersError, PeerUnavailableError } from '@murmuration/interface'
import type { Clock, DiscoveryEvents, FoundPeer } from '@murmuration/interface'
import type { Logger } from '@libp2p/interface'
import type { TypedEventTarget } from 'main-event'
import { isRefused } from './connection-health.ts'
import type { Connections } from './connections.ts'
import type { ConnectionKeeper } from './core/keeper.ts'
import { pause, withDeadline } from './deadline.ts'
import { ADDRESSES_MAX, PROBE_DIALS_MAX, PROBE_PAUSE_MS } from './defaults.ts'
import type { ProbeResult } from './prober.ts'
import type { Settings } from './settings.ts'
import { parsePeer, usableTargets } from './targets.ts'

export interface ReachParts {
  readonly self: string
  readonly keeper: ConnectionKeeper
  readonly connections: Connections
  readonly clock: Clock
  readonly settings: Settings
  readonly log: Logger
  readonly events: TypedEventTarget<DiscoveryEvents>
  /** Brings the keeper up to date with the connections there are. */
  readonly observe: () => void
}

/** Reaching one peer now, because somebody waits for it; the keeper has more patience. */
export class Reach {
  readonly #parts: ReachParts

  constructor(parts: ReachParts) {
    this.#parts = parts
  }

  /** See `Discovery.connect`. */
  async connect(target: FoundPeer, signal: AbortSignal): Promise<void> {
    const { self, keeper, connections, clock, settings, log, observe } = this.#parts
    const peer = parsePeer(target.peer).toString()
    if (peer === self) {
      throw new InvalidParametersError('a peer cannot connect to itself')
    }
    const given = usableTargets(peer, target.addresses, log).map(String)
    const known = keeper.addressesOf(peer).addresses
    const addresses = [...new Set([...given, ...known])].slice(0, ADDRESSES_MAX)
    const waiting = new AbortController()
    try {
      await withDeadline(clock, settings.connectTimeoutMs, signal, async (inner) => {
        observe()
        if (!keeper.isConnected(peer)) {
          const dial = connections.dial(peer, addresses, settings.connectTimeoutMs, inner)
          // The peer may be faster with its own dial.
          await Promise.race([dial, this.#untilConnected(peer, waiting.signal)])
        }
      })
      observe()
    } catch (error) {
      observe()
      this.#throwUnlessConnected(peer, error)
    } finally {
      waiting.abort()
    }
  }

  /** See `Prober.probe`. */
  async probe(peer: string, signal: AbortSignal): Promise<ProbeResult> {
    const { self, clock, settings, log, observe } = this.#parts
    if (peer === self) {
      return 'alive'
    }
    try {
      return await withDeadline(clock, settings.probeTimeoutMs, signal, async (inner) =>
        this.#probeWithin(peer, inner)
      )
    } catch (error) {
      // Out of time or stopped: nothing is known, and that is what the caller hears.
      log('probe of %s ended without an answer: %e', peer, error)
      return 'unknown'
    } finally {
      observe()
    }
  }

  async #probeWithin(peer: string, signal: AbortSignal): Promise<ProbeResult> {
    const { keeper, connections, clock, settings, log } = this.#parts
    const isAnswering = await connections.answering(peer, settings.probeTimeoutMs, signal)
    if (isAnswering !== undefined) {
      return isAnswering ? 'alive' : 'unknown'
    }
    // A forged hint must not be able to say that a kept peer is gone.
    const isTrusted = (): boolean => keeper.addressesOf(peer).kept || !keeper.kept().includes(peer)
    for (let dials = 0; dials < PROBE_DIALS_MAX; dials++) {
      await pause(clock, dials === 0 ? 0 : PROBE_PAUSE_MS * 2 ** (dials - 1), signal)
      try {
        const { addresses } = keeper.addressesOf(peer)
        await connections.dial(peer, addresses, settings.probeTimeoutMs, signal)
        return 'alive'
      } catch (error) {
        log('probe of %s: %e', peer, error)
        if (isRefused(error)) {
          return isTrusted() ? 'refused' : 'unknown'
        }
        // A process that is being killed closes its connections before it stops to listen, and
        // for some milliseconds a dial is accepted and then reset.
      }
    }
    return 'unknown'
  }

  async #untilConnected(peer: string, signal: AbortSignal): Promise<void> {
    const { events } = this.#parts
    await new Promise<void>((resolve) => {
      const onConnected = ({ detail }: DiscoveryEvents['connected']): void => {
        if (detail.peer === peer) {
          resolve()
        }
      }
      events.addEventListener('connected', onConnected, { signal })
    })
  }

  #throwUnlessConnected(peer: string, error: unknown): void {
    if (this.#parts.keeper.isConnected(peer)) {
      return
    }
    if (error instanceof AbortedError || error instanceof PeerUnavailableError) {
      throw error
    }
    throw new PeerUnavailableError(`no connection to ${peer}`, { cause: error })
  }
}
