import { InvalidParametersError, NotStartedError, UnavailableError } from '@murmuration/interface'
import type {
  LeaseWaitOptions,
  MembershipEvents,
  Owner,
  PeerLease,
  Reachability,
  SelfIdentity,
  Unreported,
  View
} from '@murmuration/interface'
import type { AbortOptions, Logger } from '@libp2p/interface'
import { TypedEventEmitter } from 'main-event'
import { History } from './core/history.ts'
import { unpackAll } from './core/packing.ts'
import { paceOf } from './core/pace.ts'
import { Chain, Question } from './core/messages.ts'
import type { Standing } from './core/messages.ts'
import type { Decision } from './core/records.ts'
import { follows } from './core/verifying.ts'
import {
  askTimeoutMs,
  catchUpTimeoutMs,
  followMs,
  joinTargetsMax,
  unsettledMax
} from './defaults.ts'
import type { JoiningMembership, MembershipComponents, ViewFollowerInit } from './index.ts'
import { Ledger } from './ledger.ts'
import { checkText } from './settings.ts'
import { Waiters, waitOf } from './waiters.ts'

/** See `createViewFollower`. */
export class ViewFollower extends TypedEventEmitter<MembershipEvents> implements JoiningMembership {
  readonly #components: MembershipComponents
  readonly #cluster: string
  readonly #contacts: () => readonly string[]
  readonly #log: Logger | undefined
  readonly #waiters: Waiters
  readonly #history = new History(undefined)
  readonly #heardAt = new Map<string, number>()
  readonly #asking = new Set<string>()
  #self: SelfIdentity | undefined
  #starting: Promise<void> | undefined
  #cancel: (() => void) | undefined

  constructor(components: MembershipComponents, init: ViewFollowerInit) {
    super()
    checkText('cluster', init.cluster)
    this.#components = components
    this.#cluster = init.cluster
    this.#contacts = init.contacts ?? (() => [])
    this.#log = components.logger?.forComponent('murmuration:membership')
    this.#waiters = new Waiters(components.clock)
  }

  get self(): SelfIdentity {
    if (this.#self === undefined) {
      throw new NotStartedError('the follower is not started')
    }
    return this.#self
  }

  get view(): View | undefined {
    return this.#history.view
  }

  get settled(): number {
    return this.#history.settled
  }

  get unreported(): Unreported {
    return { members: [], layers: [] }
  }

  unsettledViews(): readonly View[] {
    return this.#history.views
  }

  async start(): Promise<void> {
    this.#starting ??= this.#open()
    await this.#starting
  }

  async stop(): Promise<void> {
    // A start that failed has been reported to whoever awaited it.
    await this.#starting?.catch(() => {})
    this.#starting = undefined
    this.#cancel?.()
    this.#components.discovery?.removeEventListener('connected', this.#onConnected)
    this.#waiters.failAll(new NotStartedError('the follower was stopped'))
  }

  async joined({ signal }: AbortOptions = {}): Promise<View> {
    return await this.#waiters.until(() => this.view, { what: 'the first view', signal })
  }

  async catchUp(number: number, from: string, { signal }: AbortOptions = {}): Promise<View> {
    const what = `view ${number}`
    const find = (): View | undefined =>
      this.view !== undefined && this.view.number >= number ? this.view : undefined
    const failure = new UnavailableError(`${what} was not learned from ${from} in time`)
    const ask = (): void => void this.#ask(from)
    return await this.#waiters.until(find, {
      what,
      signal,
      ask,
      failure,
      timeoutMs: catchUpTimeoutMs
    })
  }

  /** Outside the view there is nothing to report; only the number is checked. */
  reportSettled(number: number): void {
    if (!Number.isSafeInteger(number)) {
      throw new InvalidParametersError(`the number of a view must be an integer, got ${number}`)
    }
  }

  /** What is connected or has answered lately can be reached. */
  reachability(peer: string): Reachability {
    const { clock, discovery, rpc } = this.#components
    const heardAt = this.#heardAt.get(peer) ?? Number.NEGATIVE_INFINITY
    const { suspectMs } = paceOf(this.view?.members.length ?? 1)
    const isHeard = clock.monotonic() - heardAt < suspectMs
    const isConnected = discovery?.connected().includes(peer) === true
    return peer === rpc.peer || isHeard || isConnected ? 'reachable' : 'unreachable'
  }

  /** It owns nothing, and replaces nobody: that is for members. */
  readonly lease: PeerLease = {
    held: false,
    remainingMs: 0,
    whenHeld: async (options = {}) => await this.#never('the lease of this peer', options)
  }

  mayReplace(): boolean {
    return false
  }

  async whenReplaceable({ peer }: Owner, options: LeaseWaitOptions = {}): Promise<void> {
    await this.#never(`the end of the lease of ${peer}`, options)
  }

  propose(): Promise<View> {
    return Promise.reject(new InvalidParametersError('only members propose: ask one of them'))
  }

  forceView(): Promise<View> {
    return Promise.reject(new InvalidParametersError('only a member can force a view'))
  }

  async #never(what: string, options: LeaseWaitOptions): Promise<void> {
    await this.#waiters.until<void>(() => undefined, { what, ...waitOf(what, options) })
  }

  /** It is in no view. */
  async leave(): Promise<void> {}

  async #open(): Promise<void> {
    const { discovery, random, rpc, store } = this.#components
    this.#self = await new Ledger(store).boot(rpc.peer, random)
    discovery?.addEventListener('connected', this.#onConnected)
    this.#poll()
  }

  readonly #onConnected = ({ detail }: CustomEvent<{ readonly peer: string }>): void => {
    if (this.view === undefined) {
      void this.#ask(detail.peer)
    }
  }

  #poll(): void {
    const { clock } = this.#components
    for (const peer of this.#targets()) {
      void this.#ask(peer)
    }
    this.#cancel = clock.schedule(followMs, () => this.#poll())
  }

  /** A few peers by chance, members and connected ones first. */
  #targets(): readonly string[] {
    const { discovery, random, rpc } = this.#components
    const members = new Set(this.view?.members.map(({ peer }) => peer))
    const connected = discovery?.connected() ?? []
    const known = members.size === 0 ? connected : connected.filter((peer) => members.has(peer))
    const others = known.length > 0 ? known : [...members, ...this.#contacts()]
    const candidates = [...new Set(others)].filter((peer) => peer !== rpc.peer)
    const targets: string[] = []
    while (candidates.length > 0 && targets.length < joinTargetsMax) {
      targets.push(...candidates.splice(Math.floor(random.next() * candidates.length), 1))
    }
    return targets
  }

  async #ask(peer: string): Promise<void> {
    if (this.#asking.has(peer) || this.#starting === undefined) {
      return
    }
    this.#asking.add(peer)
    try {
      await this.#fetch(peer)
    } catch (error) {
      // Another peer, or the next second, will tell.
      this.#log?.trace('asking %s for its view failed: %e', peer, error)
    } finally {
      this.#asking.delete(peer)
    }
  }

  async #fetch(peer: string): Promise<void> {
    const { clock, rpc } = this.#components
    const decisions: Decision[] = []
    let lineage = this.#history.lineage
    for (let page = 0; page <= unsettledMax; page++) {
      const after = decisions.at(-1)?.view.number ?? this.#history.number
      const question = Question.encode({ standing: this.#standing(lineage), after })
      const timeoutMs = askTimeoutMs
      const bytes = await rpc.call(peer, 'membership.view', question, { timeoutMs })
      const { standing, decisions: packed } = Chain.decode(bytes)
      const more = unpackAll(decisions.at(-1)?.view ?? this.view, packed)
      if (more === undefined) {
        return
      }
      const isMember = more.at(-1)?.view.members.some((member) => member.peer === peer) ?? true
      if (standing.cluster !== this.#cluster || standing.size === 0) {
        return
      }
      this.#heardAt.set(peer, clock.monotonic())
      const first = decisions.length === 0 ? more[0]?.view.number : after + 1
      const fits = more.every((decision, index) => {
        return index === 0
          ? decision.view.number === first || decision.forced !== undefined
          : follows(more[index - 1]?.view.number ?? 0, decision)
      })
      if (!fits || (decisions.length > 0 && standing.lineage !== lineage)) {
        return
      }
      lineage = standing.lineage
      decisions.push(...more)
      const last = decisions.at(-1)?.view.number ?? 0
      if (more.length === 0 || (last >= standing.number && isMember)) {
        this.#take({ lineage, settled: standing.settled, decisions })
        return
      }
    }
  }

  #take(chain: { lineage: string; settled: number; decisions: readonly Decision[] }): void {
    const history = this.#history
    const { settled, view: previous } = history
    const newest = chain.decisions.at(-1)?.view.number ?? 0
    if (history.continues(chain)) {
      history.extend(chain)
    } else if (chain.lineage !== history.lineage && newest > history.number) {
      history.replace(chain)
    } else if (chain.lineage === history.lineage) {
      history.settle(chain.settled)
    }
    const { view } = history
    if (view !== undefined && view !== previous) {
      this.#forget(view)
      this.safeDispatchEvent('view', { detail: { previous, view } })
      this.#waiters.check()
    }
    if (history.settled !== settled) {
      this.safeDispatchEvent('settled', { detail: { settled: history.settled } })
    }
  }

  #forget(view: View): void {
    for (const peer of this.#heardAt.keys()) {
      if (view.members.every((member) => member.peer !== peer)) {
        this.#heardAt.delete(peer)
      }
    }
  }

  #standing(lineage: string): Standing {
    const { incarnation, boot } = this.self
    const { number, settled } = this.#history
    return { cluster: this.#cluster, lineage, number, settled, size: 0, incarnation, boot }
  }
}
