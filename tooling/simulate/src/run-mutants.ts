import { randomInt } from 'node:crypto'
import type { Mutant } from '@murmuration/testkit'
import type { Simulated } from './catalogue.ts'
import type { Options } from './options.ts'
import { Pool } from './pool.ts'
import { Progress } from './progress.ts'
import { Schedule, taskOf } from './schedule.ts'

/** Searches fresh seeds for each mutant. The exit code: 1 where one survives its budget. */
export async function runMutants(
  simulated: readonly Simulated[],
  options: Options
): Promise<number> {
  const mutants = simulated.flatMap((one) => one.mutants)
  const seed = options.seed ?? randomInt(2 ** 32)
  console.log(`${mutants.length} mutants, each within its budget from seed ${seed} on`)
  const killed = await search(mutants, seed, options.workers)
  for (const { name, rule, budget } of mutants) {
    const found = killed.get(name)
    console.log(
      found === undefined
        ? `SURVIVES ${name} (${rule}): not found in ${budget} seeds from ${seed}`
        : `killed   ${name} by seed ${found}, number ${found - seed + 1} of ${budget}`
    )
  }
  console.log(`mutants: ${mutants.length}, killed: ${killed.size}`)
  return killed.size === mutants.length ? 0 : 1
}

/** The lowest seed found for each mutant. */
async function search(
  mutants: readonly Mutant[],
  seed: number,
  workers: number
): Promise<ReadonlyMap<string, number>> {
  const killed = new Map<string, number>()
  const tasks = mutants.map(({ name, budget }) =>
    taskOf(name, { first: seed, count: budget }, true)
  )
  const progress = new Progress(0)
  const pool = new Pool(new Schedule(tasks), {
    failed: (task, failure) => {
      killed.set(task.name, Math.min(failure.seed, killed.get(task.name) ?? Infinity))
      task.isOver = true
      progress.line(`found ${task.name}: seed ${failure.seed}, ${failure.reason.split('\n')[0]}`)
    },
    advanced: () => {
      progress.show({ done: killed.size, total: mutants.length, note: 'mutants killed' })
    }
  })
  const onInterrupt = (): void => pool.stop()
  process.once('SIGINT', onInterrupt)
  await pool.run(workers)
  process.off('SIGINT', onInterrupt)
  progress.clear()
  return killed
}
