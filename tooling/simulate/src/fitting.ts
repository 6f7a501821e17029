import type { Workload } from '@murmuration/testkit'
import { UsageError } from './options.ts'
import { Pool } from './pool.ts'
import { divide, Schedule, taskOf } from './schedule.ts'

/**
 * Runs of each workload that measure what one costs; the last chunk of them counts. The first ones
 * cost up to ten times more, until their code is compiled: so there are some of all, and many of cheap ones.
 */
const measuredRunsMax = 1000
const measuredMs = 2000
/** Part of the time that is planned: the measure is short. */
const planned = 0.85
const searchSteps = 40

/** Milliseconds of processor time of a run of each workload, on as many workers as will do the rest. */
export async function measure(
  workloads: readonly Workload[],
  { seed, workers }: { readonly seed: number; readonly workers: number }
): Promise<ReadonlyMap<string, number>> {
  const tasks = workloads.map(({ name }) => taskOf(name, { first: seed, count: measuredRunsMax }))
  // What fails here fails again, and is told, when its seed has its turn.
  const advanced = (): void => {
    for (const task of tasks) task.isOver = task.done * (task.runMs ?? 0) >= measuredMs
  }
  const pool = new Pool(new Schedule(tasks), { failed: () => {}, advanced })
  await pool.run(workers)
  return new Map(tasks.map(({ name, runMs }) => [name, runMs ?? 0]))
}

/**
 * Divides runs so that all fit into the time, if each worker has a processor to itself: each workload has the weight share × cost^−α, with the
 * lowest α ≥ 0 that suffices. So dear workloads lose runs first, and none has none.
 */
export function fit(
  runs: number,
  workloads: readonly Pick<Workload, 'name' | 'share'>[],
  { costs, workers, withinMs }: Budget
): Map<string, number> {
  const costOf = (name: string): number => Math.max(0.01, costs.get(name) ?? 0)
  const weighted = (alpha: number): { readonly name: string; readonly share: number }[] => {
    return workloads.map(({ name, share }) => ({ name, share: share * costOf(name) ** -alpha }))
  }
  const timeMs = (alpha: number): number => {
    const weights = weighted(alpha)
    const sum = weights.reduce((total, { share }) => total + share, 0)
    const mean = weights.reduce((total, { name, share }) => total + share * costOf(name), 0) / sum
    return (runs * mean) / workers
  }
  const availableMs = withinMs * planned
  let [low, high] = [0, 8]
  if (timeMs(high) > availableMs) {
    const minutes = Math.ceil(timeMs(high) / planned / 60_000)
    throw new UsageError(`${runs} runs take ${minutes} minutes at least on ${workers} workers.`)
  }
  if (timeMs(low) <= availableMs) return divide(runs, workloads)
  for (let step = 0; step < searchSteps; step++) {
    const middle = (low + high) / 2
    if (timeMs(middle) > availableMs) low = middle
    else high = middle
  }
  return divide(runs, weighted(high))
}

interface Budget {
  readonly costs: ReadonlyMap<string, number>
  readonly workers: number
  readonly withinMs: number
}
