import type { Mutant, Workload } from '@murmuration/testkit'
import { standardRules } from '../src/core/rules.ts'
import type { Rules } from '../src/core/rules.ts'
import { acceptorsOf } from '../src/index.ts'
import type { ClusterInit } from './cluster.ts'
import { runDuels } from './duels.ts'
import { runFaults } from './faults.ts'

export const workloads: readonly Workload[] = [
  {
    name: 'membership/faults',
    share: 150,
    run: async (simulation) => {
      await runFaults({ simulation })
    }
  },
  {
    name: 'membership/rough',
    share: 50,
    run: async (simulation) => {
      await runFaults({ simulation, isRough: true })
    }
  },
  { name: 'membership/duels', share: 50, run: (simulation) => runDuels({ simulation }) }
]

export const mutants: readonly Mutant[] = [
  {
    name: 'membership/forgets-promises',
    rule: 'an acceptor keeps its promises over a restart',
    killingSeed: 693,
    budget: 20_000,
    run: unsafe({ promisesAreDurable: false }, (init) =>
      runDuels({ ...init, wiped: 0, split: 0.1 })
    )
  },
  {
    name: 'membership/majority-of-the-visible',
    rule: 'a majority of the view before decides, not of the visible members',
    killingSeed: 25,
    budget: 1000,
    run: unsafe(
      {
        isMajority: (view, voters, visible) => {
          const seen = acceptorsOf(view).filter(({ peer }) => visible.has(peer))
          return 2 * seen.filter(({ peer }) => voters.has(peer)).length > seen.length
        }
      },
      (init) => runFaults({ ...init, isRough: true, gapMs: 250 })
    )
  },
  {
    name: 'membership/wiped-votes-again',
    rule: 'a wiped peer does not vote under its old name',
    killingSeed: 112,
    budget: 5000,
    run: unsafe({ isSelf: (self, member) => self.peer === member.peer }, (init) =>
      runDuels({ ...init, wiped: 0.5 })
    )
  },
  {
    name: 'membership/ignores-accepted',
    rule: 'a proposer takes up what was accepted before',
    killingSeed: 205,
    budget: 5000,
    run: unsafe({ takesUpEarlier: false }, runDuels)
  }
]

/** Only two views of one number count, or a number that goes down: a slow run kills no mutant. */
function unsafe(
  change: Partial<Rules>,
  run: (init: ClusterInit) => Promise<unknown>
): Mutant['run'] {
  return async (simulation) => {
    try {
      await run({ simulation, rules: { ...standardRules, ...change } })
    } catch (error) {
      if (/two views|went from view/.test(String(error))) {
        throw error
      }
    }
  }
}
