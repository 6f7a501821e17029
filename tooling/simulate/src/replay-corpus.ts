import type { Simulated } from './catalogue.ts'
import { keptSeeds } from './corpus.ts'
import { UsageError } from './options.ts'
import type { Options } from './options.ts'
import { Pool } from './pool.ts'
import { Progress } from './progress.ts'
import { Schedule, taskOf } from './schedule.ts'
import type { Task } from './schedule.ts'

/** Kept seeds must pass, and the killing seed of each mutant must fail. */
export async function replayCorpus(
  simulated: readonly Simulated[],
  options: Options
): Promise<number> {
  const mutants = simulated.flatMap((one) => one.mutants)
  const seeds = simulated
    .flatMap(({ folder }) => keptSeeds(folder))
    .filter(({ workload }) => simulated.some((one) => hasWorkload(one, workload)))
  if (mutants.length + seeds.length === 0) throw new UsageError('There are no seeds to replay.')
  const tasks = [
    ...seeds.map(({ workload, seed }) => taskOf(workload, { first: seed, count: 1 })),
    ...mutants.map(({ name, killingSeed }) => taskOf(name, { first: killingSeed, count: 1 }, true))
  ]
  const killed = new Set<Task>()
  let violations = 0
  const progress = new Progress(0)
  const schedule = new Schedule(tasks)
  const pool = new Pool(schedule, {
    failed: (task, { seed, reason }) => {
      if (task.isMutant) killed.add(task)
      else {
        violations++
        progress.line(`VIOLATION ${task.name} seed ${seed}: ${reason}`)
      }
    },
    advanced: () => {
      const done = tasks.reduce((sum, task) => sum + task.done, 0)
      progress.show({ done, total: tasks.length, note: `${violations} violations` })
    }
  })
  await pool.run(options.workers)
  progress.clear()
  for (const task of tasks.filter((one) => one.isMutant && !killed.has(one))) {
    console.log(
      `SURVIVES ${task.name}: its killing seed ${task.firstSeed} does not find it any more`
    )
  }
  console.log(`seeds: ${seeds.length}, violations: ${violations}`)
  console.log(`mutants: ${mutants.length}, killed: ${killed.size}`)
  return violations > 0 || killed.size < mutants.length ? 1 : 0
}

function hasWorkload({ workloads }: Simulated, name: string): boolean {
  return workloads.some((workload) => workload.name === name)
}
