import {
  InvalidParametersError,
  NotStartedError,
  PeerUnavailableError
} from '@murmuration/interface'
import type {
  ActionOffer,
  Clock,
  Discovery,
  DiscoveryEvents,
  DiscoveryStrategy,
  FoundPeer,
  OfferedAction,
  PartialAnswer,
  Random,
  Rpc,
  SelectOptions
} from '@murmuration/interface'
import type { AbortOptions, IdentifyResult, Logger } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { TypedEventEmitter } from 'main-event'
import { candidatesAmong } from './candidates.ts'
import { Capabilities } from './capabilities.ts'
import { CapabilityWatch } from './capability-watch.ts'
import type { Offers } from './capabilities.ts'
import type { Libp2pParts } from './components.ts'
import { isHandshakeFailure } from './connection-health.ts'
import { Connections } from './connections.ts'
import { ConnectionKeeper } from './core/keeper.ts'
import type { KeeperAction } from './core/keeper.ts'
import { capablePeers, mergeOffers } from './core/offers.ts'
import { KEPT_PEERS_MAX, SWEEP_MS } from './defaults.ts'
import { registerMetrics } from './metrics.ts'
import { PeerSelection } from './peer-selection.ts'
import { PeerTags } from './peer-tags.ts'
import type { ProbeResult, Prober } from './prober.ts'
import { Reach } from './reach.ts'
import { number } from './settings.ts'
import type { Settings } from './settings.ts'
import { strategyHost } from './strategy-host.ts'
import { parseAddress, parsePeer, usableTargets } from './targets.ts'

const watchedEvents = [
  'connection:open',
  'connection:close',
  'peer:connect',
  'peer:disconnect'
] as const

/** What {@link DefaultDiscovery} is made of, with all defaults filled in. */
export interface DiscoveryParts {
  readonly libp2p: Libp2pParts
  readonly rpc: () => Rpc
  readonly clock: Clock
  readonly random: Random
  readonly settings: Settings
}

/**
 * The shell around the keeper: turns events and timers into turns of `#pump`, and the keeper's
 * decisions into dials and closes.
 */
export class DefaultDiscovery
  extends TypedEventEmitter<DiscoveryEvents>
  implements Discovery, Prober
{
  readonly #parts: DiscoveryParts
  readonly #self: string
  readonly #log: Logger
  readonly #keeper: ConnectionKeeper
  readonly #connections: Connections
  readonly #capabilities: Capabilities
  readonly #watch: CapabilityWatch
  readonly #selection: PeerSelection
  readonly #reach: Reach
  readonly #tags: PeerTags
  readonly #strategies: readonly DiscoveryStrategy[]
  /** One per start; its signal ends everything in flight when this peer stops. */
  #running: AbortController | undefined
  #cancelPump: (() => void) | undefined
  #isPumpSoon = false
  #cancelSweep: (() => void) | undefined

  constructor(parts: DiscoveryParts) {
    super()
    const { libp2p, clock, random, settings } = parts
    this.#parts = parts
    this.#self = libp2p.peerId.toString()
    this.#log = libp2p.logger.forComponent('murmuration:discovery')
    this.#keeper = new ConnectionKeeper(this.#self, random, settings.keeper)
    const metrics = registerMetrics(libp2p.metrics, {
      connected: () => this.#keeper.connected().length,
      known: () => this.#keeper.size
    })
    this.#connections = new Connections(libp2p, parts.rpc, clock, this.#log, metrics)
    const asking = { self: this.#self, rpc: parts.rpc, clock, random, log: this.#log }
    this.#capabilities = new Capabilities({ ...asking, metrics })
    this.#selection = new PeerSelection(asking)
    this.#watch = new CapabilityWatch({
      ...asking,
      capabilities: this.#capabilities,
      connected: () => this.#keeper.connected(),
      emit: (detail) => this.safeDispatchEvent('capabilities', { detail })
    })
    this.#reach = new Reach({
      self: this.#self,
      keeper: this.#keeper,
      connections: this.#connections,
      clock,
      settings,
      log: this.#log,
      events: this,
      observe: () => this.#observe()
    })
    this.#tags = new PeerTags(libp2p.peerStore, this.#log)
    const components = strategyHost(parts, {
      connected: () => this.#keeper.connected(),
      dial: async (address, options) => {
        const target = parseAddress(address)
        if (target === undefined || this.#running === undefined) {
          throw new PeerUnavailableError(`cannot dial ${address}`)
        }
        return await this.#connections.dialAddress(target, settings.dialTimeoutMs, options?.signal)
      }
    })
    this.#strategies = settings.strategies.map((strategy) =>
      typeof strategy === 'function' ? strategy(components) : strategy
    )
  }

  async start(): Promise<void> {
    if (this.#running !== undefined) {
      return
    }
    const running = new AbortController()
    this.#running = running
    this.#capabilities.start()
    this.#watch.start()
    this.#selection.start()
    for (const type of watchedEvents) {
      this.#parts.libp2p.events.addEventListener(type, this.#onChange)
    }
    this.#parts.libp2p.events.addEventListener('peer:identify', this.#onIdentify)
    this.#keeper.reset(this.#parts.clock.monotonic())
    this.#pump()
    this.#planSweep(running)
    for (const strategy of this.#strategies) {
      try {
        await strategy.start((hint) => this.#found(strategy.name, hint))
      } catch (error) {
        // One way to find peers that does not work here must not stop the others.
        this.#log.error('strategy %s did not start: %e', strategy.name, error)
      }
    }
  }

  async stop(): Promise<void> {
    const running = this.#running
    if (running === undefined) {
      return
    }
    this.#running = undefined
    running.abort(new NotStartedError('discovery was stopped'))
    for (const type of watchedEvents) {
      this.#parts.libp2p.events.removeEventListener(type, this.#onChange)
    }
    this.#parts.libp2p.events.removeEventListener('peer:identify', this.#onIdentify)
    this.#cancelPump?.()
    this.#cancelSweep?.()
    this.#isPumpSoon = false
    this.#capabilities.stop()
    this.#watch.stop()
    this.#selection.stop()
    for (const strategy of this.#strategies) {
      try {
        await strategy.stop()
      } catch (error) {
        this.#log.error('strategy %s did not stop: %e', strategy.name, error)
      }
    }
  }

  connected(): readonly string[] {
    return this.#keeper.connected()
  }

  keep(peers: readonly FoundPeer[]): void {
    if (peers.length > KEPT_PEERS_MAX) {
      throw new InvalidParametersError(`at most ${KEPT_PEERS_MAX} peers can be kept`)
    }
    const targets = new Map<string, readonly Multiaddr[]>()
    for (const { peer, addresses } of peers) {
      parsePeer(peer)
      if (peer !== this.#self) {
        targets.set(peer, this.#usable(peer, addresses))
      }
    }
    const kept = [...targets].map(([peer, addresses]) => ({
      peer,
      addresses: addresses.map(String)
    }))
    this.#keeper.keep(kept, this.#parts.clock.monotonic())
    this.#tags.keep(targets)
    this.#pumpSoon()
  }

  async connect(peer: FoundPeer, options: AbortOptions = {}): Promise<void> {
    await this.#reach.connect(peer, this.#started(options.signal))
  }

  async probe(peer: string, options: AbortOptions = {}): Promise<ProbeResult> {
    parsePeer(peer)
    return this.#running === undefined
      ? 'unknown'
      : await this.#reach.probe(peer, this.#started(options.signal))
  }

  offer(actions: readonly OfferedAction[], labels: Readonly<Record<string, string>> = {}): void {
    this.#capabilities.offer(actions, labels)
    this.#watch.tellSoon()
  }

  async actions(
    options: AbortOptions & { readonly timeoutMs?: number } = {}
  ): Promise<PartialAnswer<ActionOffer>> {
    const { offers, silent } = await this.#ask(options)
    return { answers: mergeOffers(offers), silent }
  }

  async findCapablePeers(
    actions: readonly string[],
    options: AbortOptions & {
      readonly labels?: Readonly<Record<string, string>>
      readonly timeoutMs?: number
    } = {}
  ): Promise<PartialAnswer<string>> {
    const { offers, silent } = await this.#ask(options)
    return { answers: capablePeers(offers, actions, options.labels ?? {}), silent }
  }

  reportLoad(load: number): void {
    this.#selection.report(load)
  }

  async selectPeer(options: SelectOptions = {}): Promise<string> {
    const signal = this.#started(options.signal)
    const timeoutMs = this.#askTimeout(options.timeoutMs)
    const sources = { self: this.#self, capabilities: this.#capabilities, watch: this.#watch }
    const connected = this.#keeper.connected()
    const capable = await candidatesAmong(connected, sources, options, timeoutMs, signal)
    return await this.#selection.select(capable, timeoutMs, signal)
  }

  #askTimeout(timeoutMs: number | undefined): number {
    return number('timeoutMs', timeoutMs ?? this.#parts.settings.askTimeoutMs, 1)
  }

  async #ask(options: AbortOptions & { readonly timeoutMs?: number }): Promise<Offers> {
    const signal = this.#started(options.signal)
    const timeoutMs = this.#askTimeout(options.timeoutMs)
    const connected = this.#keeper.connected()
    // A member without a connection is named at once; waiting for a dial would hold up the others.
    const away = this.#keeper.kept().filter((peer) => !this.#keeper.isConnected(peer))
    const { offers, silent } = await this.#capabilities.ask(connected, timeoutMs, signal)
    return { offers, silent: [...silent, ...away].toSorted() }
  }

  /** A signal that fires when the caller's does or when this peer stops. */
  #started(signal: AbortSignal | undefined): AbortSignal {
    if (this.#running === undefined) {
      throw new NotStartedError('discovery is not started')
    }
    return AbortSignal.any([this.#running.signal, ...(signal === undefined ? [] : [signal])])
  }

  readonly #onChange = (): void => this.#pumpSoon()

  /** A peer tells its own addresses over its own connection; still only a hint where others say more. */
  readonly #onIdentify = (event: CustomEvent<IdentifyResult>): void => {
    const { peerId, listenAddrs } = event.detail
    const peer = peerId.toString()
    const addresses = this.#usable(peer, listenAddrs.map(String))
    this.#keeper.found({ peer, addresses: addresses.map(String) }, this.#parts.clock.monotonic())
  }

  #found(strategy: string, hint: FoundPeer): void {
    if (this.#running === undefined) {
      return
    }
    try {
      parsePeer(hint.peer)
    } catch (error) {
      this.#log('strategy %s found something that is no peer: %e', strategy, error)
      return
    }
    const addresses = this.#usable(hint.peer, hint.addresses).map(String)
    const detail = { peer: hint.peer, addresses }
    if (this.#keeper.found(detail, this.#parts.clock.monotonic())) {
      this.safeDispatchEvent('found', { detail })
    }
    this.#pumpSoon()
  }

  #usable(peer: string, addresses: readonly string[]): readonly Multiaddr[] {
    return usableTargets(peer, addresses, this.#log)
  }

  #pumpSoon(): void {
    if (this.#running !== undefined && !this.#isPumpSoon) {
      this.#isPumpSoon = true
      this.#planPump(0)
    }
  }

  #planPump(delayMs: number): void {
    this.#cancelPump?.()
    this.#cancelPump = this.#parts.clock.schedule(delayMs, () => {
      this.#isPumpSoon = false
      this.#pump()
    })
  }

  /** One turn: look, decide, act, and plan the next turn. */
  #pump(): void {
    if (this.#running === undefined) {
      return
    }
    this.#observe()
    const now = this.#parts.clock.monotonic()
    for (const action of this.#keeper.step(now)) {
      void this.#perform(action, this.#running)
    }
    const next = this.#keeper.nextAt()
    if (next !== undefined && !this.#isPumpSoon) {
      this.#planPump(Math.max(0, next - now))
    }
  }

  #observe(): void {
    const open = this.#connections.observe()
    const change = this.#keeper.observe(open, this.#parts.clock.monotonic())
    for (const peer of change.disconnected) {
      this.#watch.disconnected(peer)
      this.safeDispatchEvent('disconnected', { detail: { peer } })
    }
    for (const peer of change.connected) {
      this.#watch.connected(peer)
      this.safeDispatchEvent('connected', { detail: { peer } })
    }
    if (change.connected.length + change.disconnected.length > 0) {
      this.#pumpSoon()
    }
  }

  async #perform(action: KeeperAction, running: AbortController): Promise<void> {
    const { peer } = action
    let isHandshake = false
    try {
      if (action.type === 'resolve') {
        await this.#connections.resolve(peer, action.survivor, action.losers)
      } else {
        const { dialTimeoutMs } = this.#parts.settings
        await this.#connections.dial(peer, action.addresses, dialTimeoutMs, running.signal)
      }
    } catch (error) {
      isHandshake = isHandshakeFailure(error)
      this.#log('%s of %s failed: %e', action.type, peer, error)
    }
    if (this.#running !== running) {
      return
    }
    this.#observe()
    if (action.type === 'dial') {
      this.#keeper.dialEnded(peer, this.#parts.clock.monotonic(), isHandshake)
    }
    this.#pumpSoon()
  }

  #planSweep(running: AbortController): void {
    this.#cancelSweep = this.#parts.clock.schedule(SWEEP_MS, () => void this.#sweep(running))
  }

  async #sweep(running: AbortController): Promise<void> {
    await this.#connections.sweep()
    if (this.#running === running) {
      this.#pumpSoon()
      this.#planSweep(running)
    }
  }
}
