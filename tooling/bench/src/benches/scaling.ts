import type { Bench, BenchContext, BenchResult, Cell, Promised } from '../bench.ts'
import { Remote } from '../scaling/control.ts'
import type { ScalingPeerArguments, ScalingPeerReady } from '../scaling/peer.ts'

const SIZES = [3, 5, 10, 20]
const OPERATIONS = ['call', 'update', 'targeted signal', 'shard signal']
/** Operations per second of all peers together, the same at every size: so batches stay rare. */
const PER_SECOND = 600
const SECONDS = 4
const WARM_SECONDS = 1
/** The dearest size may cost so many times the cheapest. */
const RATIO_MAX = 1.3

interface Measured {
  /** Microseconds of CPU per operation, all processes together, idle CPU subtracted. */
  readonly us: number
  readonly failed: number
  readonly p95: number
}

interface SizeResult {
  readonly size: number
  /** Share of one processor that one idle peer takes. */
  readonly idle: number
  readonly operations: Readonly<Record<string, Measured>>
}

async function measureSize(context: BenchContext, size: number): Promise<SizeResult> {
  const remotes: Remote[] = []
  let bootstrap: readonly string[] = []
  for (let at = 0; at < size; at++) {
    const init: ScalingPeerArguments = { bootstrap }
    const started = await context.start(new URL('../scaling/peer.ts', import.meta.url), [
      JSON.stringify(init)
    ])
    const { addresses, controlPort } = started as ScalingPeerReady // its first message
    if (at === 0) bootstrap = addresses
    remotes.push(new Remote(controlPort))
  }
  try {
    // Views settle, connections come up, code is compiled.
    await wait(2_000)
    for (const operation of OPERATIONS) await load(remotes, operation, WARM_SECONDS)
    await wait(1_000)
    const idleUsPerMs = await idleOf(remotes)
    const operations: Record<string, Measured> = {}
    for (const operation of OPERATIONS) {
      context.progress(`${size} peers: ${operation}`)
      operations[operation] = await measure(remotes, operation, idleUsPerMs)
    }
    return { size, idle: idleUsPerMs / 1_000 / size, operations }
  } finally {
    for (const remote of remotes) remote.stop()
  }
}

async function cpuOf(remotes: readonly Remote[]): Promise<number> {
  const answers = await Promise.all(remotes.map((remote) => remote.ask({ kind: 'cpu' })))
  return answers.reduce((total, { cpuUs }) => total + cpuUs, 0)
}

async function idleOf(remotes: readonly Remote[]): Promise<number> {
  const before = await cpuOf(remotes)
  const began = performance.now()
  await wait(SECONDS * 1_000)
  return ((await cpuOf(remotes)) - before) / (performance.now() - began)
}

async function load(
  remotes: readonly Remote[],
  operation: string,
  seconds: number
): Promise<{ done: number; failed: number; p95: number }> {
  const perSecond = PER_SECOND / remotes.length
  const answers = await Promise.all(
    remotes.map((remote) => remote.ask({ kind: 'load', operation, perSecond, seconds }))
  )
  return {
    done: answers.reduce((total, { done }) => total + done, 0),
    failed: answers.reduce((total, { failed }) => total + failed, 0),
    p95: Math.max(...answers.map(({ p95 }) => p95))
  }
}

async function measure(
  remotes: readonly Remote[],
  operation: string,
  idleUsPerMs: number
): Promise<Measured> {
  const before = await cpuOf(remotes)
  const began = performance.now()
  const { done, failed, p95 } = await load(remotes, operation, SECONDS)
  const passedMs = performance.now() - began
  const spentUs = (await cpuOf(remotes)) - before - idleUsPerMs * passedMs
  return { us: spentUs / done, failed, p95 }
}

async function run(context: BenchContext): Promise<BenchResult> {
  const results: SizeResult[] = []
  for (const size of SIZES) results.push(await measureSize(context, size))
  const rows = OPERATIONS.map((operation): Cell[] => {
    const costs = results.map(({ operations }) => operations[operation]?.us ?? Number.NaN)
    return [operation, ...costs.map(Math.round), ratioOf(costs)]
  })
  rows.push([
    'idle, % of a processor per peer',
    ...results.map(({ idle }) => round(idle * 100)),
    ''
  ])
  const promises = OPERATIONS.map((operation): Promised => {
    const measured = results.map(({ operations }) => operations[operation])
    const ratio = ratioOf(measured.map((one) => one?.us ?? Number.NaN))
    const failed = measured.reduce((total, one) => total + (one?.failed ?? 0), 0)
    return {
      what: `${operation}: ${ratio}× from the cheapest to the dearest size, at most ${RATIO_MAX}×`,
      kept: ratio <= RATIO_MAX && failed === 0
    }
  })
  return {
    tables: [
      {
        title: `µs of CPU per operation, all processes together, ${PER_SECOND}/s in all, idle CPU subtracted`,
        columns: ['', ...SIZES.map((size) => `${size} peers`), 'dearest/cheapest'],
        rows
      }
    ],
    figures: { sizes: results },
    promises
  }
}

function ratioOf(costs: readonly number[]): number {
  return round(Math.max(...costs) / Math.min(...costs))
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Whether the cost of one operation stays the same as peers are added. */
export const scaling: Bench = {
  name: 'scaling',
  summary: `CPU per operation at ${SIZES.join(', ')} peer processes, at the same total rate`,
  timeLimitMs: 300_000,
  run
}
