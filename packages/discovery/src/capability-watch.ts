import { message } from '@murmuration/codec'
import type { Clock, DiscoveryEvents, Rpc } from '@murmuration/interface'
import type { Logger } from '@libp2p/interface'
import type { Capabilities } from './capabilities.ts'
import { areEqualLabels, namesChanged, namesMissing } from './core/offers.ts'
import type { PeerOffer } from './core/offers.ts'
import { ASK_TIMEOUT_MS, OFFER_SETTLE_MS } from './defaults.ts'

/** The RPC method by which a peer says that its offer is another one now. */
const CHANGED_METHOD = 'discovery.changed'

const Changed = message({})

export interface CapabilityWatchComponents {
  readonly rpc: () => Rpc
  readonly clock: Clock
  readonly log: Logger
  readonly capabilities: Capabilities
  connected(): readonly string[]
  emit(change: DiscoveryEvents['capabilities']['detail']): void
}

/**
 * Knows what connected peers offer, as it changes: a peer tells the others that its offer changed,
 * and each asks for it, at most every 250 ms for each peer. What was missed is made good by the
 * question after the next connection.
 */
export class CapabilityWatch {
  readonly #components: CapabilityWatchComponents
  readonly #known = new Map<string, PeerOffer>()
  /** Peers to be asked at the next turn. */
  readonly #stale = new Set<string>()
  #running: AbortController | undefined
  #cancelTurn: (() => void) | undefined
  #cancelTelling: (() => void) | undefined

  constructor(components: CapabilityWatchComponents) {
    this.#components = components
  }

  start(): void {
    this.#running = new AbortController()
    this.#components.rpc().handle(CHANGED_METHOD, (request, { peer }) => {
      Changed.decode(request)
      this.#askSoon(peer)
      return Changed.encode({})
    })
  }

  stop(): void {
    this.#running?.abort()
    this.#running = undefined
    this.#cancelTurn?.()
    this.#cancelTurn = undefined
    this.#cancelTelling?.()
    this.#cancelTelling = undefined
    this.#stale.clear()
    this.#known.clear()
    this.#components.rpc().unhandle(CHANGED_METHOD)
  }

  /** What a connected peer offers, as far as it is known. */
  offerOf(peer: string): PeerOffer | undefined {
    return this.#known.get(peer)
  }

  connected(peer: string): void {
    this.#askSoon(peer)
  }

  disconnected(peer: string): void {
    this.#stale.delete(peer)
    this.#learn({ peer, labels: {}, actions: [] })
    this.#known.delete(peer)
  }

  /** The own offer changed: several changes of a start are told of once. */
  tellSoon(): void {
    this.#cancelTelling ??= this.#components.clock.schedule(OFFER_SETTLE_MS, () => {
      this.#cancelTelling = undefined
      const signal = this.#running?.signal
      if (signal !== undefined) {
        void this.#tell(signal)
      }
    })
  }

  async #tell(signal: AbortSignal): Promise<void> {
    const { rpc, log } = this.#components
    const options = { timeoutMs: ASK_TIMEOUT_MS, signal }
    await Promise.all(
      this.#components.connected().map(async (peer) => {
        try {
          await rpc().call(peer, CHANGED_METHOD, Changed.encode({}), options)
        } catch (error) {
          // It asks again when it connects anew, or is asked a question of its own.
          log('%s was not told of the new offer: %e', peer, error)
        }
      })
    )
  }

  #askSoon(peer: string): void {
    if (this.#running === undefined || !this.#components.connected().includes(peer)) {
      return
    }
    this.#stale.add(peer)
    this.#cancelTurn ??= this.#components.clock.schedule(OFFER_SETTLE_MS, () => {
      this.#cancelTurn = undefined
      const signal = this.#running?.signal
      if (signal !== undefined) {
        void this.#turn(signal)
      }
    })
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const peers = [...this.#stale]
    this.#stale.clear()
    const { capabilities, log } = this.#components
    try {
      const { offers, silent } = await capabilities.ask(peers, ASK_TIMEOUT_MS, signal)
      const connected = new Set(this.#components.connected())
      for (const offer of offers) {
        if (connected.has(offer.peer)) {
          this.#learn(offer)
        }
      }
      for (const peer of silent) {
        this.#askSoon(peer)
      }
    } catch (error) {
      log('asking for changed offers ended: %e', error)
    }
  }

  #learn(offer: PeerOffer): void {
    const { peer, actions, labels } = offer
    const before = this.#known.get(peer) ?? { actions: [], labels: {} }
    this.#known.set(peer, offer)
    const added = namesMissing(actions, before.actions)
    const removed = namesMissing(before.actions, actions)
    const changed = namesChanged(actions, before.actions)
    const relabelled = !areEqualLabels(labels, before.labels)
    if (added.length + removed.length + changed.length > 0 || relabelled) {
      this.#components.emit({ peer, added, removed, changed, relabelled })
    }
  }
}
