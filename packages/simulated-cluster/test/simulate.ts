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

/** Rules are broken where they are made: in membership, consensus and state. */
export const mutants: readonly Mutant[] = []
