import { TypedEventEmitter } from 'main-event'
import type { AgentRegister } from '@murmuration/agent-register'
import type { AbortOptions } from '@libp2p/interface'
import type {
  AgentDescriptor,
  AgentRecord,
  ClaimResult,
  FindResult,
  MembershipEvents,
  Registration,
  Registry,
  RegistryChange,
  RegistryEvents,
  RpcContext
} from '@murmuration/interface'
import { UnavailableError } from '@murmuration/interface'
import { serverOf } from '@murmuration/placement'
import { Asking, REMOVE, WHERE } from './asking.ts'
import type { Found } from './asking.ts'
import { claimOutcomeOf, unavailable } from './claim-outcome.ts'
import { ChangeSignals } from './change-signals.ts'
import { Claims } from './claims.ts'
import { LocationCache } from './core/location-cache.ts'
import { keptIn } from './core/merging.ts'
import { movesBetween } from './core/moves.ts'
import type { Mutants } from './core/mutants.ts'
import { claimSilent, foundSilent } from './core/silent.ts'
import { defaults } from './defaults.ts'
import { describeAgent } from './describe.ts'
import type { RegistryComponents, RegistryInit } from './index.ts'
import { RemoveReply, RemoveRequest, WhereReply, WhereRequest } from './messages.ts'
import { registrationIn, registrationOf, registrationToWire } from './registration-store.ts'
import { SplitClaims } from './split-claims.ts'
import { Unregistered } from './unregistered.ts'
import { watchChanges } from './watching.ts'

/** Where an agent is, and by what that is known. */
interface Located {
  readonly location: FindResult
  readonly answer?: Found | undefined
  readonly claim?: AgentRegister | undefined
}

export class PlacementRegistry extends TypedEventEmitter<RegistryEvents> implements Registry {
  readonly #components: RegistryComponents
  readonly #recordOf: (id: string) => AgentRecord
  readonly #cache: LocationCache
  readonly #claims: Claims | undefined
  readonly #registrations = new Map<string, Registration>()
  readonly #unregistered = new Unregistered()
  readonly #claiming = new Map<string, Promise<ClaimResult>>()
  readonly #signals: ChangeSignals
  readonly #asking: Asking
  readonly #splits: SplitClaims

  readonly #onView = ({ detail }: MembershipEvents['view']): void => {
    for (const move of movesBetween(detail.previous, detail.view)) {
      this.safeDispatchEvent('change', { detail: move })
    }
  }

  constructor(components: RegistryComponents, init: RegistryInit, mutants: Mutants = {}) {
    super()
    this.#components = components
    this.#recordOf = init.recordOf ?? ((id) => ({ id, placement: 'hash', replicas: 3 }))
    const { registers, membership, tenure, rpc, clock, signals, log } = components
    this.#claims = registers === undefined ? undefined : new Claims(registers, membership, tenure)
    this.#signals = new ChangeSignals({ peer: rpc.peer, clock, signals, log }, (change) => {
      this.#cache.forget(change.id)
      this.#dispatch(change)
    })
    const questionTimeoutMs = init.questionTimeoutMs ?? defaults.questionTimeoutMs
    this.#asking = new Asking(components, questionTimeoutMs)
    this.#splits = new SplitClaims(components, {
      claims: this.#claims,
      mutants,
      words: async (id) => {
        const claim = await this.#claimOf(this.#recordOf(id), {}).catch(() => undefined)
        const { labels, metadata } = keptIn(claim)
        return { labels, metadata }
      },
      taken: (id) => void this.#registrations.delete(id),
      report: (change) => {
        this.#registrations.delete(change.id)
        this.#tell(change)
      }
    })
    this.#cache = new LocationCache(init.locationsMax ?? defaults.locationsMax)
  }

  async start(): Promise<void> {
    const { rpc, membership } = this.#components
    membership.addEventListener('view', this.#onView)
    rpc.handle(WHERE, (request) => this.#onWhere(request))
    rpc.handle(REMOVE, async (request, context) => this.#onRemove(request, context))
    this.#signals.start()
    await this.#splits.start()
  }

  stop(): void {
    this.#components.membership.removeEventListener('view', this.#onView)
    this.#splits.stop()
    this.#signals.stop()
    this.#components.rpc.unhandle(WHERE)
    this.#components.rpc.unhandle(REMOVE)
  }

  async claim(
    agent: AgentRecord,
    options: AbortOptions & { readonly here?: boolean } = {}
  ): Promise<ClaimResult> {
    if (options.signal !== undefined) return this.#claim(agent, undefined, options)
    // Those who ask the same at the same time on this peer share one ballot.
    const name = `${options.here === true} ${agent.id}`
    let claiming = this.#claiming.get(name)
    if (claiming === undefined) {
      claiming = this.#claim(agent, undefined, options).finally(() => this.#claiming.delete(name))
      this.#claiming.set(name, claiming)
    }
    return claiming
  }

  async #claim(
    agent: AgentRecord,
    registration: Registration | undefined,
    options: AbortOptions & { readonly here?: boolean }
  ): Promise<ClaimResult> {
    const placement = this.#components.placement()
    if (placement === undefined) return unavailable('no-view')
    const owner = serverOf(placement, agent)
    if (owner === undefined) return unavailable('pinned-peer-absent')
    if (owner !== this.#components.rpc.peer) {
      const answer = await this.#asking.where(owner, agent, options)
      if (answer === undefined) return claimSilent(placement, agent)
      if (answer.running && answer.epoch !== undefined) {
        return { status: 'conflict', owner: answer.peer, epoch: answer.epoch }
      }
      const { control } = this.#components
      const isAgreed = this.#splits.ruleFor(agent) === 'register'
      const mayMove = options.here === true && agent.placement !== 'pinned' && isAgreed
      if (!mayMove || control === undefined || this.#claims === undefined) {
        return { status: 'redirect', peer: owner }
      }
    }
    const rule = this.#splits.ruleFor(agent)
    if (rule === 'neither') return unavailable('no-quorum')
    if (rule === 'branch') return this.#claimForSide(agent, registration, options)
    const refused = await this.#ballot(agent, owner, registration, options)
    if (refused !== undefined) return refused
    if (owner !== this.#components.rpc.peer) {
      const failed = await this.#bringHere(agent, options)
      if (failed !== undefined) return failed
      const placed = this.#components.placement()?.ownerOf(agent)?.peer
      // Somebody may have moved it on, or taken it out of the registry, while it was on its way.
      if (placed !== this.#components.rpc.peer) {
        await this.#claims?.giveUp(agent)
        return { status: 'unknown' }
      }
      const late = await this.#ballot(agent, placed, registration, options)
      if (late !== undefined) return late
    }
    return this.#begin(agent, options)
  }

  /** Claims for a side of a split that goes on by itself: no lock, and merged when it is over. */
  async #claimForSide(
    agent: AgentRecord,
    registration: Registration | undefined,
    options: AbortOptions
  ): Promise<ClaimResult> {
    if (this.#splits.isFull) return unavailable('at-capacity')
    const result = await this.#begin(agent, options)
    if (result.status !== 'claimed') return result
    const isKept = await this.#splits.keep(registration ?? agent, result.epoch)
    return isKept ? result : { status: 'unknown' }
  }

  /** Claims in the agent's register; gives the result where that did not succeed. */
  async #ballot(
    agent: AgentRecord,
    placed: string,
    registration: Registration | undefined,
    options: AbortOptions
  ): Promise<ClaimResult | undefined> {
    if (this.#claims === undefined) return undefined
    const result = await this.#claims.claim(agent, placed, registration, options)
    if (result.status === 'unavailable') return unavailable('no-quorum')
    if (result.status === 'unknown' || result.register === undefined) return { status: 'unknown' }
    const { owner, incarnation, epoch, status } = result.register
    const { self } = this.#components.membership
    if (owner === self.peer && incarnation === self.incarnation) return undefined
    // Released under a view that this peer does not have yet: it may ask again when it has.
    if (status === 'released') return { status: 'unknown' }
    return { status: 'conflict', owner, epoch }
  }

  /** Has the claimed agent moved to this peer, by a view; gives the result where that failed. */
  async #bringHere(agent: AgentRecord, options: AbortOptions): Promise<ClaimResult | undefined> {
    const { control, rpc, log } = this.#components
    const move = [{ peer: rpc.peer, keys: [agent.shardKey ?? agent.id] }]
    try {
      await control?.propose({ move }, { ...options, timeoutMs: defaults.ballotTimeoutMs })
    } catch (error) {
      log?.(`${agent.id} was claimed and could not be moved here: ${String(error)}`)
      await this.#claims?.giveUp(agent)
      if (options.signal?.aborted === true) throw error
      return unavailable('no-quorum')
    }
    return undefined
  }

  async #begin(agent: AgentRecord, options: AbortOptions): Promise<ClaimResult> {
    const { tenure } = this.#components
    const wasRunning = tenure.running(agent.id) !== undefined
    const result = await claimOutcomeOf(tenure.begin(agent, options))
    if (result.status === 'claimed') this.#unregistered.delete(agent.id)
    if (result.status === 'claimed' && !wasRunning) {
      this.#announce('registered', agent.id, 'claimed')
    }
    return result
  }

  async register(agent: Registration, options: AbortOptions = {}): Promise<ClaimResult> {
    const result = await this.#claim(agent, agent, { ...options, here: true })
    if (result.status === 'claimed') this.#registrations.set(agent.id, agent)
    return result
  }

  async unregister(id: string, options: AbortOptions = {}): Promise<boolean> {
    const { rpc, membership } = this.#components
    const agent = this.#recordOf(id)
    this.#cache.forget(id)
    const isForSide = this.#splits.ruleFor(agent) === 'branch'
    const released = isForSide ? undefined : await this.#release(agent, options)
    const members = new Set(membership.view?.members.map(({ peer }) => peer))
    // The view of this peer may be older than the one by which the claimant got the agent.
    const owners = [this.#components.placement()?.ownerOf(agent)?.peer, released?.owner]
    const asked = new Set(owners.filter((peer) => peer !== undefined && members.has(peer)))
    const ended = await Promise.all(
      [...asked].map((peer) =>
        peer === undefined || peer === rpc.peer
          ? this.#removeHere(id, 'unregister')
          : this.#asking.remove(peer, agent, options)
      )
    )
    return released !== undefined || ended.includes(true)
  }

  /** The claim that was given up; undefined where there was none. @throws UnavailableError */
  async #release(agent: AgentRecord, options: AbortOptions): Promise<AgentRegister | undefined> {
    if (this.#claims === undefined) return undefined
    const result = await this.#claims.release(agent, options)
    if (result.status !== 'committed') {
      throw new UnavailableError(`the register of ${agent.id} cannot be released now`)
    }
    return result.released
  }

  async find(id: string, options: AbortOptions = {}): Promise<FindResult> {
    const { membership, tenure } = this.#components
    const view = membership.view?.number ?? 0
    if (tenure.running(id) !== undefined) return { status: 'local', freshness: 'fresh' }
    // On a side that goes on by itself, where an agent is does not follow from the agreed view.
    const mayCache = !this.#splits.isApart
    const known = mayCache ? this.#cache.get(id, view) : undefined
    if (known !== undefined) return known
    const { location } = await this.#locate(this.#recordOf(id), options)
    if (mayCache && location.status === 'remote' && location.freshness === 'fresh') {
      this.#cache.set(id, view, { ...location, freshness: 'cached' })
    }
    return location
  }

  async describe(id: string, options: AbortOptions = {}): Promise<AgentDescriptor | undefined> {
    const { tenure } = this.#components
    const agent = this.#recordOf(id)
    const home = (this.#components.placement()?.homeOf(agent) ?? []).map(({ peer }) => peer)
    const running = tenure.running(id)
    const known = this.#registered(id)
    if (running !== undefined && known !== undefined) {
      const location = { status: 'local', freshness: 'fresh' } as const
      return describeAgent(known, { location, epoch: running, home })
    }
    const { location, answer, claim } = await this.#locate(agent, options)
    if (location.status === 'not-found') return undefined
    const kept = (claim ?? (await this.#agreed(agent, options)))?.registration
    const told = answer?.registered
    const registered = told === undefined ? registrationIn(kept) : registrationOf(told)
    return describeAgent(registered ?? known ?? agent, {
      location,
      epoch: running ?? answer?.epoch ?? claim?.epoch,
      home
    })
  }

  /** Where an agent is: where it runs; else where it was claimed; else where its state is. */
  async #locate(agent: AgentRecord, options: AbortOptions): Promise<Located> {
    const { rpc, tenure } = this.#components
    const fresh = { freshness: 'fresh' } as const
    const placement = this.#components.placement()
    const owner = serverOf(placement, agent)
    if (owner === undefined) return { location: { status: 'not-found', ...fresh } }
    const isHere = owner === rpc.peer
    if (tenure.running(agent.id) !== undefined) return { location: { status: 'local', ...fresh } }
    const answer = isHere ? undefined : await this.#asking.where(owner, agent, options)
    if (!isHere && answer === undefined) return { location: foundSilent(placement, agent, owner) }
    if (answer?.running === true) {
      return { location: { status: 'remote', peer: answer.peer, ...fresh }, answer }
    }
    // Whoever claimed it may have got it by a view that this peer does not have yet.
    const isHeld = isHere ? this.#isHeld(agent.id) : answer?.held === true
    const claim = isHeld ? await this.#agreed(agent, options) : await this.#claimOf(agent, options)
    const at = claim?.owner ?? (isHeld ? (answer?.peer ?? owner) : undefined)
    if (at === undefined) return { location: { status: 'not-found', ...fresh } }
    const from = isHere ? tenure.movingFrom?.(agent) : answer?.from
    let location: FindResult = { status: 'remote', peer: at, ...fresh }
    if (at === rpc.peer) location = { status: 'local', ...fresh }
    if (from !== undefined && from !== at)
      location = { status: 'migrating', from, to: at, ...fresh }
    return { location, answer, claim }
  }

  watch(pattern: string, options: AbortOptions = {}): AsyncIterable<RegistryChange> {
    return watchChanges(this, pattern, options.signal)
  }

  #claimOf(agent: AgentRecord, options: AbortOptions): Promise<AgentRegister | undefined> {
    const placed = this.#components.placement()?.ownerOf(agent)?.peer
    return this.#claims?.standing(agent, placed, options) ?? Promise.resolve(undefined)
  }

  /** The same, but on a side that goes on by itself nobody depends on what cannot be known there. */
  #agreed(agent: AgentRecord, options: AbortOptions): Promise<AgentRegister | undefined> {
    const claim = this.#claimOf(agent, options)
    return this.#splits.ruleFor(agent) === 'branch' ? claim.catch(() => undefined) : claim
  }

  #registered(id: string): Registration | undefined {
    return this.#registrations.get(id) ?? this.#splits.registered(id)
  }

  #onWhere(request: Uint8Array): Uint8Array {
    const { agent } = WhereRequest.decode(request)
    const { placement, tenure } = this.#components
    const epoch = tenure.running(agent.id)
    const held = epoch !== undefined || this.#isHeld(agent.id)
    const registration = this.#registered(agent.id)
    // Who runs it need not say where else to look.
    const owner = epoch === undefined ? serverOf(placement(), agent) : undefined
    const from = epoch === undefined ? tenure.movingFrom?.(agent) : undefined
    return WhereReply.encode({
      running: epoch !== undefined,
      held,
      ...(epoch === undefined ? {} : { epoch }),
      ...(owner === undefined ? {} : { owner }),
      ...(from === undefined ? {} : { from }),
      ...(registration === undefined ? {} : { registered: registrationToWire(registration) })
    })
  }

  async #onRemove(request: Uint8Array, context: RpcContext): Promise<Uint8Array> {
    const { agent } = RemoveRequest.decode(request)
    const removed = await this.#removeHere(agent.id, `unregister by ${context.peer}`)
    return RemoveReply.encode({ removed })
  }

  async #removeHere(id: string, reason: string): Promise<boolean> {
    const ended = await this.#components.tenure.end(id)
    const dropped = await this.#splits.drop(id)
    const known = this.#registrations.delete(id) || ended || dropped
    this.#unregistered.add(id)
    if (known) this.#announce('unregistered', id, reason)
    return known
  }

  /** Its state alone does not make an agent found that was taken out of the registry. */
  #isHeld(id: string): boolean {
    return !this.#unregistered.has(id) && this.#components.tenure.held(id)
  }

  #announce(type: 'registered' | 'unregistered', id: string, reason: string): void {
    this.#tell({ type, id, peer: this.#components.rpc.peer, reason })
  }

  /** Tells watchers here and on other peers. */
  #tell(change: RegistryChange): void {
    this.#dispatch(change)
    this.#signals.tell(change)
  }

  #dispatch(change: RegistryChange): void {
    if (!this.#splits.isNews(change)) return
    this.safeDispatchEvent('change', { detail: change })
    if (change.type === 'merged') this.safeDispatchEvent('merged', { detail: change })
  }
}
