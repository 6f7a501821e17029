import { z } from 'zod'
import { counter } from '@murmuration/crdt'
import { createSimulation } from '@murmuration/testkit'
import { expect, expectTypeOf, test } from 'vitest'
import { defineAction, defineAgent } from '../src/index.ts'
import { start } from './simulated-agents.ts'

class TooFewError extends Error {
  override readonly name = 'TooFewError'
  readonly code = 'ERR_TOO_FEW'
}

const state = { visits: counter() }
const strongFields = { quota: z.number().min(0).default(10) }

let runs = 0
let before: (() => Promise<void>) | undefined

const spend = defineAction({
  state,
  strong: strongFields,
  part: 'strong',
  input: z.object({ count: z.number() }),
  output: z.object({ left: z.number(), visits: z.number() }),
  run: async ({ input, state: merged, strong }) => {
    runs++
    expectTypeOf(strong.quota).toEqualTypeOf<number>()
    if (strong.quota < input.count) throw new TooFewError(`only ${strong.quota} are left`)
    await before?.()
    strong.quota -= input.count
    return { left: strong.quota, visits: merged.visits.value }
  }
})

const till = defineAgent({
  type: 'till',
  state,
  strong: strongFields,
  actions: {
    spend,
    look: {
      part: 'strong',
      input: z.null(),
      output: z.number(),
      run: ({ strong }) => strong.quota
    },
    both: {
      part: 'strong',
      input: z.null(),
      output: z.null(),
      run: ({ state: merged, strong }) => {
        strong.quota--
        merged.visits.increment()
        return null
      }
    },
    visit: {
      input: z.null(),
      output: z.null(),
      run: ({ state: merged }) => (merged.visits.increment(), null)
    },
    cheat: { input: z.null(), output: z.number(), run: ({ strong }) => strong.quota },
    copy: {
      input: z.null(),
      output: z.number(),
      run: (context) => Object.keys({ ...context }).length
    }
  }
})

const strong = { consistency: 'strong' } as const

test('an action reads and changes the strong part in one step, whoever else does', async () => {
  const simulation = createSimulation({ seed: 1 })
  const peers = await start(simulation, ['a', 'b', 'c', 'd'], [till])
  const refs = peers.map(({ agents }) => agents.agent(till, 'one'))
  const [first, second] = refs
  const calls = [
    ...refs.slice(1).map((ref) => ref.call('spend', { count: 1 })),
    ...[first!, second!].map((ref) => ref.update((draft) => void (draft.quota -= 1), strong))
  ]
  const results = await simulation.wait(Promise.allSettled(calls))
  expect(results.filter(({ status }) => status === 'rejected')).toEqual([])
  expect((await simulation.wait(refs[0]!.state(strong))).value.quota).toBe(5)
  expect(await simulation.wait(refs[1]!.call('look', null))).toBe(5)
})

test('what it throws changes nothing, and it is told what is agreed', async () => {
  const simulation = createSimulation({ seed: 2 })
  const [a, b] = await start(simulation, ['a', 'b', 'c'], [till])
  const refused = { name: 'TooFewError', message: 'only 10 are left' }
  for (const peer of [a!, b!]) {
    const call = peer.agents.agent(till, 'two').call('spend', { count: 11 })
    await expect(simulation.wait(call)).rejects.toMatchObject(refused)
  }
  expect(await simulation.wait(a!.agents.agent(till, 'two').call('look', null))).toBe(10)
  await simulation.wait(a!.agents.agent(till, 'two').call('visit', null))
  expect(await simulation.wait(b!.agents.agent(till, 'two').call('spend', { count: 10 }))).toEqual({
    left: 0,
    visits: 1
  })
})

test('it counts once by its key, and a repetition gets the first output without a run', async () => {
  const simulation = createSimulation({ seed: 3 })
  const peers = await start(simulation, ['a', 'b', 'c', 'd'], [till])
  const keys = Array.from({ length: 100 }, (_, at) => `k${at}`)
  const owned = keys.find((name) => peers[0]!.ownerOf(name, till) !== 'b')!
  const idempotencyKey = { session: 'shop', sequence: 7, lowest: 7 }
  const ref = peers[1]!.agents.agent(till, owned)
  const once = () => simulation.wait(ref.call('spend', { count: 9 }, { idempotencyKey }))
  expect(await once()).toEqual({ left: 1, visits: 0 })
  const first = runs
  // Another run would find too few.
  expect(await once()).toEqual({ left: 1, visits: 0 })
  expect(runs).toBe(first)
})

test('it goes on after its owner died with its disk, and counts once', async () => {
  const simulation = createSimulation({ seed: 4 })
  const peers = await start(simulation, ['a', 'b', 'c', 'd'], [till])
  const keys = Array.from({ length: 100 }, (_, at) => `k${at}`)
  const key = keys.find((name) => peers[0]!.ownerOf(name, till) === 'b')!
  const ref = peers[0]!.agents.agent(till, key)
  await simulation.wait(ref.call('spend', { count: 1 }))
  const next = ref.call('spend', { count: 1 }, { timeoutMs: 30_000 })
  await simulation.run(3)
  simulation.crash('b')
  simulation.wipe('b')
  expect(await simulation.wait(next)).toMatchObject({ left: 8 })
  expect((await simulation.wait(ref.state(strong))).value.quota).toBe(8)
})

test('it runs again where the state was changed while it ran', async () => {
  const simulation = createSimulation({ seed: 5 })
  const [a, b] = await start(simulation, ['a', 'b', 'c'], [till])
  const other = b!.agents.agent(till, 'five')
  let isFirst = true
  before = async () => {
    if (!isFirst) return
    isFirst = false
    await other.update((draft) => void (draft.quota -= 5), strong)
  }
  try {
    const first = runs
    const result = await simulation.wait(a!.agents.agent(till, 'five').call('spend', { count: 2 }))
    expect(result.left).toBe(3)
    expect(runs - first).toBe(2)
  } finally {
    before = undefined
  }
})

test('CRDTs are not changed with it, and the strong part not without it', async () => {
  const simulation = createSimulation({ seed: 6 })
  const [a] = await start(simulation, ['a', 'b', 'c'], [till])
  const ref = a!.agents.agent(till, 'six')
  const refused = { name: 'ConsistencyUnavailableError' }
  await expect(simulation.wait(ref.call('both', null))).rejects.toMatchObject(refused)
  await expect(simulation.wait(ref.call('cheat', null))).rejects.toMatchObject(refused)
  expect((await simulation.wait(ref.state(strong))).value.quota).toBe(10)
  expect((await simulation.wait(ref.state())).value.visits).toBe(0)
  expect(await simulation.wait(ref.call('copy', null))).toBeGreaterThan(5)
  const action = { part: 'strong', input: z.null(), output: z.null(), run: () => null } as const
  expect(() => defineAgent({ type: 'none', state, actions: { action } })).toThrow('has none')
})
