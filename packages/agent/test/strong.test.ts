import { z } from 'zod'
import { counter } from '@murmuration/crdt'
import { createRegisters } from '@murmuration/consensus'
import { createMembership } from '@murmuration/membership'
import { createState } from '@murmuration/state'
import { createSimulation } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import { expect, expectTypeOf, test } from 'vitest'
import { createAgents, defineAgent } from '../src/index.ts'
import type { Agents } from '../src/index.ts'

const account = defineAgent({
  type: 'account',
  state: { visits: counter() },
  strong: { quota: z.number().min(0).default(10), owner: z.string().optional() },
  actions: {}
})
const plain = defineAgent({ type: 'plain', state: { visits: counter() }, actions: {} })

const byNumber = (a = 0, b = 0): number => a - b

interface Peer {
  readonly agents: Agents
  readonly ownerOf: (key: string) => string | undefined
}

async function start(simulation: Simulation, names: readonly string[]): Promise<Peer[]> {
  const parts = names.map((name) => {
    const { rpc, store, clock, random, links } = simulation.node(name)
    const membership = createMembership(
      { rpc, store, clock, random, discovery: links },
      {
        cluster: 'test',
        found: name === 'a',
        contacts: () => ['a'],
        reporters: ['state', 'registers']
      }
    )
    const registers = createRegisters({ rpc, membership, store, clock, random })
    const state = createState({ rpc, membership, store, clock, random, registers })
    const agents = createAgents(
      { rpc, membership, state, clock, random },
      { types: [account, plain] }
    )
    const ready = Promise.resolve(membership.start()).then(async () => {
      await state.start()
      await registers.start()
      await agents.start()
    })
    const ownerOf = (key: string) => state.placement()?.ownerOf(account.record(key))?.peer
    return { membership, agents, ownerOf, ready }
  })
  await simulation.wait(Promise.all(parts.map(({ ready }) => ready)))
  const isWhole = await simulation.until(
    () => parts.every(({ membership }) => membership.view?.members.length === names.length),
    20_000
  )
  expect(isWhole).toBe(true)
  return parts
}

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
