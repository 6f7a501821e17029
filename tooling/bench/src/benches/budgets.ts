import type { Bench, BenchContext, BenchResult, Promised, Table } from '../bench.ts'
import { startCluster } from '../budgets/cluster.ts'
import { openLoop } from '../budgets/open-loop.ts'
import type { OpenLoop } from '../budgets/open-loop.ts'
import { operationsOf, raw } from '../budgets/operations.ts'
import type { Operation } from '../budgets/operations.ts'

/** No cross-peer operation may take longer at the 95th percentile. */
const BUDGET_MS = 10
const DELAYS_MS = [0, 2]
const PER_SECOND = 150
/** So many before, so many at a time, that V8 has compiled what runs: a peer that serves for minutes is meant. */
const FULL = { warmOperations: 4_000, warmSecondsMax: 5, seconds: 3 }
/** Enough to see that an operation is not far from what it was. */
const BRIEF = { warmOperations: 1_000, warmSecondsMax: 2, seconds: 1.5 }
const WARM_AT_ONCE = 32
/**
 * A raw socket runs beside each operation: what it suffers meanwhile is the machine's doing. It echoes,
 * and beside what has to be on two disks it writes to two.
 */
const RAW_PER_SECOND = 50

interface Measured {
  readonly name: string
  readonly operation: OpenLoop
  /** The raw socket at the same time. */
  readonly floor: OpenLoop
  /** Of p50, against the raw socket at the same time. */
  readonly ratio: number
}

async function measure(
  operation: Operation,
  floorOf: Operation,
  length: typeof FULL
): Promise<Measured> {
  await warmUp(operation, length)
  const [found, floor] = await Promise.all([
    openLoop((index) => operation.run(index), PER_SECOND, length.seconds),
    openLoop((index) => floorOf.run(index), RAW_PER_SECOND, length.seconds)
  ])
  return { name: operation.name, operation: found, floor, ratio: found.p50 / floor.p50 }
}

async function warmUp(
  operation: Operation,
  { warmOperations, warmSecondsMax }: typeof FULL
): Promise<void> {
  const endMs = performance.now() + warmSecondsMax * 1_000
  let begun = 0
  const one = async (): Promise<void> => {
    while (begun < warmOperations && performance.now() < endMs) await operation.run(begun++)
  }
  await Promise.all(Array.from({ length: WARM_AT_ONCE }, one))
}

async function measureAll(context: BenchContext, delayMs: number): Promise<Measured[]> {
  const cluster = await startCluster(context, delayMs)
  const echo = await raw(cluster.echoPort)
  const chain = await raw(cluster.chainPort)
  try {
    const measured: Measured[] = []
    for (const operation of operationsOf(cluster).filter(({ name }) => context.wants(name))) {
      context.progress(`${operation.name}, ${delayMs} ms one-way delay`)
      const floor = operation.isDurable === true ? chain : echo
      measured.push(await measure(operation, floor, context.brief === true ? BRIEF : FULL))
    }
    return measured
  } finally {
    echo.close()
    chain.close()
    await cluster.close()
  }
}

function tableOf(delayMs: number, measured: readonly Measured[]): Table {
  return {
    title: `Cross-peer operations, ${delayMs} ms one-way delay, ${PER_SECOND}/s open loop, ms`,
    columns: ['operation', 'p50', 'p95', 'p99', 'failed', 'raw p50', 'raw p95', '× raw'],
    rows: measured.map(({ name, operation: { p50, p95, p99, failed }, floor, ratio }) => [
      name,
      ...[p50, p95, p99].map(round),
      failed,
      ...[floor.p50, floor.p95, ratio].map(round)
    ])
  }
}

async function run(context: BenchContext): Promise<BenchResult> {
  const tables: Table[] = []
  const promises: Promised[] = []
  const figures: Record<string, unknown> = {}
  for (const delayMs of DELAYS_MS) {
    const measured = await measureAll(context, delayMs)
    tables.push(tableOf(delayMs, measured))
    figures[`delay-${delayMs}ms`] = Object.fromEntries(
      measured.map(({ name, operation, floor, ratio }) => [name, { ...operation, floor, ratio }])
    )
    for (const { name, operation, floor } of measured) {
      const { p95, failed } = operation
      const beside = `(raw: ${round(floor.p95)})`
      promises.push({
        what: `${name}: p95 ${round(p95)} ms below ${BUDGET_MS} ms with ${delayMs} ms one-way delay ${beside}`,
        kept: p95 < BUDGET_MS && failed === 0
      })
    }
  }
  return { tables, figures, promises }
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000
}

/** p95 of every cross-peer operation, on plain loopback and with delay added. */
export const budgets: Bench = {
  name: 'budgets',
  summary: 'p95 of every cross-peer operation, with and without 2 ms one-way delay',
  timeLimitMs: 300_000,
  run
}
