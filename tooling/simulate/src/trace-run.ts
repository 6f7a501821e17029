import type { Simulated } from './catalogue.ts'
import { UsageError } from './options.ts'
import type { Options } from './options.ts'
import { runSeed } from './single-run.ts'

/** One run of one workload or mutant, with all that happened in it. */
export async function traceRun(
  simulated: readonly Simulated[],
  { only, seed = 0 }: Options
): Promise<number> {
  const found = simulated
    .flatMap(({ workloads, mutants }) => [...workloads, ...mutants])
    .filter(({ name }, _, all) => name === only || all.length === 1)
  const [work] = found
  if (work === undefined) {
    throw new UsageError('--trace shows one workload or mutant: name it with --only PACKAGE/NAME.')
  }
  const { trace, failure } = await runSeed(work, seed, true)
  for (const line of trace) console.log(line)
  if (failure !== undefined) console.log(`VIOLATION ${work.name} seed ${seed}: ${failure.reason}`)
  console.log(`runs: 1, violations: ${failure === undefined ? 0 : 1}`)
  return failure === undefined ? 0 : 1
}
