import { DeterministicSimulation } from './simulation.ts'
import type { Simulation, SimulationInit } from './index.ts'

/** Which seeds to run, and what. */
export interface SeedRuns extends Omit<SimulationInit, 'seed' | 'trace'> {
  /** The first seed. @default 1 */
  readonly first?: number
  /** How many seeds, one after the other. */
  readonly count: number
  readonly run: (simulation: Simulation) => Promise<void>
}

/** A run that failed: its seed, and the end of its trace. */
export class SeedFailure extends Error {
  readonly seed: number

  constructor(seed: number, cause: unknown, trace: readonly string[]) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super(`seed ${seed}: ${reason}\n${trace.slice(-80).join('\n')}`, { cause })
    this.name = 'SeedFailure'
    this.seed = seed
  }
}

/**
 * Runs a test under many seeds. A failing seed runs again with its trace on, and the error names
 * the seed and shows the last lines.
 */
export async function runSeeds(runs: SeedRuns): Promise<void> {
  const first = runs.first ?? 1
  for (let seed = first; seed < first + runs.count; seed++) {
    const failure = await runSeed(runs, seed, false)
    if (failure !== undefined) {
      throw (await runSeed(runs, seed, true)) ?? failure
    }
  }
}

/** The first of these seeds that fails, or undefined: for finding the seed that kills a mutant. */
export async function findFailingSeed(runs: SeedRuns): Promise<SeedFailure | undefined> {
  const first = runs.first ?? 1
  for (let seed = first; seed < first + runs.count; seed++) {
    const failure = await runSeed(runs, seed, false)
    if (failure !== undefined) {
      return failure
    }
  }
  return undefined
}

async function runSeed(
  runs: SeedRuns,
  seed: number,
  trace: boolean
): Promise<SeedFailure | undefined> {
  const simulation = new DeterministicSimulation({ ...runs, seed, trace })
  try {
    await runs.run(simulation)
    return undefined
  } catch (error) {
    return new SeedFailure(seed, error, simulation.trace)
  }
}
