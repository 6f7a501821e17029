import {
  AbortedError,
  InvalidParametersError,
  NotStartedError,
  OverloadedError,
  UnavailableError
} from '@murmuration/interface'
import type {
  ForcedView,
  LeaseWaitOptions,
  MembershipEvents,
  Owner,
  PeerLease,
  Reachability,
  SelfIdentity,
  Unreported,
  View,
  ViewProposal
} from '@murmuration/interface'
import type { AbortOptions, Logger } from '@libp2p/interface'
import { TypedEventEmitter } from 'main-event'
import { checkForced, checkIn, checkProposal, checkTaken, highestView, overIn } from './control.ts'
import { Machine } from './core/machine.ts'
import type { RefusalReason } from './core/messages.ts'
import type { Answered, Effect, Sent } from './core/outbox.ts'
import { Reports } from './core/reports.ts'
import type { Rules } from './core/rules.ts'
import { backlogMax, catchUpTimeoutMs } from './defaults.ts'
import { Engine } from './engine.ts'
import { JoinRefusedError, lastingRefusals } from './errors.ts'
import type { JoiningMembership, MembershipComponents, MembershipInit } from './index.ts'
import { Ledger } from './ledger.ts'
import { leaseOf } from './lease-handle.ts'
import { registerMetrics } from './metrics.ts'
import { settingsOf } from './settings.ts'
import type { Settings } from './settings.ts'
import { Waiters, waitOf } from './waiters.ts'
import { Wire } from './wire.ts'

/** The machine with a network, a store, a clock and events around it. */
export class MembershipService
  extends TypedEventEmitter<MembershipEvents>
  implements JoiningMembership
{
  readonly #components: MembershipComponents
  readonly #settings: Settings
  readonly #rules: Rules
  readonly #ledger: Ledger
  readonly #wire: Wire
  readonly #engine: Engine
  readonly #reports: Reports
  readonly #log: Logger | undefined
  readonly #count: ReturnType<typeof registerMetrics>
  readonly #waiters: Waiters
  readonly lease: PeerLease
  #self: SelfIdentity | undefined
  #starting: Promise<void> | undefined
  /** What upper layers see: only what is durable. */
  #shown: { readonly view: View; readonly views: readonly View[]; settled: number } | undefined
  #answers = new Map<number, (answered: Answered) => void>()
  #nextAnswer = 1
  readonly #refused = new Set<RefusalReason>()
  #hasLeft = false

  constructor(components: MembershipComponents, init: MembershipInit, rules: Rules) {
    super()
    this.#components = components
    this.#settings = settingsOf(components, init)
    this.#rules = rules
    this.#reports = new Reports(init.reporters)
    this.#ledger = new Ledger(components.store)
    this.#wire = new Wire(components.rpc)
    this.#log = components.logger?.forComponent('murmuration:membership')
    this.#waiters = new Waiters(components.clock)
    this.#engine = new Engine({
      clock: components.clock,
      ledger: this.#ledger,
      log: this.#log,
      perform: (effect) => this.#perform(effect)
    })
    this.lease = leaseOf(this.#engine, components.clock, this.#waiters)
    this.#count = registerMetrics(components.metrics, {
      number: () => this.view?.number ?? 0,
      members: () => this.view?.members.length ?? 0,
      unsettled: () => this.unsettledViews().length
    })
  }

  get self(): SelfIdentity {
    if (this.#self === undefined) {
      throw new NotStartedError('membership is not started')
    }
    return this.#self
  }

  get view(): View | undefined {
    return this.#shown?.view
  }

  get settled(): number {
    return this.#shown?.settled ?? 0
  }

  unsettledViews(): readonly View[] {
    return this.#shown?.views ?? []
  }

  get unreported(): Unreported {
    return this.#reports.missing(this.#engine.machine?.history)
  }

  async start(): Promise<void> {
    this.#starting ??= this.#open()
    try {
      await this.#starting
    } catch (error) {
      this.#starting = undefined
      throw error
    }
  }

  async stop(): Promise<void> {
    if (this.#starting === undefined) {
      return
    }
    // A start that failed has been reported to whoever awaited it.
    await this.#starting.catch(() => {})
    this.#starting = undefined
    this.#engine.stop()
    this.#answers.clear()
    const { discovery } = this.#components
    discovery?.removeEventListener('connected', this.#onConnected)
    discovery?.removeEventListener('disconnected', this.#onDisconnected)
    this.#wire.unhandleAll()
    this.#waiters.failAll(new NotStartedError('membership was stopped'))
  }

  reachability(peer: string): Reachability {
    const now = this.#components.clock.monotonic()
    return this.#engine.machine?.reachability(peer, now) ?? 'unreachable'
  }

  reportSettled(number: number, reporter = 'state'): void {
    if (!Number.isSafeInteger(number) || number > (this.view?.number ?? 0)) {
      throw new InvalidParametersError(`view ${number} is not adopted here`)
    }
    if (this.#reports.add(reporter, number)) {
      this.#engine.enter((machine, now) => machine.report(number, now))
    }
  }

  async catchUp(number: number, from: string, { signal }: AbortOptions = {}): Promise<View> {
    const what = `view ${number}`
    const isThere = (): View | undefined =>
      this.view !== undefined && this.view.number >= number ? this.view : undefined
    const ask = (): void => this.#engine.enter((machine) => machine.pull(from))
    const failure = new UnavailableError(`${what} was not learned from ${from} in time`)
    this.#assertStarted()
    const timeoutMs = catchUpTimeoutMs
    return await this.#waiters.until(isThere, { what, signal, ask, failure, timeoutMs })
  }

  mayReplace(owner: Owner): boolean {
    return this.#replaceableFrom(owner) <= this.#components.clock.monotonic()
  }

  async whenReplaceable(owner: Owner, options: LeaseWaitOptions = {}): Promise<void> {
    this.#assertStarted()
    const what = `the end of the lease of ${owner.peer}`
    const isOver = (): true | undefined => this.mayReplace(owner) || undefined
    const dueAt = (): number => this.#replaceableFrom(owner)
    await this.#waiters.until(isOver, { what, ...waitOf(what, options), dueAt })
  }

  async propose(asked: ViewProposal, options: LeaseWaitOptions = {}): Promise<View> {
    this.#assertStarted()
    const { view } = this
    const { abandon } = asked
    const by = this.self.peer
    const proposal = abandon === undefined ? asked : { ...asked, abandon: { by, ...abandon } }
    if (view !== undefined) {
      checkProposal(view, this.unsettledViews(), proposal)
    }
    this.#engine.enter((machine, now) => checkTaken(machine.proposals.add(proposal, now)))
    const what = 'a proposal'
    const isOver = (): View | undefined => overIn(this.view, proposal)
    try {
      const over = await this.#waiters.until(isOver, { what, ...waitOf(what, options) })
      return checkIn(over, proposal)
    } finally {
      this.#engine.enter((machine) => machine.proposals.remove(proposal))
    }
  }

  async forceView(forced: ForcedView, options: AbortOptions = {}): Promise<View> {
    const { machine } = this.#engine
    const { clock } = this.#components
    if (machine === undefined) {
      throw new NotStartedError('membership is not started')
    }
    checkForced(machine, forced, clock.monotonic())
    const { number, peer } = await highestView(this.#wire, machine, forced.members)
    await this.catchUp(number, peer, options)
    // The others may have come back meanwhile, or the view have changed.
    checkForced(machine, forced, clock.monotonic())
    this.#engine.enter((self, now) => self.force(new Set(forced.members), forced.reason, now))
    const isForced = (): View | undefined =>
      this.view !== undefined && this.view.number > number ? this.view : undefined
    return await this.#waiters.until(isForced, { what: 'a forced view', signal: options.signal })
  }

  async joined({ signal }: AbortOptions = {}): Promise<View> {
    this.#assertStarted()
    const isThere = (): View | undefined =>
      this.view?.members.some(({ peer, incarnation }) => {
        return peer === this.self.peer && incarnation === this.self.incarnation
      }) === true
        ? this.view
        : undefined
    return await this.#waiters.until(isThere, { what: 'joining', signal })
  }

  async leave({ signal }: AbortOptions = {}): Promise<void> {
    this.#assertStarted()
    this.#engine.enter((machine, now) => machine.leave(now))
    try {
      await this.#waiters.until(() => this.#hasLeft || undefined, { what: 'leaving', signal })
    } catch (error) {
      if (error instanceof AbortedError) {
        this.#engine.enter((machine) => machine.stay())
      }
      throw error
    }
  }

  #replaceableFrom(owner: Owner): number {
    return this.#engine.machine?.replacing.from(owner) ?? Number.POSITIVE_INFINITY
  }

  #assertStarted(): void {
    if (this.#engine.machine === undefined) {
      throw new NotStartedError('membership is not started')
    }
  }

  async #open(): Promise<void> {
    const { clock, discovery, random, rpc } = this.#components
    this.#hasLeft = false
    const self = await this.#ledger.boot(rpc.peer, random)
    const stored = await this.#ledger.load()
    this.#self = self
    this.#log?.('%s starts as incarnation %s, boot %d', self.peer, self.incarnation, self.boot)
    const { history } = stored
    const newest = history?.decisions.at(-1)?.view
    if (history !== undefined && newest !== undefined) {
      const views = history.decisions.map(({ view }) => view)
      this.#shown = { view: newest, views, settled: history.settled }
    }
    const config = { ...this.#settings, self, random, rules: this.#rules }
    const machine = new Machine(config, stored, clock.monotonic())
    this.#wire.handleAll((from, sent) => this.#serve(from, sent))
    discovery?.addEventListener('connected', this.#onConnected)
    discovery?.addEventListener('disconnected', this.#onDisconnected)
    this.#engine.begin(machine)
  }

  readonly #onConnected = ({ detail }: CustomEvent<{ readonly peer: string }>): void => {
    this.#engine.enter((machine, now) => machine.linked(detail.peer, true, now))
  }

  readonly #onDisconnected = ({ detail }: CustomEvent<{ readonly peer: string }>): void => {
    this.#engine.enter((machine, now) => machine.linked(detail.peer, false, now))
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'request':
        void this.#call(effect)
        break
      case 'answer':
        this.#answers.get(effect.id)?.(effect.answered)
        this.#answers.delete(effect.id)
        break
      case 'probe':
        void this.#probe(effect.peer)
        break
      case 'view':
        this.#show(effect)
        break
      case 'settled':
        this.#settle(effect.settled, effect.views)
        break
      case 'reachability': {
        const { peer, reachability } = effect
        this.safeDispatchEvent('reachability', { detail: { peer, reachability } })
        break
      }
      case 'keep':
        this.#components.discovery?.keep(
          effect.members.filter(({ peer }) => peer !== this.#components.rpc.peer)
        )
        break
      case 'refused':
        this.#onRefused(effect.by, effect.reason, effect.explanation)
        break
      case 'left':
        this.#hasLeft = true
        this.#waiters.check()
        break
      case 'lease':
        this.safeDispatchEvent('lease', { detail: { held: effect.held } })
        this.#waiters.check()
        break
      case 'started':
        this.#waiters.check()
        break
      case 'forced':
        this.safeDispatchEvent('forced', { detail: { mark: effect.mark, lost: effect.lost } })
        break
      case 'log':
        if (effect.level === 'error') {
          this.#log?.error(effect.text)
        } else {
          this.#log?.(effect.text)
        }
        break
      case 'count':
        this.#count(effect.name)
        break
    }
  }

  #show({ previous, view, views, settled }: Effect & { readonly type: 'view' }): void {
    this.#shown = { view, views, settled }
    const peers = view.members.map(({ peer }) => peer).join(' ')
    this.#log?.('view %d: %s', view.number, peers)
    this.safeDispatchEvent('view', { detail: { previous, view } })
    this.#waiters.check()
  }

  #settle(settled: number, views: readonly View[]): void {
    if (this.#shown !== undefined) {
      this.#shown = { ...this.#shown, settled, views }
      this.safeDispatchEvent('settled', { detail: { settled } })
    }
  }

  #onRefused(by: string, reason: RefusalReason, explanation: string): void {
    if (!this.#refused.has(reason)) {
      // Once per reason: the peer goes on asking each second.
      this.#refused.add(reason)
      this.#log?.error('%s refused to admit this peer (%s): %s', by, reason, explanation)
    }
    if (lastingRefusals.has(reason)) {
      const text = `${by} refused to admit this peer: ${explanation}`
      this.#waiters.fail('joining', new JoinRefusedError(reason, text))
    }
  }

  /** Every request is answered once its batch is durable, so the backlog bounds who waits. */
  #serve(from: string, sent: Sent): Promise<Answered> {
    if (this.#engine.isStuck) {
      throw new OverloadedError('the store of this peer refuses writes')
    }
    if (this.#engine.backlog >= backlogMax) {
      throw new OverloadedError(`${backlogMax} requests wait for the store of this peer`)
    }
    const id = this.#nextAnswer++
    return new Promise((resolve) => {
      this.#answers.set(id, resolve)
      this.#engine.enter((machine, now) => machine.asked(id, from, sent, now))
    })
  }

  async #call({ id, to, sent, timeoutMs }: Effect & { readonly type: 'request' }): Promise<void> {
    let answered: Answered | undefined
    try {
      answered = await this.#wire.call(to, sent, timeoutMs)
    } catch (error) {
      // Every failure means the same to the protocol: no answer. It asks again by itself.
      this.#log?.trace('%s of %s failed: %e', sent.method, to, error)
    }
    this.#engine.enter((machine, now) => machine.answered(id, answered, now))
  }

  async #probe(peer: string): Promise<void> {
    const { discovery } = this.#components
    if (discovery?.probe === undefined) {
      return
    }
    try {
      const result = await discovery.probe(peer)
      this.#engine.enter((machine, now) => machine.probed(peer, result, now))
    } catch (error) {
      // As good as no evidence.
      this.#log?.('probe of %s failed: %e', peer, error)
    }
  }
}
