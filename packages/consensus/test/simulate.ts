import type { Mutant, Simulation, Workload } from '@murmuration/testkit'
import type { Mutants } from '../src/core/mutants.ts'
import { AbandonRun } from './abandon-run.ts'
import { CoreRun } from './core-run.ts'
import type { CoreRunInit } from './core-run.ts'
import {
  acceptsAloneInTheNewView,
  losesARecordAndItsHalf,
  restartsBetweenAccepts,
  returnsWithDeletedValue
} from './scenarios.ts'
import type { Scenario } from './scenarios.ts'
import { ShellRun } from './shell-run.ts'

function runCores(init: CoreRunInit = {}): Workload['run'] {
  return async (simulation) => {
    new CoreRun(simulation, init).run()
  }
}

function runAbandon(mutants: Mutants = {}): Workload['run'] {
  return async (simulation) => {
    new AbandonRun(simulation, mutants).run()
  }
}

function runScenario(scenario: Scenario, mutants: Mutants = {}): Workload['run'] {
  return async (simulation) => {
    const violation = scenario(mutants, simulation)
    if (violation !== undefined) {
      throw new Error(violation)
    }
  }
}

/** Callers that take registers for new, rightly or not. */
const newRegisters: CoreRunInit = { firsts: 0.7 }

export const workloads: readonly Workload[] = [
  { name: 'consensus/cores', share: 800, run: runCores() },
  { name: 'consensus/firsts', share: 200, run: runCores(newRegisters) },
  { name: 'consensus/abandon', share: 50, run: runAbandon() },
  {
    name: 'consensus/peers',
    share: 2,
    run: (simulation) => new ShellRun(simulation).run()
  }
]

/** A mutant and the runs in which it shows: any of the workload, or ones with more of some fault. */
function mutant(
  name: string,
  rule: string,
  mutants: Mutants,
  [killingSeed, budget]: readonly [number, number],
  init: CoreRunInit = {}
): Mutant {
  return {
    name: `consensus/${name}`,
    rule,
    killingSeed,
    budget,
    run: runCores({ ...init, mutants })
  }
}

/** A mutant that one schedule shows, whatever the seed. */
function scripted(name: string, rule: string, mutants: Mutants, scenario: Scenario): Mutant {
  const run = (simulation: Simulation): Promise<void> => runScenario(scenario, mutants)(simulation)
  return { name: `consensus/${name}`, rule, killingSeed: 1, budget: 1, run }
}

const lostPower: CoreRunInit = { powerCuts: 0.3, conditions: { diskMs: 10 } }
const lateMessages: CoreRunInit = {
  deletions: true,
  replicas: 3,
  conditions: { slow: 0.4, slowMs: 400, newsMs: 30, loss: 0.05 }
}

export const mutants: readonly Mutant[] = [
  mutant(
    'naive-switch',
    'a new home set first learns what the old ones hold, under ballots that rank by view',
    { naiveSwitch: true },
    [1, 30]
  ),
  mutant(
    'no-fence',
    'who has adopted a view answers for no older one',
    { noFence: true },
    [193, 3000]
  ),
  mutant(
    'unverified-fence',
    'the fence is raised only to a view whose decision was verified',
    { unverifiedFence: true },
    [7, 100]
  ),
  mutant(
    'previous-view-only',
    'all unsettled home sets are asked, for views can be skipped',
    { previousViewOnly: true },
    [39, 500]
  ),
  mutant(
    'newest-set-only',
    'older home sets are asked until they are settled',
    { newestSetOnly: true },
    [1, 60]
  ),
  mutant(
    'accept-keeps-promise',
    'accepting raises the promise (P9)',
    { acceptKeepsPromise: true },
    [2, 60]
  ),
  mutant(
    'accept-below-promise',
    'nothing is accepted below the promise (P2)',
    { acceptBelowPromise: true },
    [1, 60]
  ),
  mutant(
    'any-promised-value',
    'of the promises, the value of the highest ballot is built on (P4)',
    { anyPromisedValue: true },
    [1, 30]
  ),
  mutant(
    'reply-before-sync',
    'what a reply tells is on disk (P5)',
    { replyBeforeSync: true },
    [12, 500],
    lostPower
  ),
  mutant(
    'peek-unsynced',
    'reads see nothing that is not on disk',
    { peekUnsynced: true },
    [69, 3000],
    { cutsAfterReads: 0.3, conditions: { diskMs: 20, loss: 0.1 } }
  ),
  mutant(
    'read-without-commit',
    'what a read by ballot found is agreed before it is told (P6)',
    { readWithoutCommit: true },
    [7, 100]
  ),
  mutant(
    'miss-without-commit',
    'a change that misses is agreed before it is told (P6)',
    { missWithoutCommit: true },
    [1, 30]
  ),
  mutant(
    'cache-after-failure',
    'a promise is used once, and only after a majority gave it (P1, P7)',
    { cacheAfterFailure: true },
    [4, 100],
    { strikes: 0.5 }
  ),
  mutant('cache-over-views', 'promises end with their view', { cacheOverViews: true }, [3, 30]),
  mutant('peek-highest', 'a read needs agreement', { peekHighest: true }, [28, 100]),
  mutant(
    'peek-any-view',
    'an agreed value of an older view may have been replaced in another home set',
    { peekAnyView: true },
    [24, 500]
  ),
  mutant(
    'retry-unknown',
    'a lost accept may take effect, so its change is not run again beside it (P8)',
    { retryUnknown: true },
    [1, 30]
  ),
  mutant(
    'refusal-is-final',
    'one refusal says nothing of the acceptors that did not answer',
    { refusalIsFinal: true },
    [2, 60]
  ),
  mutant(
    'overtaken-is-void',
    'a value that stands may have been built on a lost accept',
    { overtakenIsVoid: true },
    [11, 100],
    { strikes: 0.5 }
  ),
  mutant(
    'wiped-keeps-name',
    'an acceptor speaks for one life of its disk',
    { wipedKeepsName: true },
    [38, 500],
    { crashes: 0.3 }
  ),
  mutant(
    'damaged-is-absent',
    'a damaged record is not an absent one',
    { damagedIsAbsent: true },
    [39, 500],
    { damage: 0.7, crashes: 0.2 }
  ),
  mutant(
    'settle-from-one',
    'everybody who holds records moves them',
    { settleFromOne: true },
    [13, 200]
  ),
  mutant(
    'settle-unmoved',
    'a view is settled when all that was agreed is in its home sets',
    { settleUnmoved: true },
    [1, 60]
  ),
  mutant(
    'erase-before-settled',
    'former replicas erase only what is settled elsewhere',
    { eraseBeforeSettled: true },
    [13, 100]
  ),
  mutant(
    'erase-unsealed',
    'a deletion is erased only when all replicas have it',
    { eraseUnsealed: true },
    [24, 400],
    { deletions: true }
  ),
  mutant(
    'erase-in-same-view',
    'a deletion is erased in a later view, whose fence stops late accepts',
    { eraseInSameView: true },
    [17, 10_000],
    lateMessages
  ),
  mutant(
    'first-by-majority',
    'a first value is chosen only by all replicas',
    { firstByMajority: true },
    [2, 60],
    newRegisters
  ),
  mutant(
    'first-over-all',
    'a first value is accepted only where nothing was promised',
    { firstOverAll: true },
    [2, 60],
    newRegisters
  ),
  mutant(
    'first-counts-alone',
    'a first value that some replica is seen without was not chosen',
    { firstCountsAlone: true },
    [69, 1000],
    newRegisters
  ),
  mutant(
    'lost-is-without',
    'who has lost its record may have had the first value',
    { lostIsWithout: true },
    [94, 3000],
    { ...newRegisters, damage: 0.6, crashes: 0.4, deletions: false }
  ),
  mutant(
    'peek-first',
    'a majority does not agree on a first value',
    { peekFirst: true },
    [41, 1000],
    newRegisters
  ),
  mutant(
    'first-over-views',
    'a first value is proposed only where no older home set is left',
    { firstOverViews: true },
    [208, 2000],
    newRegisters
  ),
  {
    name: 'consensus/one-survivor-suffices',
    rule: 'where a majority was given up, all others are asked, for any of them may be the newest',
    killingSeed: 125,
    budget: 1000,
    run: runAbandon({ oneSurvivorSuffices: true })
  },
  {
    name: 'consensus/ask-no-survivor',
    rule: 'what survivors hold is not given up',
    killingSeed: 6,
    budget: 100,
    run: runAbandon({ askNoSurvivor: true })
  },
  scripted(
    'ballots-used-twice',
    'a restarted proposer uses no ballot again, and an equal one is not promised (P1)',
    { equalBallots: true, bootNotInBallot: true },
    restartsBetweenAccepts
  ),
  scripted(
    'trust-returned',
    'what a replica accepted before it was away does not count',
    { trustReturned: true },
    returnsWithDeletedValue
  ),
  scripted(
    'damaged-is-moved',
    'who has lost a record reports only when others have it',
    { damagedIsMoved: true },
    losesARecordAndItsHalf
  ),
  scripted(
    'accepted-is-moved',
    'an accept in the new view is no agreement in it',
    { acceptedIsMoved: true },
    acceptsAloneInTheNewView
  ),
  scripted(
    'survey-of-one',
    'one replica that holds something of the new view is no majority of them',
    { surveyOfOne: true },
    acceptsAloneInTheNewView
  )
]
