import type { Mutant, Simulation, Workload } from '@murmuration/testkit'
import type { Mutants } from '../src/core/mutants.ts'
import { runBranches } from './branch-run.ts'
import { run } from './run.ts'
import * as scenarios from './scenarios.ts'
import type { Scenario } from './scenarios.ts'
import { runSessions } from './session-run.ts'
import * as streams from './stream-scenarios.ts'
import { runStrong } from './strong-run.ts'

export const workloads: readonly Workload[] = [
  { name: 'state/faults', share: 20, run: faulty({}) },
  {
    name: 'state/slow-disks',
    share: 5,
    simulation: { diskMs: [0.05, 6] },
    run: faulty({})
  },
  {
    name: 'state/moves',
    share: 10,
    run: async (simulation) => {
      await run(simulation, {}, { moving: true })
    }
  },
  {
    name: 'state/collections',
    share: 5,
    run: async (simulation) => {
      await run(simulation, {}, { collecting: true })
    }
  },
  { name: 'state/streams', share: 5, run: streamed({}) },
  { name: 'state/damage', share: 4, run: damaged({}) },
  {
    name: 'state/forgotten-sessions',
    share: 5,
    run: async (simulation) => {
      await run(simulation, {}, { forgetting: true })
    }
  },
  {
    name: 'state/sessions',
    share: 6,
    run: async (simulation) => {
      await runSessions(simulation)
    }
  },
  {
    name: 'state/branches',
    share: 1,
    run: async (simulation) => {
      await runBranches(simulation)
    }
  },
  { name: 'state/strong', share: 2, run: (simulation) => runStrong(simulation) }
]

export const mutants: readonly Mutant[] = [
  {
    name: 'state/ignore-token',
    rule: 'a replica answers a session only with what the session has seen',
    killingSeed: 1,
    budget: 20,
    run: async (simulation) => {
      await runSessions(simulation, { ignoreToken: true })
    }
  },
  strong('ignore-keys', 'a strong update counts once for its key', { ignoreKeys: true }, 4),
  strong('no-precondition', 'a strong update is taken on the version that it was computed from', {
    noPrecondition: true
  }),
  {
    name: 'state/execute-unknown',
    rule: 'a key of a session that may have been forgotten is refused',
    killingSeed: 1,
    budget: 200,
    run: async (simulation) => {
      await run(simulation, { executeUnknown: true }, { forgetting: true })
    }
  },
  {
    name: 'state/take-forgotten',
    rule: 'updates of sessions that were forgotten do not count once more',
    killingSeed: 70,
    budget: 400,
    run: async (simulation) => {
      await run(simulation, { takeForgotten: true }, { forgetting: true })
    }
  },
  random('serve-without-merge', 'a new owner merges before it serves', {
    mutants: { serveWithoutMerge: true },
    killingSeed: 1
  }),
  random('key-not-replicated', 'the key travels with the update', {
    mutants: { keyNotReplicated: true },
    killingSeed: 1
  }),
  random('known-key-without-copies', 'a known key is acknowledged with copies only', {
    mutants: { knownKeyWithoutCopies: true },
    killingSeed: 10
  }),
  random('collect-without-fence', 'whoever hands over has adopted the view', {
    mutants: { collectWithoutFence: true },
    killingSeed: 13
  }),
  {
    name: 'state/count-damaged',
    rule: 'what could not be read is no smaller copy',
    killingSeed: 15,
    budget: 200,
    run: damaged({ countDamaged: true })
  },
  scripted('cursor-before-write', 'a stream goes on after the last document that was written', {
    mutants: { cursorBeforeWrite: true },
    scenario: streams.takesOverFromBrokenStreams
  }),
  scripted('cover-broken-stream', 'a peer has handed over when its stream ended, not broke', {
    mutants: { coverBrokenStream: true },
    scenario: streams.takesOverFromBrokenStreams
  }),
  scripted('confirm-offered', 'what was offered is confirmed when it has come', {
    mutants: { confirmOffered: true },
    scenario: streams.confirmsWhatNeverComes
  }),
  scripted('acknowledge-any-view', 'replicas acknowledge under their own view only', {
    mutants: { acknowledgeAnyView: true },
    scenario: scenarios.acknowledgesUnderAnOldView
  }),
  scripted('same-writer-after-restart', 'a restarted owner issues no dot again', {
    mutants: { sameWriterAfterRestart: true },
    scenario: scenarios.issuesDotsTwice
  }),
  scripted('count-outside-home', 'an owner outside of the home set does not count', {
    mutants: { countOutsideHome: true },
    scenario: scenarios.countsTheOwner
  }),
  scripted('forget-before-settled', 'a copy is kept until it is safe elsewhere', {
    mutants: { forgetBeforeSettled: true },
    scenario: scenarios.forgetsTooEarly
  }),
  scripted(
    'fold-unasked',
    'keys are forgotten when all replicas confirmed since they were passed',
    {
      mutants: { foldUnasked: true },
      scenario: scenarios.forgetsForAnother
    }
  ),
  scripted('collect-unfolded', 'only writers go of which all replicas have everything', {
    mutants: { collectUnfolded: true },
    scenario: scenarios.collectsTooEarly
  }),
  scripted('take-closed', 'updates of writers that have gone do not count once more', {
    mutants: { takeClosed: true },
    scenario: scenarios.returnsWithOldUpdates
  }),
  scripted('more-collected-stands', 'what the last owner folded stands', {
    mutants: { moreCollectedStands: true },
    scenario: scenarios.collectsAlone
  }),
  scripted('no-restamp', 'a known key is stamped again', {
    mutants: { noRestamp: true },
    scenario: scenarios.twoExecutions
  }),
  scripted('lower-dot-stands', 'the latest stamp stands', {
    mutants: { lowerDotStands: true },
    scenario: scenarios.twoExecutions
  })
]

function faulty(broken: Mutants): (simulation: Simulation) => Promise<void> {
  return async (simulation) => {
    await run(simulation, broken)
  }
}

/** Records with a wrong bit, found when their peer starts again. */
function damaged(broken: Mutants): (simulation: Simulation) => Promise<void> {
  return async (simulation) => {
    await run(simulation, broken, { damaging: true })
  }
}

/** Copies as streams that break at any item. */
function streamed(broken: Mutants): (simulation: Simulation) => Promise<void> {
  return async (simulation) => {
    await run(simulation, broken, { streaming: true })
  }
}

function strong(name: string, rule: string, broken: Mutants, killingSeed = 1): Mutant {
  return {
    name: `state/strong-${name}`,
    rule,
    killingSeed,
    budget: 20,
    run: (simulation) => runStrong(simulation, { mutants: broken })
  }
}

/** A mutant that a few random runs find. */
function random(
  name: string,
  rule: string,
  { mutants: broken, killingSeed }: { readonly mutants: Mutants; readonly killingSeed: number }
): Mutant {
  return { name: `state/${name}`, rule, killingSeed, budget: 200, run: faulty(broken) }
}

/** A mutant that only one schedule finds: every seed gives that schedule. */
function scripted(
  name: string,
  rule: string,
  { mutants: broken, scenario }: { readonly mutants: Mutants; readonly scenario: Scenario }
): Mutant {
  return {
    name: `state/${name}`,
    rule,
    killingSeed: 1,
    budget: 1,
    run: async () => {
      const violation = await scenario(broken)
      if (violation !== undefined) {
        throw new Error(violation)
      }
    }
  }
}
