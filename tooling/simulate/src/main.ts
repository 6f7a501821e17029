/**
 * `pnpm simulate`: runs the simulated workloads and mutants of all packages under many seeds. Its
 * exit code is 1 where an invariant did not hold or a mutant survived, 2 for a command it does not
 * understand, and 130 after an interrupt.
 */
import { readOptions, usage, UsageError } from './options.ts'
import type { Options } from './options.ts'
import { loadAll } from './catalogue.ts'
import { replayCorpus } from './replay-corpus.ts'
import { runMutants } from './run-mutants.ts'
import { runWorkloads } from './run-workloads.ts'
import { traceRun } from './trace-run.ts'

async function simulate(options: Options): Promise<number> {
  const simulated = await loadAll(options.only)
  if (options.trace) return await traceRun(simulated, options)
  if (options.corpus) return await replayCorpus(simulated, options)
  if (options.mutants) return await runMutants(simulated, options)
  return await runWorkloads(simulated, options)
}

try {
  const options = readOptions(process.argv.slice(2))
  if (options.help) console.log(usage)
  else process.exitCode = await simulate(options)
} catch (error) {
  console.error(error instanceof UsageError ? error.message : error)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
