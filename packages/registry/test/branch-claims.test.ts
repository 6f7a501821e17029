import { describe, expect, it } from 'vitest'
import type { MergedAgent, RegistryChange, View } from '@murmuration/interface'
import type { Placement } from '@murmuration/placement'
import { createSimulation } from '@murmuration/testkit'
import { BranchClaims } from '../src/branch-claims.ts'
import type { Mutants } from '../src/core/mutants.ts'
import type { MergeReply } from '../src/messages.ts'

/*
 * What becomes of a claim of one side is one change with what both sides had, whichever is known first:
 * the answer of the owner in the agreed view, or what became of the agent's state.
 */

const agent = { id: 'default/board/x', placement: 'hash', replicas: 3 } as const
const before = { peer: 'b', epoch: { view: 3, boot: 1 }, labels: { k: 'b' }, metadata: { m: 'b' } }
const branch = 'one'

type Told = 'pending' | MergedAgent | undefined

const stateOf = (sides: MergedAgent['sides']): MergedAgent => ({
  id: agent.id,
  updates: 3,
  elsewhere: sides === 'both' ? 2 : 0,
  sides,
  conflicts: [],
  diverged: [],
  owner: 'a',
  epoch: { view: 9, boot: 2 }
})

interface Case {
  readonly reply: MergeReply
  /** What becomes of the state, and when that is known and when the owner answers, after the heal. */
  readonly state: Told
  readonly stateAtMs?: number
  readonly answerAtMs?: number
  readonly mutants?: Mutants
}

/** All that watchers are told after the heal. */
async function told(one: Case): Promise<RegistryChange[]> {
  const { reply, state, stateAtMs = 0, answerAtMs = 0, mutants = {} } = one
  const simulation = createSimulation({ seed: 1 })
  const { rpc, clock } = simulation.node('d')
  const changes: RegistryChange[] = []
  // The branch is as good as over: its members are all that is kept of it.
  const now = (): number => clock.monotonic()
  const start = now()
  const claims = new BranchClaims(
    {
      rpc,
      clock,
      placement: () => ({ ownerOf: () => ({ peer: 'd' }) }) as unknown as Placement, // all it is asked for
      branch: () => undefined,
      stateOf: () => (now() - start < stateAtMs ? 'pending' : state),
      store: undefined,
      log: undefined
    },
    {
      merge: async () => (now() - start < answerAtMs ? { status: 'not-now' } : reply),
      report: (change) => changes.push(change),
      mutants
    }
  )
  await claims.start()
  const members = ['d', 'e'].map((peer) => ({ peer }))
  await claims.keep(
    { ...agent, labels: { k: 'd' }, metadata: {} },
    { view: 7, boot: 1, branch },
    { members } as unknown as View // of which only the members are kept
  )
  await simulation.run(60_000)
  expect(claims.of(agent.id)).toBeUndefined()
  expect(claims.tells(branch, agent.id)).toBe(true)
  claims.stop()
  return changes
}

const here = {
  peer: 'd',
  branch,
  epoch: { view: 7, boot: 1, branch },
  labels: { k: 'd' },
  metadata: {}
}
const timings = [
  { stateAtMs: 0, answerAtMs: 0 },
  { stateAtMs: 7_500, answerAtMs: 0 },
  { stateAtMs: 0, answerAtMs: 7_500 },
  { stateAtMs: 1_000, answerAtMs: 1_000 },
  { stateAtMs: 30_000, answerAtMs: 12_000 }
]

describe('a claim of one side', () => {
  it.each(timings)('is a conflict with the claim of another one, whenever: %o', async (timing) => {
    const reply = { status: 'merged', other: before } as const
    for (const state of [undefined, stateOf('this'), stateOf('both')]) {
      expect(await told({ reply, state, ...timing })).toEqual([
        { type: 'merged', id: agent.id, peer: 'd', reason: 'branch one', sides: [here, before] }
      ])
    }
  })

  it.each(timings)('is a conflict where another side changed it, whenever: %o', async (timing) => {
    const state = stateOf('both')
    const there = { ...before, peer: 'a', epoch: { view: 9, boot: 2 } }
    const change = { type: 'merged', id: agent.id, peer: 'd', reason: 'branch one' }
    const reply = { status: 'taken', other: before } as const
    expect(await told({ reply, state, ...timing })).toEqual([{ ...change, sides: [here, there] }])
    expect(await told({ reply: { status: 'taken' }, state, ...timing })).toEqual([
      { ...change, sides: [here, { ...there, labels: {}, metadata: {} }] }
    ])
  })

  it.each(timings)('is registered where no other side had it, whenever: %o', async (timing) => {
    for (const state of [undefined, stateOf('this')]) {
      expect(await told({ reply: { status: 'taken' }, state, ...timing })).toMatchObject([
        { type: 'registered', id: agent.id }
      ])
    }
  })

  it('that is told before the state is known hides a conflict: a mutant', async () => {
    const reply = { status: 'taken' } as const
    const late = { reply, state: stateOf('both'), stateAtMs: 7_500 }
    expect((await told(late)).map(({ type }) => type)).toEqual(['merged'])
    const early = told({ ...late, mutants: { tellEarly: true } })
    await expect(early).rejects.toThrow()
  })
})
