import { InvalidParametersError } from '@murmuration/interface'
import type { DiscoveryStrategy, FoundPeer } from '@murmuration/interface'
import type { Logger } from '@libp2p/interface'
import type { StrategyComponents } from '../components.ts'
import { backoffMs } from '../core/backoff.ts'
import {
  ANSWERED_TTL_MS,
  BACKOFF_BASE_MS,
  BACKOFF_MAX_MS,
  LIST_CHECK_MS,
  LIST_REFRESH_MS,
  LISTED_ADDRESSES_MAX
} from '../defaults.ts'
import { number } from '../settings.ts'
import { parseAddress, parsePeer, peerOf } from '../targets.ts'

/** Times of a strategy that has a list of addresses. */
export interface ListedInit {
  /** Highest ceiling of the back-off between attempts, in ms. @default 10000 */
  readonly backoffMaxMs?: number
  /** How often the list is read and dialled again while connected, in ms. @default 60000 */
  readonly refreshMs?: number
}

/** Where the addresses come from. */
export interface AddressList {
  readonly name: string
  /** The addresses now, as multiaddr texts. What it throws is logged, and the last list stays. */
  read(signal: AbortSignal): Promise<readonly string[]> | readonly string[]
  /** Tells of changes as they happen; the result ends that. */
  watch?(changed: () => void): () => void
}

interface ListedTimes {
  readonly backoffMaxMs: number
  readonly refreshMs: number
}

/** Fills in defaults; `InvalidParametersError` names the option that is wrong. */
export function timesOf(init: ListedInit, refreshMs: number = LIST_REFRESH_MS): ListedTimes {
  return {
    backoffMaxMs: number('backoffMaxMs', init.backoffMaxMs ?? BACKOFF_MAX_MS, BACKOFF_BASE_MS),
    refreshMs: number('refreshMs', init.refreshMs ?? refreshMs, LIST_CHECK_MS)
  }
}

/** An address of a list, and whom it names; undefined for a text that cannot be dialled. */
interface ListedAddress {
  readonly text: string
  /** Undefined where the text does not say. */
  readonly peer: string | undefined
}

function listedAddress(text: string): ListedAddress | undefined {
  const parsed = parseAddress(text)
  if (parsed === undefined) {
    return undefined
  }
  const peer = peerOf(parsed)
  try {
    return { text, peer: peer === undefined ? undefined : parsePeer(peer).toString() }
  } catch (error) {
    if (error instanceof InvalidParametersError) {
      return undefined
    }
    throw error
  }
}

/**
 * Dials the addresses of a list until this peer has a connection, with full jitter from 100 ms to
 * `backoffMaxMs`; starts again when it has none any more. An address that is being dialled holds up
 * neither the others nor a change of the list: one that swallows packets takes many seconds. Each `refreshMs`, and when the list says
 * that it changed, it is read again and those that are not connected are dialled, so that parts of a
 * cluster that started apart meet, and an address that was dead is tried again. An address that
 * leaves the list is dialled no more, a dial under way ends; connections are never closed here.
 */
export class ListedAddresses implements DiscoveryStrategy {
  readonly name: string
  readonly #components: StrategyComponents
  readonly #log: Logger
  readonly #list: AddressList
  readonly #times: ListedTimes
  /** Who answered last at an address without a PeerId, and when. */
  #answered = new Map<string, { readonly peer: string; readonly at: number }>()
  #listed: readonly ListedAddress[] = []
  /** Dials under way, of addresses in the list. */
  readonly #dialling = new Map<string, AbortController>()
  #running: AbortController | undefined
  #cancel: (() => void) | undefined
  #unwatch: (() => void) | undefined
  #isReading = false
  /** The list changed while it was read. */
  #isStale = false
  #failures = 0
  #refreshAt = 0

  constructor(components: StrategyComponents, list: AddressList, times: ListedTimes) {
    this.name = list.name
    this.#components = components
    this.#log = components.logger.forComponent(`murmuration:discovery:${list.name}`)
    this.#list = list
    this.#times = times
  }

  start(found: (peer: FoundPeer) => void): void {
    const running = new AbortController()
    this.#running = running
    this.#failures = 0
    this.#isReading = false
    this.#dialling.clear()
    this.#unwatch = this.#list.watch?.(() => {
      this.#failures = 0
      if (this.#isReading) {
        this.#isStale = true
      } else {
        void this.#round(found, running.signal)
      }
    })
    void this.#round(found, running.signal)
  }

  stop(): void {
    this.#running?.abort()
    this.#running = undefined
    this.#cancel?.()
    this.#unwatch?.()
  }

  /** Reads the list and begins to dial what is missing, then plans the next look. */
  async #round(found: (peer: FoundPeer) => void, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#components
    this.#cancel?.()
    this.#isReading = true
    this.#isStale = false
    this.#refreshAt = clock.monotonic() + this.#times.refreshMs * (0.5 + random.next())
    await this.#read(signal)
    if (signal.aborted) {
      return
    }
    this.#isReading = false
    if (this.#isStale) {
      void this.#round(found, signal)
      return
    }
    for (const one of this.#listed) {
      void this.#dial(one, found, signal)
    }
    this.#wait(found, signal)
  }

  /** In back-off without a connection, else until there is none or the list is due to be read again. */
  #wait(found: (peer: FoundPeer) => void, signal: AbortSignal): void {
    const { clock, random } = this.#components
    const isAlone = (): boolean => this.#components.connected().length === 0
    let delay = LIST_CHECK_MS
    if (isAlone()) {
      const range = { baseMs: BACKOFF_BASE_MS, maxMs: this.#times.backoffMaxMs }
      delay = backoffMs(this.#failures++, range, random)
    } else {
      this.#failures = 0
    }
    this.#cancel = clock.schedule(delay, () => {
      if (isAlone() || clock.monotonic() >= this.#refreshAt) {
        void this.#round(found, signal)
      } else {
        this.#wait(found, signal)
      }
    })
  }

  async #read(signal: AbortSignal): Promise<void> {
    let texts: readonly string[]
    try {
      texts = await this.#list.read(signal)
    } catch (error) {
      this.#log('the list cannot be read now, the last one stays: %e', error)
      return
    }
    if (texts.length > LISTED_ADDRESSES_MAX) {
      this.#log('%d of %d addresses are used', LISTED_ADDRESSES_MAX, texts.length)
    }
    this.#listed = [...new Set(texts)].slice(0, LISTED_ADDRESSES_MAX).flatMap((text) => {
      const listed = listedAddress(text)
      if (listed === undefined) {
        this.#log('left out, no multiaddr: %s', text)
      }
      return listed ?? []
    })
    const present = new Set(this.#listed.map(({ text }) => text))
    this.#answered = new Map([...this.#answered].filter(([text]) => present.has(text)))
    for (const [text, dialling] of this.#dialling) {
      if (!present.has(text)) {
        dialling.abort()
      }
    }
  }

  /** Who is expected at an address; forgotten after a while, because addresses change hands. */
  #expected({ text, peer }: ListedAddress): string | undefined {
    const answered = this.#answered.get(text)
    const isFresh =
      answered !== undefined && this.#components.clock.monotonic() - answered.at < ANSWERED_TTL_MS
    return peer ?? (isFresh ? answered.peer : undefined)
  }

  async #dial(
    listed: ListedAddress,
    found: (peer: FoundPeer) => void,
    signal: AbortSignal
  ): Promise<void> {
    const { text, peer } = listed
    const { peer: self, clock } = this.#components
    const expected = this.#expected(listed)
    if (
      this.#dialling.has(text) ||
      expected === self ||
      (expected !== undefined && this.#components.connected().includes(expected))
    ) {
      return
    }
    if (peer !== undefined) {
      found({ peer, addresses: [text] })
    }
    const dialling = new AbortController()
    this.#dialling.set(text, dialling)
    try {
      const ended = AbortSignal.any([signal, dialling.signal])
      const answered = await this.#components.dial(text, { signal: ended })
      this.#answered.set(text, { peer: answered, at: clock.monotonic() })
      found({ peer: answered, addresses: [text] })
    } catch (error) {
      if (error instanceof Error && error.name === 'InvalidPeerIdError') {
        // libp2p refuses to dial itself: this address of the list is our own.
        this.#answered.set(text, { peer: self, at: clock.monotonic() })
      }
      this.#log('nobody at %s: %e', text, error)
    } finally {
      // After a stop and a start the address may be dialled anew.
      if (this.#dialling.get(text) === dialling) {
        this.#dialling.delete(text)
      }
    }
  }
}
