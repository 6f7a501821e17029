import { TypedEventEmitter } from 'main-event'
import type { AbortOptions } from '@libp2p/interface'
import type {
  AgentDescriptor,
  AgentRecord,
  ClaimResult,
  FindResult,
  Registration,
  Registry,
  RegistryChange,
  RegistryEvents
} from '@murmuration/interface'
import { claimOutcomeOf } from './claim-outcome.ts'
import { describeAgent } from './describe.ts'
import type { LocalRegistryComponents, RegistryInit } from './index.ts'
import { RegistrationStore } from './registration-store.ts'
import { Unregistered } from './unregistered.ts'
import { watchChanges } from './watching.ts'

/** The registry of a program that is alone: every agent is here or nowhere. */
export class LocalRegistry extends TypedEventEmitter<RegistryEvents> implements Registry {
  readonly #components: LocalRegistryComponents
  readonly #recordOf: (id: string) => AgentRecord
  readonly #registrations: RegistrationStore
  readonly #unregistered = new Unregistered()

  constructor(components: LocalRegistryComponents, init: RegistryInit) {
    super()
    this.#components = components
    this.#recordOf = init.recordOf ?? ((id) => ({ id, placement: 'hash', replicas: 3 }))
    this.#registrations = new RegistrationStore(components.store)
  }

  start(): Promise<void> {
    return this.#registrations.load()
  }

  stop(): void {}

  async claim(
    agent: AgentRecord,
    options: AbortOptions & { readonly here?: boolean } = {}
  ): Promise<ClaimResult> {
    const { tenure, peer } = this.#components
    if (agent.placement === 'pinned' && !agent.id.endsWith(`/${peer}`)) {
      return { status: 'unavailable', reason: 'pinned-peer-absent' }
    }
    const wasRunning = tenure.running(agent.id) !== undefined
    const result = await claimOutcomeOf(tenure.begin(agent, options))
    if (result.status === 'claimed') this.#unregistered.delete(agent.id)
    if (result.status === 'claimed' && !wasRunning) {
      this.#announce('registered', agent.id, 'claimed')
    }
    return result
  }

  async register(agent: Registration, options: AbortOptions = {}): Promise<ClaimResult> {
    const result = await this.claim(agent, options)
    if (result.status === 'claimed') await this.#registrations.keep(agent)
    return result
  }

  async unregister(id: string): Promise<boolean> {
    const ended = await this.#components.tenure.end(id)
    const forgotten = await this.#registrations.forget(id)
    this.#unregistered.add(id)
    if (ended || forgotten) this.#announce('unregistered', id, 'unregister')
    return ended || forgotten
  }

  async find(id: string): Promise<FindResult> {
    const { tenure } = this.#components
    const isKept = tenure.held(id) || this.#registrations.get(id) !== undefined
    const isKnown = tenure.running(id) !== undefined || (isKept && !this.#unregistered.has(id))
    return { status: isKnown ? 'local' : 'not-found', freshness: 'fresh' }
  }

  async describe(id: string): Promise<AgentDescriptor | undefined> {
    const location = await this.find(id)
    if (location.status === 'not-found') return undefined
    const { tenure, peer } = this.#components
    return describeAgent(this.#registrations.get(id) ?? this.#recordOf(id), {
      location,
      epoch: tenure.running(id),
      home: [peer]
    })
  }

  watch(pattern: string, options: AbortOptions = {}): AsyncIterable<RegistryChange> {
    return watchChanges(this, pattern, options.signal)
  }

  #announce(type: 'registered' | 'unregistered', id: string, reason: string): void {
    const { peer } = this.#components
    this.safeDispatchEvent('change', { detail: { type, id, peer, reason } })
  }
}
