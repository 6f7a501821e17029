import type { Bench, BenchContext, BenchResult, Promised, Table } from '../bench.ts'
import { startCluster } from '../budgets/cluster.ts'
import { openLoop } from '../budgets/open-loop.ts'
import type { OpenLoop } from '../budgets/open-loop.ts'
import { operationsOf, rawEcho } from '../budgets/operations.ts'
import type { Operation } from '../budgets/operations.ts'

/** No cross-peer operation may take longer at the 95th percentile. */
const BUDGET_MS = 10
const DELAYS_MS = [0, 2]
const PER_SECOND = 150
const WARM_SECONDS = 1
const SECONDS = 3

interface Measured extends OpenLoop {
  readonly name: string
  /** Of the p50 of the raw echo in the same run. */
  readonly ratio: number
}

async function measure(operation: Operation): Promise<OpenLoop> {
  await openLoop((index) => operation.run(index), PER_SECOND, WARM_SECONDS)
  return openLoop((index) => operation.run(index), PER_SECOND, SECONDS)
}

async function measureAll(context: BenchContext, delayMs: number): Promise<Measured[]> {
  const cluster = await startCluster(context, delayMs)
  const echo = await rawEcho(cluster.echoPort)
  try {
    const floor = await measure(echo)
    const measured: Measured[] = [{ name: echo.name, ...floor, ratio: 1 }]
    for (const operation of operationsOf(cluster)) {
      context.progress(`${operation.name}, ${delayMs} ms one-way delay`)
      const found = await measure(operation)
      measured.push({ name: operation.name, ...found, ratio: found.p50 / floor.p50 })
    }
    return measured
  } finally {
    echo.close()
    await cluster.close()
  }
}

function tableOf(delayMs: number, measured: readonly Measured[]): Table {
  return {
    title: `Cross-peer operations, ${delayMs} ms one-way delay, ${PER_SECOND}/s open loop, ms`,
    columns: ['operation', 'p50', 'p95', 'p99', 'failed', '× raw echo'],
    rows: measured.map(({ name, p50, p95, p99, failed, ratio }) => [
      name,
      round(p50),
      round(p95),
      round(p99),
      failed,
      round(ratio)
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
      measured.map(({ name, ...rest }) => [name, rest])
    )
    for (const { name, p95, failed } of measured) {
      promises.push({
        what: `${name}: p95 ${round(p95)} ms below ${BUDGET_MS} ms with ${delayMs} ms one-way delay`,
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
  timeLimitMs: 240_000,
  run
}
