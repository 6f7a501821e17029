import type { Mutant, Workload } from '@murmuration/testkit'
import type { Mutants as RegistryMutants } from '../../registry/src/core/mutants.ts'
import { runAllLayers } from './all-layers.ts'
import { runClaims } from './claims.ts'
import type { ClaimsMutants } from './claims.ts'
import { runEdges } from './edges.ts'
import type { EdgesMutants } from './edges.ts'
import { runJoins } from './joins.ts'
import { runMoves } from './moves.ts'
import { runSplits } from './splits.ts'

export const workloads: readonly Workload[] = [
  {
    name: 'simulated-cluster/all-layers',
    share: 2,
    run: async (simulation) => {
      await runAllLayers(simulation)
    }
  },
  {
    name: 'simulated-cluster/claims',
    share: 1,
    run: async (simulation) => {
      await runClaims(simulation)
    }
  },
  { name: 'simulated-cluster/moves', share: 1, run: runMoves },
  {
    name: 'simulated-cluster/splits',
    share: 1,
    run: async (simulation) => {
      await runSplits(simulation)
    }
  },
  {
    name: 'simulated-cluster/edges',
    share: 1,
    run: async (simulation) => {
      await runEdges(simulation)
    }
  },
  { name: 'simulated-cluster/joins', share: 1, run: runJoins }
]

export const mutants: readonly Mutant[] = [
  owner(
    'no-lease-wait',
    'a new owner waits for the lease of the former one',
    {
      noLeaseWait: true
    },
    2
  ),
  owner('ignore-lease', 'an owner acts only while it holds its lease', { ignoreLease: true }, 16),
  split('merge-twice', 'the claim of a side is merged once', { mergeTwice: true }, 2),
  split('merge-on-both-sides', 'a merge is told by one side', { mergeOnBothSides: true }, 2),
  split('forget-side', 'what both sides registered is there after the heal', { forgetSide: true }),
  edgeOwner(
    'serve-without-merge',
    'an edge peer merges before it serves',
    { serveWithoutMerge: true },
    6101
  ),
  edgeOwner(
    'counts-itself',
    'what only an edge peer and one member have is not acknowledged',
    { countOutsideHome: true },
    6036
  ),
  edgeOwner(
    'own-boots',
    'lives of an edge peer are told apart by what members agree on',
    { boots: true },
    2
  ),
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

/** A rule of the merge of claims is broken in the registry. */
function split(name: string, rule: string, broken: RegistryMutants, killingSeed = 1): Mutant {
  return {
    name: `simulated-cluster/split-${name}`,
    rule,
    killingSeed,
    budget: 40,
    run: async (simulation) => {
      await runSplits(simulation, broken)
    }
  }
}

/** A rule of ownership is broken in the layer of state. */
function owner(name: string, rule: string, broken: ClaimsMutants, killingSeed = 1): Mutant {
  return {
    name: `simulated-cluster/owner-${name}`,
    rule,
    killingSeed,
    budget: 100,
    run: async (simulation) => {
      await runClaims(simulation, broken)
    }
  }
}

/** A rule is broken on the edge peer that owns the agent. */
function edgeOwner(name: string, rule: string, broken: EdgesMutants, killingSeed = 1): Mutant {
  return {
    name: `simulated-cluster/edge-${name}`,
    rule,
    killingSeed,
    budget: 100,
    run: async (simulation) => {
      await runEdges(simulation, broken)
    }
  }
}
