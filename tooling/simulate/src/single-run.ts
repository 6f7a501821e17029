import { createSimulation } from '@murmuration/testkit'
import type { Workload } from '@murmuration/testkit'

/** Longest time of one run on a real clock: longer means that it does not end. */
const runLimitMs = 120_000
/** Lines of a trace that a failure shows. */
const traceLinesShown = 80

/** How a run failed. */
export interface Failure {
  readonly seed: number
  readonly reason: string
}

export interface Traced {
  readonly trace: readonly string[]
  readonly failure: Failure | undefined
}

/** One run of a workload or mutant. */
export async function runSeed(
  work: Pick<Workload, 'run' | 'simulation'>,
  seed: number,
  trace = false
): Promise<Traced> {
  const simulation = createSimulation({ ...work.simulation, seed, trace })
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    late.reject(new Error(`the run did not end within ${runLimitMs / 1000} s`))
  }, runLimitMs)
  // A rejection that nobody handles would end a real peer: it is a failure of the run.
  const onStray = (error: unknown): void => late.reject(error)
  process.on('unhandledRejection', onStray)
  try {
    await Promise.race([work.run(simulation), late.promise])
    // Node tells of a rejection at the end of a turn.
    await Promise.race([new Promise((resolve) => setImmediate(resolve)), late.promise])
    return { trace: simulation.trace, failure: undefined }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { trace: simulation.trace, failure: { seed, reason } }
  } finally {
    clearTimeout(timer)
    process.off('unhandledRejection', onStray)
  }
}

/** Runs a failed seed again, for the end of its trace. */
export async function explain(
  work: Pick<Workload, 'run' | 'simulation'>,
  failure: Failure
): Promise<Failure> {
  const again = await runSeed(work, failure.seed, true)
  if (again.failure?.reason !== failure.reason) {
    const now = again.failure?.reason ?? 'it passes'
    return {
      seed: failure.seed,
      reason: `${failure.reason}\nNOT DETERMINISTIC: in a second run, ${now}`
    }
  }
  const shown = again.trace.slice(-traceLinesShown).join('\n')
  return { seed: failure.seed, reason: `${failure.reason}\n${shown}` }
}
