import { findFailingSeed } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { Coverage } from '../src/core/coverage.ts'
import type { Mutants } from '../src/core/mutants.ts'
import { homesOf } from '../src/placements.ts'
import { Views } from './fake-membership.ts'
import { run } from './run.ts'
import * as scenarios from './scenarios.ts'
import type { Scenario } from './scenarios.ts'
import * as streams from './stream-scenarios.ts'
import { recordOf } from './world.ts'

const scripted: readonly [rule: string, mutants: Mutants, scenario: Scenario][] = [
  [
    'replicas acknowledge under their own view only',
    { acknowledgeAnyView: true },
    scenarios.acknowledgesUnderAnOldView
  ],
  [
    'a restarted owner issues no dot again',
    { sameWriterAfterRestart: true },
    scenarios.issuesDotsTwice
  ],
  [
    'an owner outside of the home set does not count',
    { countOutsideHome: true },
    scenarios.countsTheOwner
  ],
  [
    'a copy is kept until it is safe elsewhere',
    { forgetBeforeSettled: true },
    scenarios.forgetsTooEarly
  ],
  [
    'an owner forgets keys when all replicas have confirmed something since the client passed them',
    { foldUnasked: true },
    scenarios.forgetsForAnother
  ],
  [
    'only writers leave of which all replicas have everything',
    { collectUnfolded: true },
    scenarios.collectsTooEarly
  ],
  [
    'updates of writers that have left do not count once more',
    { takeClosed: true },
    scenarios.returnsWithOldUpdates
  ],
  ['what the last owner folded stands', { moreCollectedStands: true }, scenarios.collectsAlone],
  [
    'a stream goes on after the last document that was written',
    { cursorBeforeWrite: true },
    streams.takesOverFromBrokenStreams
  ],
  [
    'a peer has handed over when its stream ended, not broke',
    { coverBrokenStream: true },
    streams.takesOverFromBrokenStreams
  ],
  [
    'what was offered is confirmed when it has come',
    { confirmOffered: true },
    streams.confirmsWhatNeverComes
  ],
  ['a known key is stamped again', { noRestamp: true }, scenarios.twoExecutions],
  ['the latest stamp stands', { lowerDotStands: true }, scenarios.twoExecutions]
]

for (const [rule, mutants, scenario] of scripted) {
  test(`${rule}, and a mutant that does otherwise is found`, async () => {
    expect(await scenario({})).toBeUndefined()
    expect(await scenario(mutants)).toBeTypeOf('string')
  })
}

/** Mutants that a few random runs find. */
const random: readonly [rule: string, mutants: Mutants][] = [
  ['a new owner merges before it serves', { serveWithoutMerge: true }],
  ['the key travels with the update', { keyNotReplicated: true }],
  ['a known key is acknowledged with copies only', { knownKeyWithoutCopies: true }],
  ['whoever hands over has adopted the view', { collectWithoutFence: true }]
]

for (const [rule, mutants] of random) {
  test(`${rule}, and random runs find a mutant that does otherwise`, async () => {
    const failure = await findFailingSeed({
      count: 60,
      run: async (simulation) => {
        await run(simulation, mutants)
      }
    })
    expect(failure).toBeDefined()
  })
}

test('answers to an older round do not count when fewer views are unsettled', () => {
  const covers = (mutants: Mutants): boolean => {
    const views = new Views()
    const member = (peer: string) => ({ peer, incarnation: peer })
    views.add(['a', 'b', 'c'].map(member))
    const next = views.add(['c', 'd', 'e'].map(member))
    const coverage = new Coverage({ peer: 'd', homes: homesOf, mutants })
    const record = recordOf(ownedBy('d', next))
    coverage.adopt(next, views.all)
    const round = coverage.begin(1, views.all)!
    coverage.collected(round, 'd#d', [])
    // An empty new replica, to which nothing was copied yet.
    coverage.collected(round, 'e#e', [])
    expect(coverage.covers(record)).toBe(false)
    coverage.begin(2, [next])
    return coverage.covers(record)
  }
  expect(covers({})).toBe(false)
  expect(covers({ mixSettled: true })).toBe(true)
})

function ownedBy(peer: string, view: Parameters<typeof homesOf>[0]): string {
  for (let number = 0; ; number++) {
    const id = `test/doc/${number}`
    if (homesOf(view).ownerOf(recordOf(id))?.peer === peer) {
      return id
    }
  }
}
