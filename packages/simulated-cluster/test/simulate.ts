import type { Mutant, Workload } from '@murmuration/testkit'
import { runAllLayers } from './all-layers.ts'

export const workloads: readonly Workload[] = [
  {
    name: 'simulated-cluster/all-layers',
    share: 2,
    run: async (simulation) => {
      await runAllLayers(simulation)
    }
  }
]

/** Rules of the layers are broken where they are made; this one is a mistake of a user. */
export const mutants: readonly Mutant[] = [
  {
    name: 'simulated-cluster/repeats-without-key',
    rule: 'a call of unknown outcome is repeated with its key',
    killingSeed: 1,
    budget: 40,
    run: async (simulation) => {
      await runAllLayers(simulation, { repeatsWithoutKey: true })
    }
  }
]
