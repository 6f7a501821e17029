import type { Mutant, Simulation, Workload } from '@murmuration/testkit'
import type { Mutants } from '../src/core/mutants.ts'
import { CoreRun } from './core-run.ts'
import type { CoreRunInit } from './core-run.ts'

async function runCores(simulation: Simulation, init: CoreRunInit = {}): Promise<void> {
  new CoreRun(simulation, init).run()
}

export const workloads: readonly Workload[] = [
  {
    name: 'consensus/cores',
    share: 400,
    run: (simulation) => runCores(simulation)
  }
]

export const mutants: readonly Mutant[] = []

/** For looking for seeds. */
export function runMutant(simulation: Simulation, mutant: Mutants): Promise<void> {
  return runCores(simulation, { mutants: mutant })
}
