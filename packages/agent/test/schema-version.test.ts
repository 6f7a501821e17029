import { z } from 'zod'
import { counter, list, lww, map, max, set } from '@murmuration/crdt'
import { createSimulation } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { defineAgent } from '../src/index.ts'
import { start } from './simulated-agents.ts'

const type = 'shelf'
const oldState = { title: lww<string>(), seen: counter() }

const first = defineAgent({
  type,
  state: oldState,
  strong: { limit: z.number().default(3) },
  actions: {
    see: {
      input: z.null(),
      output: z.number(),
      run: ({ state }) => (state.seen.increment(), state.seen.value)
    }
  }
})

const second = defineAgent({
  type,
  schemaVersion: 2,
  // `seen` is a map of counters now: the old counter is another field.
  state: { titles: set<string>(), seen: map(counter()) },
  strong: { limits: z.object({ items: z.number() }).default({ items: 3 }) },
  migrateState: (from, { state, old }) => {
    if (from !== 1) throw new Error(`nothing is known of version ${from}`)
    const { title, seen } = old(oldState)
    if (title !== undefined) state.titles.add(title)
    state.seen.get('all').increment(seen)
  },
  migrateStrong: (_, { limit }) => ({ limits: { items: limit } }),
  actions: {
    count: { input: z.null(), output: z.number(), run: ({ state }) => state.seen.get('all').value }
  }
})

const strong = { consistency: 'strong' } as const

test('state of an earlier version is migrated once, whoever owns it next, and read migrated before', async () => {
  const simulation = createSimulation({ seed: 1 })
  const old = await start(simulation, ['a', 'b', 'c'], [first])
  const before = old[0]!.agents.agent(first, 'one')
  await simulation.wait(
    before.update((draft) => (draft.title.set('Emma'), draft.seen.increment(4)))
  )
  await simulation.wait(before.update((draft) => void (draft.limit = 9), strong))

  for (const peer of old) await simulation.wait(peer.stop())
  const now = await start(simulation, ['a', 'b', 'c'], [second])
  const ref = now[1]!.agents.agent(second, 'one')
  // Nobody has migrated it: the reader does that for itself.
  expect((await simulation.wait(ref.state())).value).toEqual({ titles: ['Emma'], seen: { all: 4 } })
  expect((await simulation.wait(ref.state(strong))).value).toEqual({ limits: { items: 9 } })
  expect(await simulation.wait(ref.call('count', null))).toBe(4)
  for (const peer of now) {
    await simulation.wait(peer.agents.agent(second, 'one').stop())
    expect(await simulation.wait(peer.agents.agent(second, 'one').call('count', null))).toBe(4)
  }
  await simulation.wait(ref.update((draft) => draft.seen.get('all').increment()))
  await simulation.wait(ref.update((draft) => void draft.limits.items++, strong))
  expect((await simulation.wait(ref.state())).value.seen).toEqual({ all: 5 })
  expect((await simulation.wait(ref.state(strong))).value).toEqual({ limits: { items: 10 } })
})

test('an update is the first thing that an old state meets, and a peer of an earlier version refuses a later one', async () => {
  const simulation = createSimulation({ seed: 2 })
  const old = await start(simulation, ['a', 'b', 'c'], [first])
  await simulation.wait(old[0]!.agents.agent(first, 'two').call('see', null))
  for (const peer of old) await simulation.wait(peer.stop())

  const now = await start(simulation, ['a', 'b', 'c'], [second])
  const ref = now[2]!.agents.agent(second, 'two')
  await simulation.wait(ref.update((draft) => draft.seen.get('all').increment()))
  expect((await simulation.wait(ref.state())).value).toEqual({ titles: [], seen: { all: 2 } })
  // One that is new says so with its first change.
  await simulation.wait(
    now[0]!.agents.agent(second, 'new').update((draft) => draft.titles.add('x'))
  )
  await simulation.wait(ref.update((draft) => void draft.limits.items++, strong))
  for (const peer of now) await simulation.wait(peer.stop())

  const back = await start(simulation, ['a', 'b', 'c'], [first])
  const refused = { name: 'SchemaVersionError' }
  for (const key of ['two', 'new']) {
    const late = back[1]!.agents.agent(first, key)
    await expect(simulation.wait(late.state())).rejects.toMatchObject(refused)
    await expect(simulation.wait(late.call('see', null))).rejects.toMatchObject(refused)
    await expect(
      simulation.wait(late.update((draft) => draft.seen.increment()))
    ).rejects.toMatchObject(refused)
  }
  const agreed = back[1]!.agents.agent(first, 'two').state(strong)
  await expect(simulation.wait(agreed)).rejects.toMatchObject(refused)
})

test('a migration that fails changes nothing, and says why', async () => {
  const simulation = createSimulation({ seed: 3 })
  const old = await start(simulation, ['a', 'b', 'c'], [first])
  await simulation.wait(old[0]!.agents.agent(first, 'three').call('see', null))
  for (const peer of old) await simulation.wait(peer.stop())
  const broken = defineAgent({
    type,
    schemaVersion: 2,
    state: oldState,
    migrateState: () => {
      throw new Error('not like this')
    }
  })
  const now = await start(simulation, ['a', 'b', 'c'], [broken])
  const update = now[0]!.agents.agent(broken, 'three').update((draft) => draft.seen.increment())
  await expect(simulation.wait(update)).rejects.toMatchObject({
    name: 'SchemaError',
    message: expect.stringContaining('not like this')
  })
  for (const peer of now) await simulation.wait(peer.stop())
  const again = await start(simulation, ['a', 'b', 'c'], [first])
  const { value } = await simulation.wait(again[0]!.agents.agent(first, 'three').state())
  expect(value.seen).toBe(1)
})

test('while its owner knows an earlier version only, a change of the later one is refused', async () => {
  const simulation = createSimulation({ seed: 4 })
  const names = ['a', 'b', 'c']
  const peers = await start(simulation, names, (name) => [name === 'a' ? second : first])
  const key = ['k1', 'k2', 'k3', 'k4', 'k5'].find((one) => peers[0]!.ownerOf(one, first) !== 'a')!
  await simulation.wait(peers[1]!.agents.agent(first, key).update((draft) => draft.title.set('x')))
  const ref = peers[0]!.agents.agent(second, key)
  const refused = { name: 'SchemaVersionError' }
  const update = ref.update((draft) => draft.titles.add('y'))
  await expect(simulation.wait(update)).rejects.toMatchObject(refused)
  const plain = { format: 1, type: 'default/shelf', schemaVersion: 2, state: { titles: ['y'] } }
  const imported = ref.import(JSON.stringify(plain))
  await expect(simulation.wait(imported)).rejects.toMatchObject(refused)
  expect((await simulation.wait(ref.state())).value.titles).toEqual(['x'])
  for (const peer of peers) await simulation.wait(peer.stop())

  const later = await start(simulation, names, [second])
  const now = later[0]!.agents.agent(second, key)
  await simulation.wait(now.update((draft) => draft.titles.add('y')))
  expect(new Set((await simulation.wait(now.state())).value.titles)).toEqual(new Set(['x', 'y']))
})

test('versions are whole numbers from 1, and names with ~ are not for fields', () => {
  expect(() => defineAgent({ type, state: {}, schemaVersion: 0 })).toThrow('must be 1 or more')
  expect(() => defineAgent({ type, state: { '~schema': max<number>() } })).toThrow('not for fields')
  expect(() => defineAgent({ type, state: {}, strong: { '~x': z.null() } })).toThrow('not for')
  expect(defineAgent({ type, state: { names: list<string>() } }).schemaVersion).toBe(1)
})
