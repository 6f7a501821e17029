import { TypedEventEmitter } from 'main-event'
import type {
  HealReport,
  Partition,
  PartitionEvents,
  PartitionKind,
  PartitionPolicy,
  PartitionStatus,
  PartitionStrategy,
  Reachability,
  SimulatedSide,
  SplitDecision,
  Verdict,
  View
} from '@murmuration/interface'
import { describeLinks, situationOf } from './core/links.ts'
import type { Links } from './core/links.ts'
import { Rest } from './core/rest.ts'
import { isSame, Rows } from './core/rows.ts'
import { simulateSplit } from './core/simulate.ts'
import { standingOf } from './core/standing.ts'
import { strategyOf } from './core/strategies.ts'
import { defaults, stableAfterMs } from './defaults.ts'
import type { PartitionComponents, PartitionInit } from './index.ts'

const METHOD = 'partition.report'

const whole: SplitDecision = { verdict: 'run', reason: 'every member is reached' }

interface Split {
  readonly began: number
  readonly view: number
  readonly missed: Set<string>
  status: PartitionStatus
  kind: PartitionKind
  /** When it seemed to be over. */
  over?: { readonly wall: number; readonly atMs: number } | undefined
}

export class MembershipPartition extends TypedEventEmitter<PartitionEvents> implements Partition {
  readonly #components: PartitionComponents
  readonly #default: PartitionPolicy
  readonly #stableAfterMs: (members: number) => number
  readonly #onChange = (): void => this.#update()
  #rows = new Rows('', 0)
  #rest: Rest | undefined
  /** Decisions until the next change: they are asked for with every call. */
  #decisions = new Map<PartitionStrategy, SplitDecision>()
  #status: PartitionStatus = 'whole'
  #kind: PartitionKind = 'whole'
  #reasons: readonly string[] = []
  #split: Split | undefined
  #cancel: (() => void) | undefined

  constructor(components: PartitionComponents, init: PartitionInit) {
    super()
    this.#components = components
    this.#default = init.policy ?? 'pause-minority'
    this.#stableAfterMs = (members) => init.stableAfterMs ?? stableAfterMs(members)
  }

  get status(): PartitionStatus {
    return this.#status
  }

  get kind(): PartitionKind {
    return this.#kind
  }

  get reasons(): readonly string[] {
    return this.#reasons
  }

  verdict(policy?: PartitionPolicy): Verdict {
    return this.decide(policy).verdict
  }

  decide(policy: PartitionPolicy = this.#default): SplitDecision {
    const rest = this.#rest
    if (rest === undefined) return whole
    const strategy = strategyOf(policy)
    const known = this.#decisions.get(strategy)
    if (known !== undefined) return known
    const now = this.#now()
    const stable = this.#stableAfterMs(rest.current.view.members.length)
    const isUnstable = rest.isUnstable(now, stable)
    const links = strategy.isImmediate === true || isUnstable ? rest.current : rest.settled
    const decision = this.#judge(strategy, links, isUnstable)
    this.#decisions.set(strategy, decision)
    return decision
  }

  #judge(strategy: PartitionStrategy, links: Links, isUnstable: boolean): SplitDecision {
    try {
      return strategy.decide(situationOf(links, { isUnstable }))
    } catch (error) {
      // A strategy of a user that fails must not open what it was to guard.
      this.#components.log?.(`strategy ${strategy.name} failed: ${String(error)}`)
      return { verdict: 'pause', reason: `the strategy ${strategy.name} failed` }
    }
  }

  simulate(
    policy: PartitionPolicy,
    sides: readonly (readonly string[])[]
  ): readonly SimulatedSide[] {
    const { view } = this.#components.membership
    return view === undefined ? [] : simulateSplit(view, policy, sides)
  }

  start(): void {
    const { membership, rpc } = this.#components
    // Membership knows who it is once it has started, which is before this.
    this.#rows = new Rows(membership.self.peer, membership.self.boot)
    membership.addEventListener('view', this.#onChange)
    membership.addEventListener('reachability', this.#onChange)
    rpc?.handle(METHOD, (bytes) => {
      if (this.#rows.hear(bytes, this.#now())) this.#update()
      return empty
    })
    this.#update()
    this.#tick()
  }

  stop(): void {
    const { membership, rpc } = this.#components
    membership.removeEventListener('view', this.#onChange)
    membership.removeEventListener('reachability', this.#onChange)
    rpc?.unhandle(METHOD)
    this.#cancel?.()
    this.#cancel = undefined
  }

  #now(): number {
    return this.#components.clock?.monotonic() ?? 0
  }

  /** Each second: old reports go, links may have come to rest, and others are told what is broken. */
  #tick(): void {
    const { clock, membership } = this.#components
    this.#cancel = clock?.schedule(defaults.reportMs, () => {
      this.#tick()
      const { view } = membership
      if (view === undefined || this.#rest === undefined) return
      const now = clock.monotonic()
      if (this.#rows.expire(view, now)) this.#update()
      const stable = this.#stableAfterMs(view.members.length)
      if (this.#rest.settle(now, stable) || this.#rest.isUnstable(now, stable)) {
        this.#decisions.clear()
        // Who waits for the end of a pause looks again.
        this.#announce(view)
      }
      this.#conclude(view)
      if (this.#rows.isTroubled) this.#tell(view, now)
    })
  }

  #tell(view: View, now: number): void {
    const { rpc, membership, log } = this.#components
    if (rpc === undefined) return
    this.#rows.see(this.#seen(view), now)
    const bytes = this.#rows.encode(now)
    const heard = view.members.filter(
      ({ peer }) => peer !== membership.self.peer && membership.reachability(peer) !== 'unreachable'
    )
    for (const { peer } of heard.slice(0, defaults.sendsMax)) {
      // Told again a second later; who is not reached is the very thing that is being told.
      rpc
        .call(peer, METHOD, bytes, { timeoutMs: defaults.sendTimeoutMs })
        .catch((error: unknown) => log?.(`links were not told to ${peer}: ${String(error)}`))
    }
  }

  /** Who is outside the view is on no side of a split: the owners that it asks judge for themselves. */
  #seen(view: View): ReadonlyMap<string, Reachability> {
    const { membership } = this.#components
    const self = membership.self.peer
    const inside = view.members.some(({ peer }) => peer === self)
    return new Map(
      view.members.map(({ peer }): [string, Reachability] => [
        peer,
        peer === self || !inside ? 'reachable' : membership.reachability(peer)
      ])
    )
  }

  #update(): void {
    const { membership } = this.#components
    const { view } = membership
    if (view === undefined) return
    const now = this.#now()
    const seen = this.#seen(view)
    this.#rows.see(seen, now)
    const self = membership.self.peer
    const rows = seen.has(self)
      ? this.#rows.all
      : new Map<string, ReadonlyMap<string, Reachability>>()
    const links = { self, view, rows }
    const known = this.#rest?.current
    if (this.#rest === undefined) this.#rest = new Rest(links, now)
    if (known !== undefined && !isEqual(known, links)) this.#rest.change(links, now)
    if (this.#components.clock === undefined) this.#rest.settle(now, 0)
    this.#decisions.clear()
    const { status, unreachable } = standingOf(view, (peer) => seen.get(peer) ?? 'reachable')
    const { kind, reasons } = describeLinks(links)
    this.#kind = kind
    this.#reasons = reasons
    this.#show(status, unreachable, view)
    this.#follow(status, unreachable, view)
  }

  #announce(view: View): void {
    const seen = this.#seen(view)
    const { status, unreachable } = standingOf(view, (peer) => seen.get(peer) ?? 'reachable')
    const detail = { previous: this.#status, status, unreachable }
    this.safeDispatchEvent('status', { detail })
  }

  #show(status: PartitionStatus, unreachable: readonly string[], view: View): void {
    const previous = this.#status
    if (status === previous) return
    this.#status = status
    this.#components.log?.(`partition status ${previous} -> ${status}`, {
      view: view.number,
      unreachable: unreachable.length
    })
    this.safeDispatchEvent('status', { detail: { previous, status, unreachable } })
  }

  /** Writes down what a split is. */
  #follow(status: PartitionStatus, unreachable: readonly string[], view: View): void {
    const isOver = status === 'whole' && (this.#kind === 'whole' || this.#kind === 'suspected')
    const wall = this.#components.clock?.now() ?? 0
    if (isOver) {
      if (this.#split !== undefined) this.#split.over ??= { wall, atMs: this.#now() }
      if (this.#components.clock === undefined) this.#conclude(view)
      return
    }
    const kind = this.#kind
    const fresh: Split = { began: wall, view: view.number, missed: new Set(), status, kind }
    const split = (this.#split ??= fresh)
    split.over = undefined
    for (const peer of unreachable) split.missed.add(peer)
    if (status === 'minority' || split.status === 'whole') split.status = status
    if (kind === 'split') split.kind = kind
  }

  /** Tells of a split that is over, once no late report speaks of it any more. */
  #conclude(view: View): void {
    const split = this.#split
    if (split?.over === undefined) return
    const { clock, log } = this.#components
    if (clock !== undefined && this.#now() - split.over.atMs < defaults.healedMs) return
    this.#split = undefined
    const { began, status, kind } = split
    const ended = split.over.wall
    const missed = [...split.missed].toSorted()
    log?.(`split is over after ${ended - began} ms`, { kind, missed: missed.length })
    const detail: HealReport = {
      began,
      ended,
      status,
      kind,
      missed,
      views: [split.view, view.number]
    }
    this.safeDispatchEvent('healed', { detail })
  }
}

function isEqual(a: Links, b: Links): boolean {
  if (a.view !== b.view || a.rows.size !== b.rows.size) return false
  return [...a.rows].every(([observer, row]) => {
    const other = b.rows.get(observer)
    return other !== undefined && isSame(row, other)
  })
}

const empty = new Uint8Array()
