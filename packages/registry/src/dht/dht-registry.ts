import { TypedEventEmitter } from 'main-event'
import type { AbortOptions } from '@libp2p/interface'
import type {
  AgentDescriptor,
  ClaimResult,
  Clock,
  FindResult,
  Random,
  Registration,
  Registry,
  RegistryChange,
  RegistryEvents
} from '@murmuration/interface'
import { systemClock, systemRandom } from '@murmuration/system'
import { weigh } from '../core/location-record.ts'
import type { Location, LocationBody } from '../core/location-record.ts'
import { defaults } from '../defaults.ts'
import { describeAgent } from '../describe.ts'
import { watchChanges } from '../watching.ts'
import type { DhtRegistryComponents, DhtRegistryInit } from '../index.ts'
import { keyOf, LocationWriter } from './location-codec.ts'
import { Walks } from './walks.ts'
import type { Stored } from './walks.ts'

/** An agent that this peer holds the location of. */
interface Own {
  readonly agent: Registration
  readonly term: number
  sequence: number
}

interface Cached {
  readonly location: Location | undefined
  readonly untilMs: number
}

export class DhtRegistry extends TypedEventEmitter<RegistryEvents> implements Registry {
  readonly #walks: Walks
  readonly #writer: LocationWriter
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: DhtRegistryComponents['log']
  readonly #ttlMs: number
  readonly #copiesMin: number
  readonly #own = new Map<string, Own>()
  readonly #cache = new Map<string, Cached>()
  #stopping = new AbortController()
  #cancel: (() => void) | undefined

  constructor(components: DhtRegistryComponents, init: DhtRegistryInit) {
    super()
    this.#clock = components.clock ?? systemClock
    this.#random = components.random ?? systemRandom
    this.#log = components.log
    this.#walks = new Walks(components.dht, components.records)
    this.#writer = new LocationWriter(components.privateKey, this.#clock)
    this.#ttlMs = Math.min(init.ttlMs ?? defaults.locationTtlMs, defaults.locationTtlMaxMs)
    this.#copiesMin = init.copiesMin ?? defaults.locationCopiesMin
  }

  start(): void {
    this.#stopping = new AbortController()
    this.#schedule()
  }

  stop(): void {
    this.#cancel?.()
    this.#stopping.abort()
  }

  async claim(
    agent: Registration,
    options: AbortOptions & { readonly here?: boolean } = {}
  ): Promise<ClaimResult> {
    const { id } = agent
    const mine = this.#own.get(id)
    if (mine !== undefined) return { status: 'claimed', epoch: epochOf(mine.term) }
    const known = weigh(await this.#collect(id, options))?.location
    if (known !== undefined && this.#holds(known) && known.owner !== this.#writer.peer) {
      return { status: 'conflict', owner: known.owner, epoch: epochOf(known.term) }
    }
    const own: Own = { agent, term: (known?.term ?? 0) + 1, sequence: this.#nextSequence(0) }
    const stored = await this.#publish(own, 'here', options)
    const best = weigh(await this.#collect(id, options))?.location
    if (best !== undefined && best.owner !== this.#writer.peer && this.#holds(best)) {
      await this.#withdraw(own, options)
      return { status: 'conflict', owner: best.owner, epoch: epochOf(best.term) }
    }
    if (stored === undefined || !this.#isEnough(stored)) {
      await this.#withdraw(own, options)
      return { status: 'unavailable', reason: 'no-quorum' }
    }
    this.#own.set(id, own)
    this.#announce({ type: 'registered', id, peer: this.#writer.peer, reason: 'claimed' })
    return { status: 'claimed', epoch: epochOf(own.term) }
  }

  register(agent: Registration, options: AbortOptions = {}): Promise<ClaimResult> {
    return this.claim(agent, { ...options, here: true })
  }

  /** Only its owner can take a location back: others cannot sign for it. */
  async unregister(id: string, options: AbortOptions = {}): Promise<boolean> {
    const own = this.#own.get(id)
    if (own === undefined) return false
    this.#own.delete(id)
    await this.#withdraw(own, options)
    this.#announce({ type: 'unregistered', id, peer: this.#writer.peer, reason: 'unregister' })
    return true
  }

  async find(id: string, options: AbortOptions = {}): Promise<FindResult> {
    if (this.#own.has(id)) return { status: 'local', freshness: 'fresh' }
    const { location, freshness } = await this.#locate(id, options)
    return location === undefined
      ? { status: 'not-found', freshness }
      : { status: 'remote', peer: location.owner, freshness }
  }

  async describe(id: string, options: AbortOptions = {}): Promise<AgentDescriptor | undefined> {
    const own = this.#own.get(id)
    if (own !== undefined) {
      return describeAgent(own.agent, {
        location: { status: 'local', freshness: 'fresh' },
        epoch: epochOf(own.term),
        home: [this.#writer.peer]
      })
    }
    const { location, freshness } = await this.#locate(id, options)
    if (location === undefined) return undefined
    const { agent, owner, term, labels, metadata } = location
    return describeAgent(
      { ...agent, labels, metadata },
      {
        location: { status: 'remote', peer: owner, freshness },
        epoch: epochOf(term),
        home: [owner]
      }
    )
  }

  watch(pattern: string, options: AbortOptions = {}): AsyncIterable<RegistryChange> {
    return watchChanges(this, pattern, options.signal)
  }

  async #locate(
    id: string,
    options: AbortOptions
  ): Promise<{ location: Location | undefined; freshness: 'fresh' | 'cached' }> {
    const cached = this.#cache.get(id)
    if (cached !== undefined && this.#clock.monotonic() < cached.untilMs) {
      const { location } = cached
      const holds = location === undefined || this.#holds(location)
      if (holds) return { location, freshness: 'cached' }
    }
    const best = weigh(await this.#collect(id, options))?.location
    const location = best !== undefined && this.#holds(best) ? best : undefined
    this.#remember(id, location)
    return { location, freshness: 'fresh' }
  }

  #remember(id: string, location: Location | undefined): void {
    const before = this.#cache.get(id)?.location
    this.#cache.delete(id)
    const untilMs = this.#clock.monotonic() + defaults.locationCacheMs
    // What is not there may come at any moment, so only what was found is remembered.
    if (location !== undefined) this.#cache.set(id, { location, untilMs })
    if (this.#cache.size > defaults.locationsMax) {
      const oldest = this.#cache.keys().next()
      if (oldest.done !== true) this.#cache.delete(oldest.value)
    }
    if (before !== undefined && location !== undefined && before.owner !== location.owner) {
      const { owner: peer } = location
      const reason = 'found elsewhere than before'
      this.#announce({ type: 'moved', id, from: before.owner, peer, reason })
    }
  }

  #holds({ status, expiresAt }: Location): boolean {
    return status === 'here' && expiresAt > this.#clock.now()
  }

  #isEnough({ copies, asked }: Stored): boolean {
    // More than half of those asked: of two peers that claim at once only one can have that.
    return copies >= this.#copiesMin && copies * 2 > asked
  }

  #collect(id: string, options: AbortOptions): Promise<Location[]> {
    return this.#walks.collect(keyOf(id), this.#limited(options))
  }

  /** Undefined when this peer's own store knows a newer one. */
  async #publish(
    own: Own,
    status: LocationBody['status'],
    options: AbortOptions
  ): Promise<Stored | undefined> {
    const { agent, term, sequence } = own
    const { id, placement, replicas, shardKey, labels = {}, metadata = {} } = agent
    const body: LocationBody = {
      agent: { id, placement, replicas, ...(shardKey === undefined ? {} : { shardKey }) },
      status,
      term,
      expiresAt: Math.trunc(this.#clock.now()) + this.#ttlMs,
      labels: { ...labels },
      metadata: { ...metadata }
    }
    const value = await this.#writer.write(body, sequence)
    try {
      return await this.#walks.publish(keyOf(id), value, this.#limited(options))
    } catch (error) {
      if (options.signal?.aborted === true) throw error
      this.#log?.(`the location of ${id} was not stored: ${String(error)}`)
      return undefined
    }
  }

  async #withdraw(own: Own, options: AbortOptions): Promise<void> {
    own.sequence = this.#nextSequence(own.sequence)
    await this.#publish(own, 'gone', options)
    this.#cache.delete(own.agent.id)
  }

  /** Rises over restarts too, as long as the clock is not set back by more than the program ran. */
  #nextSequence(before: number): number {
    return Math.max(before + 1, Math.trunc(this.#clock.now()))
  }

  #limited({ signal }: AbortOptions): AbortOptions {
    const stopping = this.#stopping.signal
    return { signal: signal === undefined ? stopping : AbortSignal.any([stopping, signal]) }
  }

  /** Four publications in the lifetime of one; jittered, so that peers do not publish in step. */
  #schedule(): void {
    const delayMs = (this.#ttlMs / 4) * (0.8 + 0.4 * this.#random.next())
    this.#cancel = this.#clock.schedule(delayMs, () => {
      void this.#republish().finally(() => {
        if (!this.#stopping.signal.aborted) this.#schedule()
      })
    })
  }

  async #republish(): Promise<void> {
    for (const [id, own] of this.#own) {
      if (this.#stopping.signal.aborted) return
      try {
        await this.#renew(id, own)
      } catch (error) {
        this.#log?.(`the location of ${id} was not renewed: ${String(error)}`)
      }
    }
  }

  async #renew(id: string, own: Own): Promise<void> {
    const best = weigh(await this.#collect(id, {}))?.location
    if (best !== undefined && best.owner !== this.#writer.peer && this.#holds(best)) {
      // Somebody else was granted it while this peer could not be heard, or at the same moment.
      this.#own.delete(id)
      const reason = `term ${best.term} of another peer stands against term ${own.term}`
      this.#announce({ type: 'conflicted', id, peer: best.owner, reason })
      return
    }
    own.sequence = this.#nextSequence(own.sequence)
    await this.#publish(own, 'here', {})
  }

  #announce(detail: RegistryChange): void {
    this.safeDispatchEvent('change', { detail })
  }
}

/** There are no views here: an epoch counts the owners of the agent. */
function epochOf(term: number): { readonly view: number; readonly boot: number } {
  return { view: term, boot: 0 }
}
