import { z } from 'zod'
import { counter } from '@murmuration/crdt'
import { createSimulation } from '@murmuration/testkit'
import { expect, expectTypeOf, test, vi } from 'vitest'
import { defineAgent } from '../src/index.ts'
import { account, plain, start } from './simulated-agents.ts'

const byNumber = (a = 0, b = 0): number => a - b

test('the strong part is read and updated from every peer, and nobody updates over another', async () => {
  const simulation = createSimulation({ seed: 1 })
  const peers = await start(simulation, ['a', 'b', 'c', 'd'])
  const refs = peers.map(({ agents }) => agents.agent(account, 'one'))
  const spend = refs.map((ref) =>
    ref.update((draft) => void (draft.quota -= 1), { consistency: 'strong' })
  )
  const results = await simulation.wait(Promise.all(spend))
  expect(results.map(({ version }) => version['register']).toSorted(byNumber)).toEqual([1, 2, 3, 4])
  const reading = await simulation.wait(refs[0]!.state({ consistency: 'strong' }))
  expectTypeOf(reading.value.quota).toEqualTypeOf<number>()
  expect(reading).toMatchObject({ value: { quota: 6 }, version: { register: 4 } })
  expect(reading.consistency).toBe('strong')
  expect(reading.replicas).toHaveLength(3)
})

test('a change that its schema refuses is not sent, and an update with one key counts once', async () => {
  const simulation = createSimulation({ seed: 2 })
  const [a] = await start(simulation, ['a', 'b', 'c'])
  const ref = a!.agents.agent(account, 'two')
  const strong = { consistency: 'strong' } as const
  const below = ref.update((draft) => void (draft.quota = -1), strong)
  await expect(simulation.wait(below)).rejects.toMatchObject({ name: 'SchemaError' })
  const idempotencyKey = { session: 'import', sequence: 1, lowest: 1 }
  const once = () =>
    simulation.wait(ref.update((draft) => void (draft.quota -= 1), { ...strong, idempotencyKey }))
  expect((await once()).duplicate).toBe(false)
  expect((await once()).duplicate).toBe(true)
  expect((await simulation.wait(ref.state(strong))).value.quota).toBe(9)
})

test('CRDTs are not reached from a strong change, and a type without strong fields has no strong part', async () => {
  const simulation = createSimulation({ seed: 3 })
  const [a] = await start(simulation, ['a', 'b', 'c'])
  const strong = { consistency: 'strong' } as const
  const refused = { name: 'ConsistencyUnavailableError' }
  const crdt = a!.agents.agent(account, 'three').update((draft) => {
    // @ts-expect-error -- a CRDT of the agent
    draft.visits.increment(1)
  }, strong)
  await expect(simulation.wait(crdt)).rejects.toMatchObject(refused)
  await expect(simulation.wait(a!.agents.agent(plain, 'x').state(strong))).rejects.toMatchObject(
    refused
  )
  expect(() =>
    defineAgent({ type: 'both', state: { n: counter() }, strong: { n: z.number() } })
  ).toThrow('n is in the state of both and in its strong part')
})

test('a strong update goes on after its owner died with its disk, and counts once', async () => {
  const simulation = createSimulation({ seed: 4 })
  const peers = await start(simulation, ['a', 'b', 'c', 'd'])
  const strong = { consistency: 'strong' } as const
  const [a] = peers
  const keys = Array.from({ length: 100 }, (_, at) => `k${at}`)
  const key = keys.find((name) => a!.ownerOf(name) === 'b')!
  const ref = a!.agents.agent(account, key)
  const first = await simulation.wait(ref.update((draft) => void (draft.quota -= 1), strong))
  const next = ref.update((draft) => void (draft.quota -= 1), strong)
  simulation.crash('b')
  simulation.wipe('b')
  await simulation.wait(next)
  expect((await simulation.wait(ref.state(strong))).value.quota).toBe(8)
  expect((await simulation.wait(ref.state(strong))).epoch!.view).toBeGreaterThan(first.epoch.view)
})

test('the steps of one update share its deadline, however many of them there are', async () => {
  const simulation = createSimulation({ seed: 5 })
  const peers = await start(simulation, ['a', 'b', 'c', 'd'])
  const [a] = peers
  const strong = { consistency: 'strong', timeoutMs: 1_500 } as const
  const keys = Array.from({ length: 100 }, (_, at) => `k${at}`)
  const key = keys.find((name) => a!.ownerOf(name) === 'b')!
  const [ref, other] = [a!.agents.agent(account, key), peers[1]!.agents.agent(account, key)]
  // What it remembers of the agent is old then, so that its next change takes several steps.
  await simulation.wait(ref.update((draft) => void (draft.quota -= 1), strong))
  await simulation.wait(other.update((draft) => void (draft.quota -= 1), strong))
  simulation.conditions({ delayMs: [300, 350] })
  const begun = simulation.now
  const late = ref.update((draft) => void (draft.quota = 3), strong)
  await expect(simulation.wait(late)).rejects.toMatchObject({ name: 'DeadlineExceededError' })
  expect(simulation.now - begun).toBeLessThanOrEqual(1_501)
  const merged = ref.update((draft) => draft.visits.increment(), { timeoutMs: 1_500 })
  await expect(simulation.wait(merged)).rejects.toMatchObject({ name: 'DeadlineExceededError' })
  expect(simulation.now - begun).toBeLessThanOrEqual(3_002)
})

test('a strong part that is large is read anew before each change', async () => {
  const simulation = createSimulation({ seed: 6 })
  const text = defineAgent({
    type: 'text',
    state: {},
    strong: { body: z.string().default('') }
  })
  const [a] = await start(simulation, ['a', 'b', 'c'], [text])
  const reads = vi.spyOn(a!.state.strong, 'read')
  const ref = a!.agents.agent(text, 'six')
  const add = (characters: number) =>
    simulation.wait(
      ref.update((draft) => void (draft.body += 'x'.repeat(characters)), { consistency: 'strong' })
    )
  await add(1_000)
  await add(2_000)
  expect(reads).toHaveBeenCalledTimes(1)
  await add(1)
  expect(reads).toHaveBeenCalledTimes(2)
})

test('the next strong update of a peer needs no read, and is computed anew where others changed it', async () => {
  const simulation = createSimulation({ seed: 5 })
  const [a, b] = await start(simulation, ['a', 'b', 'c'])
  const strong = { consistency: 'strong' } as const
  const reads = vi.spyOn(a!.state.strong, 'read')
  const seen: number[] = []
  const spend = (by: number) => (draft: { quota: number }) => {
    seen.push(draft.quota)
    if (draft.quota < by) throw new Error('not enough')
    draft.quota -= by
  }
  const here = a!.agents.agent(account, 'five')
  const there = b!.agents.agent(account, 'five')
  await simulation.wait(here.update(spend(1), strong))
  await simulation.wait(here.update(spend(1), strong))
  expect(reads).toHaveBeenCalledTimes(1)
  await simulation.wait(there.update(spend(6), strong))
  // Computed on 8, which does not stand any more, and then on 2.
  await simulation.wait(here.update(spend(1), strong))
  expect(seen).toEqual([10, 9, 8, 8, 2])
  expect(reads).toHaveBeenCalledTimes(1)
  // What does not go here on what was known, does on what others left.
  await simulation.wait(there.update((draft) => void (draft.quota += 9), strong))
  await simulation.wait(here.update(spend(5), strong))
  expect(seen.slice(5)).toEqual([1, 10])
  expect(reads).toHaveBeenCalledTimes(2)
  await expect(simulation.wait(here.update(spend(7), strong))).rejects.toThrow('not enough')
  expect((await simulation.wait(here.state(strong))).value.quota).toBe(5)
})
