import type { Mutant, Workload } from '@murmuration/testkit'
import { edgesOf } from '../src/core/edges.ts'
import { standardRules } from '../src/core/rules.ts'
import type { Rules } from '../src/core/rules.ts'
import { acceptorsOf } from '../src/index.ts'
import type { ClusterInit } from './cluster.ts'
import { runBallots } from './ballots.ts'
import { runDuels } from './duels.ts'
import { runFaults } from './faults.ts'
import { runLeases, runOvertaken, runWide } from './leases.ts'
import { runForced, runStalls } from './operators.ts'

const isMajorityOfVisible: Rules['isMajority'] = (view, voters, visible) => {
  const seen = acceptorsOf(view).filter(({ peer }) => visible.has(peer))
  return 2 * seen.filter(({ peer }) => voters.has(peer)).length > seen.length
}

export const workloads: readonly Workload[] = [
  { name: 'membership/ballots', share: 1000, run: (simulation) => runBallots(simulation) },
  {
    name: 'membership/faults',
    share: 35,
    run: async (simulation) => {
      await runFaults({ simulation })
    }
  },
  {
    name: 'membership/rough',
    share: 12,
    run: async (simulation) => {
      await runFaults({ simulation, isRough: true })
    }
  },
  { name: 'membership/duels', share: 12, run: (simulation) => runDuels({ simulation }) },
  { name: 'membership/leases', share: 18, run: (simulation) => runLeases({ simulation }) },
  { name: 'membership/overtaken', share: 5, run: (simulation) => runOvertaken({ simulation }) },
  { name: 'membership/wide', share: 1, run: (simulation) => runWide({ simulation }) },
  { name: 'membership/forced', share: 6, run: (simulation) => runForced({ simulation }) },
  { name: 'membership/stalls', share: 6, run: (simulation) => runStalls({ simulation }) }
]

export const mutants: readonly Mutant[] = [
  {
    name: 'membership/ballots-forget-promises',
    rule: 'an acceptor keeps its promises over a restart',
    killingSeed: 29,
    budget: 30_000,
    run: (simulation) => runBallots(simulation, { promisesAreDurable: false })
  },
  {
    name: 'membership/ballots-of-the-visible',
    rule: 'a majority of the view before decides, not of the visible members',
    killingSeed: 16,
    budget: 5000,
    run: (simulation) => runBallots(simulation, { isMajority: isMajorityOfVisible })
  },
  {
    name: 'membership/ballots-of-the-wiped',
    rule: 'a wiped peer does not vote under its old name',
    killingSeed: 91,
    budget: 5000,
    run: (simulation) => {
      return runBallots(simulation, { isSelf: (self, member) => self.peer === member.peer })
    }
  },
  {
    name: 'membership/ballots-ignore-accepted',
    rule: 'a proposer takes up what was accepted before',
    killingSeed: 1,
    budget: 1000,
    run: (simulation) => runBallots(simulation, { takesUpEarlier: false })
  },
  {
    name: 'membership/ignores-accepted',
    rule: 'a proposer takes up what was accepted before',
    killingSeed: 205,
    budget: 5000,
    run: unsafe({ takesUpEarlier: false }, runDuels)
  },
  {
    name: 'membership/unverified-fence',
    rule: 'a peer raises its fence only to a view whose decision it has verified',
    killingSeed: 19,
    budget: 2000,
    run: unsafe({ verifiesDecisions: false }, runFaults)
  },
  {
    name: 'membership/lease-from-observers',
    rule: 'a lease is granted by the acceptors of the view, not by the observers of its holder',
    killingSeed: 1,
    budget: 40,
    run: unsafe(
      {
        grantersOf: (view, holder) => [holder, ...new Set(edgesOf(view).observersOf(holder))],
        isLeaseMajority: (view, holder, granters) => {
          const observers = [...new Set(edgesOf(view).observersOf(holder))]
          return 2 * observers.filter((peer) => granters.has(peer)).length > observers.length
        }
      },
      runWide
    )
  },
  {
    name: 'membership/lease-from-receipt',
    rule: 'a holder counts its lease from when it sent the renewal, not from the grants',
    killingSeed: 19,
    budget: 3000,
    run: unsafe({ countsFromSending: false }, runLeases)
  },
  {
    name: 'membership/no-wait-at-take-over',
    rule: 'whoever replaces an owner waits for the end of its lease',
    killingSeed: 1,
    budget: 60,
    run: unsafe({ waitsForLeases: false }, runLeases)
  },
  {
    name: 'membership/restarted-grants-at-once',
    rule: 'a restarted acceptor counts what it may have granted, and is quiet for one lease',
    killingSeed: 4,
    budget: 1000,
    run: unsafe({ remembersGrants: false }, runLeases)
  },
  {
    name: 'membership/grants-after-its-vote',
    rule: 'an acceptor that voted for the next view grants nothing in this one, even to who stays',
    killingSeed: 24,
    budget: 600,
    run: unsafe(
      { endsGrant: (next, holder) => next.members.every(({ peer }) => peer !== holder) },
      runOvertaken
    )
  },
  {
    name: 'membership/forced-one-higher',
    rule: 'no view that others decide meanwhile has the number of a forced one',
    killingSeed: 1,
    budget: 60,
    run: unsafe({ forcedStep: 1 }, runForced)
  },
  {
    name: 'membership/trusts-itself-after-a-stall',
    rule: 'a peer that stood still takes the silence that it saw meanwhile for its own',
    killingSeed: 43,
    budget: 1000,
    run: unsafe({ doubtsItself: false }, runStalls)
  }
]

/** Only what a rule forbids counts: a slow run kills no mutant. */
function unsafe(
  change: Partial<Rules>,
  run: (init: ClusterInit) => Promise<unknown>
): Mutant['run'] {
  return async (simulation) => {
    try {
      await run({ simulation, rules: { ...standardRules, ...change } })
    } catch (error) {
      if (/two views|went from view|may replace|removed somebody/.test(String(error))) {
        throw error
      }
    }
  }
}
