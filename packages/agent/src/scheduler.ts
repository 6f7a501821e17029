import { isFactual } from '@murmuration/interface'
import type { AgentRecord, IdempotencyKey } from '@murmuration/interface'
import { serverOf, slotOf } from '@murmuration/placement'
import { lastingSessionPrefix } from '@murmuration/state'
import type { OwnedDocument, StateEvents } from '@murmuration/state'
import type { Catalog } from './catalog.ts'
import { DueQueue } from './core/due-queue.ts'
import type { Mutants } from './core/mutants.ts'
import { ticksOf } from './core/schedule.ts'
import type { Ticks } from './core/schedule.ts'
import { defaults } from './defaults.ts'
import type { AgentType } from './define.ts'
import { HandlerFailure } from './failure.ts'
import type { AgentHost } from './host.ts'
import type { AgentComponents, ScheduledTick } from './index.ts'
import { STEADY } from './interest.ts'
import type { ScheduleDefinition } from './schedules.ts'

/** One schedule of one agent that this peer owns. */
interface Plan {
  readonly record: AgentRecord
  readonly name: string
  readonly schedule: ScheduleDefinition
  readonly ticks: Ticks
  /** Whether it was looked at what was missed before this peer owned the agent. */
  isExamined: boolean
  /** The tick that is to be served next. */
  tick: number
  isWanted: boolean
}

/**
 * Fires the schedules of the agents that this peer owns. The cluster owns a schedule: what was fired
 * stands in the agent's state, as the key (schedule, tick) of the call, so the next owner goes on
 * where this one ended, and a tick that two owners fire counts once.
 */
export class Scheduler {
  readonly #components: AgentComponents
  readonly #catalog: Catalog
  readonly #host: AgentHost
  readonly #mutants: Mutants
  #calls = 0
  readonly #plans = new Map<string, readonly Plan[]>()
  readonly #queue = new DueQueue<Plan>()
  readonly #onView = (): void => this.#trackAll()
  readonly #onTenure = ({ detail }: StateEvents['tenure']): void => {
    if (detail.status === 'begun') this.#track(detail.id)
    else this.#untrack(detail.id)
  }
  #stopping = new AbortController()
  #cancel: (() => void) | undefined
  #firing = 0

  constructor(
    components: AgentComponents,
    parts: { readonly catalog: Catalog; readonly host: AgentHost; readonly mutants: Mutants }
  ) {
    this.#components = components
    this.#catalog = parts.catalog
    this.#host = parts.host
    this.#mutants = parts.mutants
  }

  start(): void {
    const isScheduled = [...this.#catalog.entries].some(({ type }) => hasSchedules(type))
    if (!isScheduled) return
    const { membership, state } = this.#components
    this.#stopping = new AbortController()
    membership.addEventListener('view', this.#onView)
    state.addEventListener('tenure', this.#onTenure)
    this.#trackAll()
  }

  stop(): void {
    const { membership, state } = this.#components
    membership.removeEventListener('view', this.#onView)
    state.removeEventListener('tenure', this.#onTenure)
    this.#stopping.abort()
    this.#cancel?.()
    for (const id of this.#plans.keys()) this.#untrack(id)
  }

  /** What is due on this peer, and when. */
  list(): ScheduledTick[] {
    return [...this.#plans.values()].flatMap((plans) =>
      plans.map(({ record, name, tick }) => ({ id: record.id, name, at: tick * 1_000 }))
    )
  }

  /** Agents that have state, and those that the definitions name. */
  #trackAll(): void {
    for (const { id } of this.#components.state.records()) this.#track(id)
    for (const { type } of this.#catalog.entries) {
      for (const { keys } of Object.values(type.schedules)) {
        for (const key of keys ?? []) this.#track(type.id(key))
      }
    }
  }

  #track(id: string): void {
    if (this.#plans.has(id)) return
    const entry = this.#catalog.lookUp(id)
    if (entry === undefined || !hasSchedules(entry.type)) return
    const { type, key } = entry
    const record = type.record(key)
    const { state, rpc, clock } = this.#components
    if (serverOf(state.placement(), record) !== rpc.peer) return
    const plans = Object.entries(type.schedules)
      .filter(([, { keys }]) => keys === undefined || keys.includes(key))
      .map(([name, schedule]): Plan => {
        const ticks = ticksOf(name, schedule, phaseOf(id))
        return { record, name, schedule, ticks, isExamined: false, tick: 0, isWanted: true }
      })
    if (plans.length === 0) return
    this.#plans.set(id, plans)
    for (const plan of plans) this.#queue.add(clock.now(), plan)
    this.#wake()
  }

  #untrack(id: string): void {
    for (const plan of this.#plans.get(id) ?? []) plan.isWanted = false
    this.#plans.delete(id)
  }

  /** Serves what is due, at most so many at once, and sleeps until the next. */
  #wake(): void {
    this.#cancel?.()
    const { clock } = this.#components
    const now = clock.now()
    while (this.#firing < defaults.schedulesFiringMax) {
      const plan = this.#queue.take(now)
      if (plan === undefined) break
      if (!plan.isWanted) continue
      this.#firing++
      void this.#serve(plan).then((againMs) => {
        this.#firing--
        if (plan.isWanted && againMs !== undefined) this.#queue.add(againMs, plan)
        if (!this.#stopping.signal.aborted) this.#wake()
      })
    }
    const next = this.#queue.next
    if (next === undefined || this.#firing >= defaults.schedulesFiringMax) return
    // The wall clock may be set: never sleep for long on what it said.
    const delayMs = Math.min(Math.max(next - now, 1), defaults.scheduleSleepMs)
    this.#cancel = clock.schedule(delayMs, () => this.#wake())
  }

  /** Serves one plan that is due; gives when to look at it again. Never rejects. */
  async #serve(plan: Plan): Promise<number | undefined> {
    const { clock, log } = this.#components
    try {
      if (!plan.isExamined) {
        plan.tick = await this.#examine(plan)
        plan.isExamined = true
      }
      const lateMs = clock.now() - plan.tick * 1_000
      if (lateMs >= 0) {
        const isSkipped = plan.schedule.missed === 'skip' && lateMs > defaults.scheduleSkipMs
        if (!isSkipped) await this.#fire(plan)
        plan.tick = this.#following(plan)
      }
      return plan.tick * 1_000
    } catch (error) {
      if (isFactual(error) && (error.name === 'NotOwnerError' || error.name === 'FencedError')) {
        this.#untrack(plan.record.id)
        return undefined
      }
      if (this.#stopping.signal.aborted) return undefined
      log?.(`schedule ${plan.name} of ${plan.record.id} waits: ${String(error)}`)
      return clock.now() + defaults.scheduleRetryMs
    }
  }

  /** The tick to serve first: one that was missed, or the next one. */
  async #examine(plan: Plan): Promise<number> {
    const { clock, state } = this.#components
    const owned = await state.own(plan.record, { signal: this.#stopping.signal })
    const since = await this.#beginning(plan, owned)
    const now = clock.now()
    const next = plan.ticks.after(now) ?? Number.MAX_SAFE_INTEGER
    if (this.#mutants.missedNotExamined === true) return next
    const missed = (tick: number | undefined): tick is number =>
      tick !== undefined && tick > since && owned.lookup(checkOf(plan, tick)).status === 'new'
    const latest = plan.ticks.latest(now)
    if (!missed(latest)) return next
    const { missed: policy = 'once' } = plan.schedule
    if (policy === 'skip') {
      return now - latest * 1_000 <= defaults.scheduleSkipMs ? latest : next
    }
    let first = latest
    for (let count = 1; policy === 'all' && count < defaults.scheduleCatchUpMax; count++) {
      const before = plan.ticks.latest(first * 1_000 - 1)
      if (!missed(before)) break
      first = before
    }
    return first
  }

  /**
   * When the agent got this schedule, in seconds: it has missed nothing before. The first owner
   * writes it down, under a key of its own; 0 once that has been forgotten, because then the keys of
   * later ticks say what was fired.
   */
  async #beginning(plan: Plan, owned: OwnedDocument): Promise<number> {
    const key = keyOf(plan, 0, 0)
    const known = owned.lookup(key)
    if (known.status === 'expired' || this.#mutants.beginningNotKept === true) return 0
    const since = String(Math.floor(this.#components.clock.now() / 1_000))
    const commit =
      known.status === 'known'
        ? await known.commit
        : await owned.commit([], { key, result: new TextEncoder().encode(since) })
    return Number(new TextDecoder().decode(commit.result))
  }

  async #fire(plan: Plan): Promise<void> {
    const { membership, log } = this.#components
    const { record, name, schedule, tick } = plan
    const key = keyOf(plan, tick, tick)
    if (this.#mutants.tickWithoutKey === true) {
      Object.assign(key, {
        session: `${membership.self.peer} ${membership.self.boot} ${this.#calls++}`
      })
    }
    const input = schedule.input ?? null
    const request = {
      agent: record.id,
      kind: 'call',
      view: membership.view?.number ?? 0,
      action: schedule.action,
      input,
      key
    } as const
    const timeoutMs = defaults.callTimeoutMs
    try {
      await this.#host.perform(request, { key, caller: STEADY, timeoutMs, recorded: true })
    } catch (error) {
      // Its author's affair: the next tick comes all the same.
      if (error instanceof HandlerFailure) log?.(`schedule ${name} of ${record.id}: ${error.error}`)
      else if (!(isFactual(error) && error.name === 'KeyExpiredError')) throw error
    }
  }

  /** With `all` each tick in turn; else the one after now, unless that passed meanwhile. */
  #following({ schedule, ticks, tick }: Plan): number {
    const now = this.#components.clock.now()
    const from = schedule.missed === 'all' ? tick * 1_000 : Math.max(tick * 1_000, now)
    return ticks.after(from) ?? Number.MAX_SAFE_INTEGER
  }
}

function hasSchedules(type: AgentType): boolean {
  return Object.keys(type.schedules).length > 0
}

/** Seconds are told apart, so a changed definition never meets the keys of the one before. */
function keyOf({ name }: Plan, tick: number, lowest: number): IdempotencyKey {
  return { session: `${lastingSessionPrefix}schedule:${name}`, sequence: tick, lowest }
}

/** Asks without saying that anything before is confirmed. */
function checkOf(plan: Plan, tick: number): IdempotencyKey {
  return keyOf(plan, tick, 0)
}

/** Spreads agents over an interval, the same way on every peer. */
function phaseOf(id: string): number {
  return slotOf(id, PHASES) / PHASES
}

const PHASES = 2 ** 16
