import { check } from './check.ts'
import type { Findings } from './check.ts'
import { Herd, wait } from './herd.ts'
import type { Network } from './network.ts'
import type { Operation } from './protocol.ts'
import type { Scenario } from './scenarios.ts'
import { DEADLINE_MS } from './workloads/workload.ts'

/** One second of one scenario, for the plots. */
export interface Second {
  readonly ok: number
  readonly failed: number
  readonly unknown: number
  readonly p95Ms: number
}

export interface Mark {
  readonly atMs: number
  readonly what: string
}

export interface ScenarioReport {
  readonly scenario: string
  readonly summary: string
  readonly network: string
  readonly peers: number
  /** `skipped` and `broken` runs show nothing, whatever else is said. */
  readonly result: 'held' | 'violated' | 'broken' | 'skipped'
  /** Why it was skipped or is broken, or which promises did not hold. */
  readonly reasons: readonly string[]
  readonly findings?: Findings
  readonly seconds: readonly Second[]
  readonly marks: readonly Mark[]
  readonly operations: Readonly<Record<'ok' | 'failed' | 'unknown', number>>
  /** How often operations ended with which error. */
  readonly errors: Readonly<Record<string, number>>
  /** Operations per second before the first mark. */
  readonly before: number
  /** Milliseconds from the first mark until agents of the side that goes on served again, p95. */
  readonly servedAgainMs?: number
  /** The agents that were longest without an answer, in milliseconds after the first mark. */
  readonly silent?: readonly Gap[]
  /** Share of operations of that side that did not fail, from the first mark to the last. */
  readonly availability?: number
  readonly heals: number
  /** How many operations of each kind ended well. */
  readonly kinds?: Readonly<Record<string, number>>
  /** Effects of owners that were replaced, which the world outside refused. */
  readonly refusedEffects?: number
}

/** The longest time in which an agent answered nobody. Times in milliseconds after the first mark. */
export interface Gap {
  readonly agent: string
  readonly fromMs: number
  readonly ms: number
}

/** Fewer operations per second before the fault, and the run does not count: nothing was tested. */
const BEFORE_MIN = 10
const WARM_MS = 5_000
const AFTER_MS = 4_000
const WHOLE_MS = 60_000
/** A side that cannot decide may acknowledge until it knows: suspicion, silence, and a round. */
const PAUSE_MS = 8_000

/** R − W + 1: with fewer of its three replicas an agent that pauses cannot go on, on no side. */
const COPIES_NEEDED = 2

interface Isolation {
  readonly peers: ReadonlySet<number>
  readonly from: number
  to: number
}

export interface RunInit {
  readonly scenario: Scenario
  readonly network: Network
  readonly peers: number
  readonly keys: number
  readonly paceMs: number
  readonly progress: (text: string) => void
}

/** Runs one scenario from a new cluster to its end. */
export async function runScenario(init: RunInit): Promise<ScenarioReport> {
  const { scenario, network, peers, keys, paceMs } = init
  const herd = new Herd({ network, keys, paceMs })
  const marks: Mark[] = []
  const isolations: Isolation[] = []
  const began = Date.now()
  try {
    await herd.start(peers)
    const loadedFrom = Date.now()
    await wait(WARM_MS)
    const homes = await homesOf(herd, keys)
    const mark = (what: string): void => {
      marks.push({ atMs: Date.now() - began, what })
      init.progress(`${scenario.name}: ${what}`)
    }
    const isolate = (indices: readonly number[]): void => {
      const open = isolations.at(-1)
      if (open !== undefined && open.to === Infinity) open.to = Date.now()
      if (indices.length === 0) return
      isolations.push({ peers: new Set(indices), from: Date.now(), to: Infinity })
    }
    await scenario.act({ herd, count: peers, mark, isolate })
    await herd.whole(WHOLE_MS)
    await wait(AFTER_MS)
    await herd.rest(2 * DEADLINE_MS)
    await herd.whole(WHOLE_MS)
    const frozen = new Set(
      marks.flatMap(({ what }) => /^freeze (\d+)/.exec(what)?.[1] ?? []).map(Number)
    )
    const findings = await check(herd, frozen)
    return judge(init, { herd, began, loadedFrom, marks, isolations, homes, findings })
  } catch (error) {
    const reason = reasonOf(error)
    return {
      ...described(init),
      result: 'broken',
      reasons: [reason],
      seconds: secondsOf(herd.operations, began),
      marks,
      operations: countsOf(herd.operations),
      errors: errorsOf(herd.operations),
      before: 0,
      heals: herd.heals.length
    }
  } finally {
    await herd.end()
  }
}

/** The peers with copies of each agent, as its replicas were before the fault. */
async function homesOf(herd: Herd, keys: number): Promise<Map<string, readonly number[]>> {
  const [asked] = herd.up
  const homes = new Map<string, readonly number[]>()
  if (asked === undefined) return homes
  for (const kind of ['ledger', 'board'] as const) {
    for (let at = 0; at < keys; at++) {
      const { replicas } = await herd.read(asked, kind, `k${at}`, false)
      const home = herd.up.filter(({ peer }) => replicas.includes(peer))
      homes.set(
        `${kind}/k${at}`,
        home.map(({ index }) => index)
      )
    }
  }
  return homes
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

function described({
  scenario,
  network,
  peers
}: RunInit): Pick<ScenarioReport, 'scenario' | 'summary' | 'network' | 'peers'> {
  return { scenario: scenario.name, summary: scenario.summary, network: network.name, peers }
}

interface Course {
  readonly herd: Herd
  readonly began: number
  readonly loadedFrom: number
  readonly marks: readonly Mark[]
  readonly isolations: readonly Isolation[]
  readonly homes: ReadonlyMap<string, readonly number[]>
  readonly findings: Findings
}

function judge(init: RunInit, course: Course): ScenarioReport {
  const { herd, began, loadedFrom, marks, isolations, homes, findings } = course
  const { operations } = herd
  const faultAt = began + (marks[0]?.atMs ?? 0)
  const healedAt = began + (marks.at(-1)?.atMs ?? 0)
  const early = operations.filter(({ begun, ms }) => begun >= loadedFrom && begun + ms < faultAt)
  const before = (early.length * 1_000) / Math.max(1, faultAt - loadedFrom)
  const isIsolated = (peer: number): boolean => isolations.some((i) => i.peers.has(peer))
  const cutOff = new Set(
    [...homes].flatMap(([id, home]) =>
      home.filter((peer) => !isIsolated(peer)).length < COPIES_NEEDED ? id : []
    )
  )
  const going = operations.filter(
    ({ client, kind, key }) =>
      !isIsolated(client) && !(kind === 'ledger' && cutOff.has(`${kind}/${key}`))
  )
  const gaps = longestGaps(
    going.filter(({ kind }) => kind === 'ledger' || kind === 'board'),
    faultAt
  )
  const served = gaps.at(Math.floor(0.05 * gaps.length))?.ms ?? 0
  const during = going.filter(({ begun }) => begun >= faultAt && begun < healedAt)
  const availability =
    during.length === 0
      ? 1
      : during.filter(({ outcome }) => outcome === 'ok').length / during.length
  const reasons = [
    ...told('acknowledged updates lost', findings.lost),
    ...told('updates doubled', findings.doubled),
    ...told('removals resurrected', findings.resurrected),
    ...told('agents with unequal copies', findings.unequal),
    ...told('owners behind what was acknowledged', findings.behind),
    ...told('not linearizable lists', findings.lists),
    ...told('claims and effects out of order', findings.fencing),
    ...told('session guarantees broken', findings.sessions),
    ...told('signals lost, doubled or out of order', findings.signals),
    ...told('operations beyond their deadline', findings.late),
    ...told('acknowledged by a side that had to pause', pausedAcks(operations, isolations))
  ]
  const { servedAgainMs } = init.scenario
  if (servedAgainMs !== undefined && served > servedAgainMs) {
    reasons.push(`served again after ${Math.round(served)} ms (p95), ${servedAgainMs} ms allowed`)
  }
  const isTooSlow = before < BEFORE_MIN
  if (isTooSlow) reasons.push(`only ${before.toFixed(1)} operations/s before the fault`)
  return {
    ...described(init),
    result: isTooSlow ? 'broken' : reasons.length === 0 ? 'held' : 'violated',
    reasons,
    findings,
    seconds: secondsOf(operations, began),
    marks,
    operations: countsOf(operations),
    errors: errorsOf(operations),
    before,
    ...(servedAgainMs === undefined ? {} : { servedAgainMs: served, silent: gaps.slice(0, 10) }),
    availability,
    heals: herd.heals.length,
    kinds: kindsOf(operations),
    refusedEffects: herd.world.refused
  }
}

function kindsOf(operations: readonly Operation[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { kind, outcome } of operations) {
    if (outcome === 'ok') counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

function told(what: string, found: readonly string[]): string[] {
  if (found.length === 0) return []
  return [`${found.length} ${what}: ${found.slice(0, 3).join('; ')}${found.length > 3 ? ' …' : ''}`]
}

/** Updates that need a majority, acknowledged to clients of isolated peers once they had to know. */
function pausedAcks(
  operations: readonly Operation[],
  isolations: readonly Isolation[]
): readonly string[] {
  return operations
    .filter(
      ({ kind, action, outcome }) =>
        pausing.has(kind) && action !== 'size' && action !== 'list' && outcome === 'ok'
    )
    .filter(({ client, begun, ms }) =>
      isolations.some(
        ({ peers, from, to }) => peers.has(client) && begun > from + PAUSE_MS && begun + ms < to
      )
    )
    .map(({ kind, key, name }) => `${kind}/${key} ${name}`)
}

/** Kinds of agents that pause where no majority is. */
const pausing: ReadonlySet<Operation['kind']> = new Set(['ledger', 'journal'])

/** The longest time after the fault in which each agent answered nobody, the longest first. */
function longestGaps(operations: readonly Operation[], faultAt: number): readonly Gap[] {
  const ends = new Map(operations.map(({ kind, key }) => [`${kind}/${key}`, [faultAt]]))
  for (const { kind, key, begun, ms, outcome } of operations) {
    if (outcome === 'ok' && begun + ms > faultAt) ends.get(`${kind}/${key}`)?.push(begun + ms)
  }
  return [...ends]
    .map(([agent, times]) => {
      const sorted = times.toSorted((one, other) => one - other)
      let longest = { agent, fromMs: 0, ms: 0 }
      for (const [at, time] of sorted.entries()) {
        const from = sorted[at - 1] ?? time
        if (time - from > longest.ms) longest = { agent, fromMs: from - faultAt, ms: time - from }
      }
      return longest
    })
    .toSorted((one, other) => other.ms - one.ms)
}

function countsOf(operations: readonly Operation[]): ScenarioReport['operations'] {
  const count = (outcome: Operation['outcome']): number =>
    operations.filter((operation) => operation.outcome === outcome).length
  return { ok: count('ok'), failed: count('failed'), unknown: count('unknown') }
}

function errorsOf(operations: readonly Operation[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { error } of operations) {
    if (error !== undefined) counts[error] = (counts[error] ?? 0) + 1
  }
  return counts
}

function secondsOf(operations: readonly Operation[], began: number): Second[] {
  const bySecond = new Map<number, Operation[]>()
  for (const operation of operations) {
    const second = Math.floor((operation.begun + operation.ms - began) / 1_000)
    bySecond.set(second, [...(bySecond.get(second) ?? []), operation])
  }
  const last = Math.max(-1, ...bySecond.keys())
  return Array.from({ length: last + 1 }, (_, second) => {
    const done = bySecond.get(second) ?? []
    const times = done.map(({ ms }) => ms).toSorted((a, b) => a - b)
    return { ...countsOf(done), p95Ms: Math.round(times[Math.floor(0.95 * times.length)] ?? 0) }
  })
}
