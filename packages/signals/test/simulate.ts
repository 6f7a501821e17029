import type { Mutant, Simulation, Workload } from '@murmuration/testkit'
import type { Mutants } from '../src/core/mutants.ts'
import { run } from './run.ts'
import { loseAuthorAfterCopy, oneWayCut, replayAfterKill, replayAfterRestart } from './scenarios.ts'
import type { Scenario } from './scenarios.ts'

export const workloads: readonly Workload[] = [
  { name: 'signals/faults', share: 10, run: faulty({}) },
  { name: 'signals/lost-author', share: 1, run: scripted(loseAuthorAfterCopy, {}) },
  { name: 'signals/replay', share: 1, run: scripted(replayAfterRestart, {}) },
  { name: 'signals/replay-after-kill', share: 1, run: scripted(replayAfterKill, {}) },
  { name: 'signals/one-way-cut', share: 1, run: scripted(oneWayCut, {}) }
]

export const mutants: readonly Mutant[] = [
  random('no-deduplication', 'an id is handled once within the window', 1, {
    noDeduplication: true
  }),
  random('acknowledge-before-handler', 'a signal is handled when its handler has returned', 1, {
    acknowledgeBeforeHandler: true
  }),
  random('accept-before-log', 'accepted means that W logs have it, synced', 12, {
    acceptBeforeLog: true
  }),
  random('skip-gaps', 'what the log lacks is waited for', 9, { skipGaps: true }),
  random('order-by-arrival', 'signals of one author and topic are handled in their order', 9, {
    orderByArrival: true
  }),
  random('progress-not-persisted', 'what was handled is written down', 1, {
    progressNotPersisted: true
  }),
  random('no-dead-letter', 'what cannot be handled becomes a dead letter', 1, {
    noDeadLetter: true
  }),
  random('subscribe-without-members', 'a subscription begins after what was before it', 1, {
    subscribeWithoutMembers: true
  }),
  random('no-exchange', 'what was missed at the end of a stream is asked for', 3, {
    noExchange: true
  }),
  random('group-of-one', 'one peer of a group handles a signal', 1, { groupOfOne: true }),
  {
    name: 'signals/no-comparing',
    rule: 'whom an author does not reach hears it from others, soon',
    killingSeed: 2,
    budget: 5,
    run: scripted(oneWayCut, { noComparing: true })
  },
  {
    name: 'signals/copy-not-synced',
    rule: 'a copy counts when it is synced',
    killingSeed: 1,
    budget: 5,
    run: scripted(loseAuthorAfterCopy, { copyNotSynced: true })
  },
  {
    name: 'signals/marks-not-persisted',
    rule: 'a restarted peer takes no replay',
    killingSeed: 1,
    budget: 5,
    run: scripted(replayAfterRestart, { marksNotPersisted: true })
  },
  {
    name: 'signals/marks-not-ahead',
    rule: 'a killed peer takes nothing again that it has delivered',
    killingSeed: 1,
    budget: 5,
    run: scripted(replayAfterKill, { marksNotAhead: true })
  }
]

function random(name: string, rule: string, killingSeed: number, broken: Mutants): Mutant {
  return { name: `signals/${name}`, rule, killingSeed, budget: 300, run: faulty(broken) }
}

function faulty(broken: Mutants): (simulation: Simulation) => Promise<void> {
  return async (simulation) => {
    await run(simulation, broken)
  }
}

function scripted(scenario: Scenario, broken: Mutants): (simulation: Simulation) => Promise<void> {
  return async (simulation) => {
    const violation = await scenario(simulation, broken)
    if (violation !== undefined) {
      throw new Error(violation)
    }
  }
}
