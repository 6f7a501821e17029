import { InvalidParametersError } from '@murmuration/interface'
import type { DiscoveryStrategy, FoundPeer } from '@murmuration/interface'
import type { Logger } from '@libp2p/interface'
import type { StrategyComponents, StrategyFactory } from '../components.ts'
import { backoffMs } from '../core/backoff.ts'
import {
  BACKOFF_BASE_MS,
  BACKOFF_MAX_MS,
  BOOTSTRAP_ADDRESSES_MAX,
  BOOTSTRAP_CHECK_MS,
  BOOTSTRAP_REFRESH_MS
} from '../defaults.ts'
import { number } from '../settings.ts'
import { parseAddress, parsePeer, peerOf } from '../targets.ts'

/** Options of {@link bootstrap}. */
export interface BootstrapInit {
  /** Multiaddr texts, with or without `/p2p/<PeerId>` at the end; may name this peer itself. */
  readonly addresses: readonly string[]
  /** Highest ceiling of the back-off between attempts, in ms. @default 10000 */
  readonly backoffMaxMs?: number
  /** How often the list is dialled again while connected, in ms. @default 60000 */
  readonly refreshMs?: number
}

/**
 * Dials the listed addresses until this peer has a connection, with full jitter from 100 ms to
 * `backoffMaxMs`; starts again when it has none any more. Once a minute it dials those of the list
 * that are not connected, so that parts of a cluster that started apart meet.
 *
 * Throws `InvalidParametersError` for an empty list, too long a list or a text that is no multiaddr.
 */
export function bootstrap(init: BootstrapInit): StrategyFactory {
  const { addresses } = init
  if (addresses.length === 0 || addresses.length > BOOTSTRAP_ADDRESSES_MAX) {
    throw new InvalidParametersError(`bootstrap needs 1 to ${BOOTSTRAP_ADDRESSES_MAX} addresses`)
  }
  const listed = addresses.map((text) => {
    const parsed = parseAddress(text)
    if (parsed === undefined) {
      throw new InvalidParametersError(`not a multiaddr: ${text}`)
    }
    const peer = peerOf(parsed)
    return { text, peer: peer === undefined ? undefined : parsePeer(peer).toString() }
  })
  const settings = {
    backoffMaxMs: number('backoffMaxMs', init.backoffMaxMs ?? BACKOFF_MAX_MS, BACKOFF_BASE_MS),
    refreshMs: number('refreshMs', init.refreshMs ?? BOOTSTRAP_REFRESH_MS, BOOTSTRAP_CHECK_MS)
  }
  return (components) => new Bootstrap(components, listed, settings)
}

interface ListedAddress {
  readonly text: string
  /** Undefined where the text does not say. */
  readonly peer: string | undefined
}

class Bootstrap implements DiscoveryStrategy {
  readonly name = 'bootstrap'
  readonly #components: StrategyComponents
  readonly #log: Logger
  readonly #listed: readonly ListedAddress[]
  readonly #settings: { readonly backoffMaxMs: number; readonly refreshMs: number }
  /** Who answered last at an address without a PeerId. */
  readonly #answered = new Map<string, string>()
  #running: AbortController | undefined
  #cancel: (() => void) | undefined
  #failures = 0
  #refreshAt = 0

  constructor(
    components: StrategyComponents,
    listed: readonly ListedAddress[],
    settings: { readonly backoffMaxMs: number; readonly refreshMs: number }
  ) {
    this.#components = components
    this.#log = components.logger.forComponent('murmuration:discovery:bootstrap')
    this.#listed = listed
    this.#settings = settings
  }

  start(found: (peer: FoundPeer) => void): void {
    const running = new AbortController()
    this.#running = running
    this.#failures = 0
    void this.#round(found, running.signal)
  }

  stop(): void {
    this.#running?.abort()
    this.#running = undefined
    this.#cancel?.()
  }

  /** Dials what is missing, then waits: in back-off without a connection, else for the refresh. */
  async #round(found: (peer: FoundPeer) => void, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#components
    this.#refreshAt = clock.monotonic() + this.#settings.refreshMs * (0.5 + random.next())
    await Promise.all(this.#listed.map(async (one) => this.#dial(one, found, signal)))
    if (signal.aborted) {
      return
    }
    if (this.#components.connected().length > 0) {
      this.#failures = 0
      this.#watch(found, signal)
      return
    }
    const range = { baseMs: BACKOFF_BASE_MS, maxMs: this.#settings.backoffMaxMs }
    const delay = backoffMs(this.#failures++, range, random)
    this.#cancel = clock.schedule(delay, () => void this.#round(found, signal))
  }

  #watch(found: (peer: FoundPeer) => void, signal: AbortSignal): void {
    const { clock } = this.#components
    this.#cancel = clock.schedule(BOOTSTRAP_CHECK_MS, () => {
      if (this.#components.connected().length === 0 || clock.monotonic() >= this.#refreshAt) {
        void this.#round(found, signal)
      } else {
        this.#watch(found, signal)
      }
    })
  }

  async #dial(
    { text, peer }: ListedAddress,
    found: (peer: FoundPeer) => void,
    signal: AbortSignal
  ): Promise<void> {
    const self = this.#components.peer
    const expected = peer ?? this.#answered.get(text)
    if (
      expected === self ||
      (expected !== undefined && this.#components.connected().includes(expected))
    ) {
      return
    }
    if (peer !== undefined) {
      found({ peer, addresses: [text] })
    }
    try {
      const answered = await this.#components.dial(text, { signal })
      this.#answered.set(text, answered)
      found({ peer: answered, addresses: [text] })
    } catch (error) {
      if (error instanceof Error && error.name === 'InvalidPeerIdError') {
        // libp2p refuses to dial itself: this address of the list is our own.
        this.#answered.set(text, self)
      }
      this.#log('nobody at %s: %e', text, error)
    }
  }
}
