import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AgentRecord, Member, View } from '@murmuration/interface'
import { planRebalance } from '@murmuration/placement'
import type { Bench, BenchContext, BenchResult, Promised } from '../bench.ts'
import { startRaw } from '../budgets/cluster.ts'
import { raw } from '../budgets/operations.ts'
import { Remote } from '../scaling/control.ts'
import type { Answer } from '../scaling/control.ts'
import type { ScalingPeerArguments, ScalingPeerReady } from '../scaling/peer.ts'

const PEERS = 5
const CLAIMS = 10_000
const CLAIMS_SECONDS_MAX = 30
const CLAIM_P95_MS = 5
const FIND_P95_MS = 1
const CACHED_PER_SECOND = 2_000_000

async function startPeers(context: BenchContext, folder: string): Promise<Remote[]> {
  const remotes: Remote[] = []
  let bootstrap: readonly string[] = []
  for (let at = 0; at < PEERS; at++) {
    const init: ScalingPeerArguments = { bootstrap, dataDir: join(folder, `peer-${at}`) }
    const module = new URL('../scaling/peer.ts', import.meta.url)
    const started = await context.start(module, [JSON.stringify(init)])
    const { addresses, controlPort } = started as ScalingPeerReady // its first message
    if (at === 0) bootstrap = addresses
    remotes.push(new Remote(controlPort))
  }
  return remotes
}

interface Floor {
  readonly p50: number
  readonly p95: number
}

/** What a raw socket takes, one answer after the other, as claims and finds are measured here. */
async function floorOf(port: number, count: number): Promise<Floor> {
  const socket = await raw(port)
  const times: number[] = []
  try {
    for (let round = 0; round < count; round++) {
      const began = performance.now()
      await socket.run(round)
      times.push(performance.now() - began)
    }
  } finally {
    socket.close()
  }
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0
  return { p50: at(0.5), p95: at(0.95) }
}

/** The disks may be slow for a while: what was measured between two floors has the slower one. */
function slower(a: Floor, b: Floor): Floor {
  return { p50: Math.max(a.p50, b.p50), p95: Math.max(a.p95, b.p95) }
}

async function measure(context: BenchContext): Promise<Record<string, number>> {
  const folder = await mkdtemp(join(tmpdir(), 'registry-bench-'))
  const remotes = await startPeers(context, folder)
  const { chainPort, echoPort } = await startRaw(context, 0, folder)
  const [first] = remotes
  try {
    if (first === undefined) throw new Error('no peer was started')
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    context.progress('claims one after the other, with three durable replicas')
    const claim = (
      prefix: string,
      count: number,
      width: number
    ): ((r: Remote) => Promise<Answer>) => {
      return (remote) => remote.ask({ kind: 'claims', prefix, count, width })
    }
    await claim('warm-', 500, 1)(first)
    const before = await floorOf(chainPort, 500)
    const alone = await claim('alone-', 2_000, 1)(first)
    const disks = slower(before, await floorOf(chainPort, 500))
    context.progress(`${CLAIMS} claims on ${PEERS} peers`)
    const began = performance.now()
    const many = await Promise.all(remotes.map(claim('many-', CLAIMS, 32)))
    const seconds = (performance.now() - began) / 1_000
    // What was claimed is still being compacted on all disks; finds are measured by themselves.
    await new Promise((resolve) => setTimeout(resolve, 5_000))
    context.progress('finds')
    const quiet = await floorOf(echoPort, 2_000)
    const finds = await first.ask({ kind: 'finds', prefix: 'many-', count: 2_000 })
    const echo = slower(quiet, await floorOf(echoPort, 2_000))
    return {
      claimP50Ms: alone.p50,
      claimP95Ms: alone.p95,
      twoDisksP50Ms: disks.p50,
      twoDisksP95Ms: disks.p95,
      claimsDone: many.reduce((total, { done }) => total + done, 0),
      claimsFailed: many.reduce((total, { failed }) => total + failed, alone.failed),
      claimsSeconds: seconds,
      findP50Ms: finds.p50,
      findP95Ms: finds.p95,
      echoP50Ms: echo.p50,
      echoP95Ms: echo.p95,
      findsFailed: finds.failed,
      cachedPerSecond: finds.cachedPerSecond ?? 0
    }
  } finally {
    for (const remote of remotes) remote.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** What joins and leaves move, by the placement alone: nothing but what must. */
function moves(): Record<string, number> {
  const member = (at: number): Member => ({
    peer: `peer-${String(at).padStart(3, '0')}`,
    incarnation: '1',
    addresses: [],
    labels: {},
    weight: 100,
    since: 1
  })
  const view = (count: number, without?: number): View => ({
    cluster: 'bench',
    number: 1,
    members: Array.from({ length: count }, (_, at) => member(at)).filter((_, at) => at !== without),
    tieBreaker: 'peer-000',
    placement: { hash: 'sha256-hrw-1', slots: 16_384, zoneLabel: 'zone' }
  })
  const agents = Array.from({ length: 20_000 }, (_, at): AgentRecord => {
    return { id: `default/meter/${at}`, placement: 'hash', replicas: 3 }
  })
  let needless = 0
  let worst = 0
  for (const size of [3, 5, 10, 20, 50, 100]) {
    for (const [from, to] of [
      [view(size), view(size + 1)],
      [view(size), view(size, Math.floor(size / 2))]
    ] as const) {
      const { owners, replicas, idealShare } = planRebalance(from, to, agents)
      needless += owners.needless + replicas.needless
      worst = Math.max(worst, owners.moved / owners.total / idealShare)
    }
  }
  return { needlessMoves: needless, movedOverIdeal: worst }
}

async function run(context: BenchContext): Promise<BenchResult> {
  const found = { ...(await measure(context)), ...moves() }
  const of = (name: string): number => found[name as keyof typeof found] ?? Number.NaN
  const rounded = (name: string): number => Math.round(of(name) * 1_000) / 1_000
  const promises: Promised[] = [
    {
      what: `a claim with three durable replicas: p95 ${rounded('claimP95Ms')} ms below ${CLAIM_P95_MS} ms (raw, on two disks: ${rounded('twoDisksP95Ms')} ms)`,
      kept: of('claimP95Ms') < CLAIM_P95_MS
    },
    {
      what: `${of('claimsDone')} claims on ${PEERS} peers in ${rounded('claimsSeconds')} s, below ${CLAIMS_SECONDS_MAX} s`,
      kept: of('claimsSeconds') < CLAIMS_SECONDS_MAX && of('claimsFailed') === 0
    },
    {
      what: `find of what was not found before: p95 ${rounded('findP95Ms')} ms below ${FIND_P95_MS} ms (a raw echo: ${rounded('echoP95Ms')} ms)`,
      kept: of('findP95Ms') < FIND_P95_MS && of('findsFailed') === 0
    },
    {
      what: `find from the cache: ${Math.round(of('cachedPerSecond') / 1_000)} thousand per second of CPU, at least ${CACHED_PER_SECOND / 1_000}`,
      kept: of('cachedPerSecond') >= CACHED_PER_SECOND
    },
    {
      what: `joins and leaves at 3 to 100 members: ${of('needlessMoves')} needless moves`,
      kept: of('needlessMoves') === 0
    },
    {
      what: `and ${rounded('movedOverIdeal')}× the least possible, at most 1.25×`,
      kept: of('movedOverIdeal') <= 1.25
    }
  ]
  const rows = Object.keys(found).map((name) => [name, rounded(name)])
  const title = `The registry on ${PEERS} peer processes with disks`
  return { tables: [{ title, columns: ['', 'value'], rows }], figures: found, promises }
}

/** Claims, finds, and what joins and leaves move. */
export const registry: Bench = {
  name: 'registry',
  summary: 'claims and finds on 5 peer processes with disks; moves of joins and leaves',
  timeLimitMs: 240_000,
  run
}
