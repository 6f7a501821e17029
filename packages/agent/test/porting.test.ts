import fc from 'fast-check'
import { z } from 'zod'
import {
  bigCounter,
  counter,
  createDocument,
  flag,
  list,
  lww,
  map,
  max,
  register,
  set
} from '@murmuration/crdt'
import { createSimulation } from '@murmuration/testkit'
import { describe, expect, test } from 'vitest'
import { fromPlain, toPlain } from '../src/core/plain-json.ts'
import { restore } from '../src/core/restore.ts'
import { defineAgent } from '../src/index.ts'
import { start } from './simulated-agents.ts'

const state = {
  visits: counter(),
  cents: bigCounter(),
  title: lww<unknown>(),
  choice: register<string>(),
  tags: set<unknown>(),
  lines: list<string>(),
  open: flag(),
  top: max<number>(),
  rooms: map(map(lww<number>()))
}

const notebook = defineAgent({
  type: 'notebook',
  state,
  strong: { quota: z.number().default(10) }
})

const strong = { consistency: 'strong' } as const

describe('an agent', () => {
  test('is exported as bytes and as JSON, and imported under another key on another cluster', async () => {
    const simulation = createSimulation({ seed: 1 })
    const peers = await start(simulation, ['a', 'b', 'c'], [notebook])
    const from = peers[0]!.agents.agent(notebook, 'from')
    await simulation.wait(
      from.update((draft) => {
        draft.visits.increment(3)
        draft.cents.increment(10n ** 20n)
        draft.title.set({ bytes: new Uint8Array([0, 255]), '~odd': 7n })
        draft.choice.set('left')
        for (const tag of ['x', 1, null]) draft.tags.add(tag)
        draft.lines.push('one', 'two')
        draft.open.enable()
        draft.top.update(5)
        draft.rooms.get('kitchen').get('celsius').set(21)
      })
    )
    await simulation.wait(from.update((draft) => void (draft.quota = 4), strong))
    const bytes = await simulation.wait(from.export())
    const json = await simulation.wait(from.exportJson())
    const expected = (await simulation.wait(from.state())).value

    const simulated = createSimulation({ seed: 2 })
    const others = await start(simulated, ['a', 'b', 'c'], [notebook])
    for (const [key, data] of [
      ['bytes', bytes],
      ['json', json]
    ] as const) {
      const to = others[1]!.agents.agent(notebook, key)
      await simulated.wait(
        to.update((draft) => {
          draft.visits.increment(100)
          draft.tags.add('gone')
          draft.lines.push('one', 'else')
          draft.rooms.get('cellar').get('celsius').set(9)
        })
      )
      for (let time = 0; time < 2; time++) {
        await simulated.wait(to.import(data))
        expect((await simulated.wait(to.state())).value).toEqual(expected)
        expect((await simulated.wait(to.state(strong))).value).toEqual({ quota: 4 })
      }
    }
  })

  test('that is larger than one update is imported in parts', async () => {
    const simulation = createSimulation({ seed: 3 })
    const peers = await start(simulation, ['a', 'b', 'c'], [notebook])
    const names = Array.from({ length: 5_000 }, (_, at) => `name ${at}`)
    const lines = ['x'.repeat(100_000), 'y'.repeat(100_000), 'z']
    const plain = { format: 1, type: 'default/notebook', schemaVersion: 1 }
    const json = JSON.stringify({ ...plain, state: { tags: names, lines } })
    const to = peers[2]!.agents.agent(notebook, 'large')
    await simulation.wait(to.import(json))
    const { value } = await simulation.wait(to.state())
    expect(new Set(value.tags)).toEqual(new Set(names))
    expect(value.lines).toEqual(lines)
  })

  test('is not imported from what is damaged, of another type or of another version', async () => {
    const simulation = createSimulation({ seed: 4 })
    const peers = await start(simulation, ['a', 'b', 'c'], [notebook])
    const ref = peers[0]!.agents.agent(notebook, 'one')
    await simulation.wait(ref.update((draft) => draft.visits.increment()))
    const bytes = await simulation.wait(ref.export())
    const plain = { format: 1, type: 'default/notebook', schemaVersion: 1, state: {} }
    const named = async (data: Uint8Array | string, name: string): Promise<void> =>
      expect(simulation.wait(ref.import(data))).rejects.toMatchObject({ name })
    await named('{', 'InvalidParametersError')
    await named('{"format":2}', 'InvalidParametersError')
    await named(JSON.stringify({ ...plain, type: 'default/other' }), 'InvalidParametersError')
    await named(JSON.stringify({ ...plain, schemaVersion: 2 }), 'SchemaVersionError')
    await named(
      JSON.stringify({ ...plain, state: { tags: [{ '~bytes': 'x' }] } }),
      'InvalidParametersError'
    )
    for (let at = 0; at < bytes.length; at += 3) {
      await named(bytes.slice(0, at), 'MalformedMessageError')
    }
    expect((await simulation.wait(ref.state())).value.visits).toBe(1)
  })
})

test('values of another kind than their field change nothing, in no part of an agent', async () => {
  const simulation = createSimulation({ seed: 5 })
  const peers = await start(simulation, ['a', 'b', 'c'], [notebook])
  const ref = peers[0]!.agents.agent(notebook, 'one')
  await simulation.wait(
    ref.update((draft) => {
      draft.lines.push('kept')
      draft.rooms.get('kitchen').get('celsius').set(21)
    })
  )
  const before = (await simulation.wait(ref.state())).value
  const plain = { format: 1, type: 'default/notebook', schemaVersion: 1 }
  const deep = '['.repeat(50_000) + ']'.repeat(50_000)
  const good = { visits: 7 }
  for (const data of [
    JSON.stringify({ ...plain, state: { lines: 'text' } }),
    JSON.stringify({ ...plain, state: { ...good, rooms: { kitchen: null } } }),
    JSON.stringify({ ...plain, state: { ...good, visits: '7' } }),
    JSON.stringify({ ...plain, state: { ...good, cents: 1.5 } }),
    JSON.stringify({ ...plain, state: { ...good, open: 1 } }),
    JSON.stringify({ ...plain, state: { ...good, tags: { x: true } } }),
    JSON.stringify({ ...plain, state: good, strong: { other: 1 } }),
    JSON.stringify({ ...plain, state: { title: null } }).replace('null', deep)
  ]) {
    await expect(simulation.wait(ref.import(data)), data.slice(0, 120)).rejects.toMatchObject({
      name: 'InvalidParametersError'
    })
  }
  const wrong = JSON.stringify({ ...plain, state: good, strong: { quota: 'many' } })
  await expect(simulation.wait(ref.import(wrong))).rejects.toMatchObject({ name: 'SchemaError' })
  expect((await simulation.wait(ref.state())).value).toEqual(before)
  expect((await simulation.wait(ref.state(strong))).value).toEqual({ quota: 10 })
})

test('any value is the same after JSON', () => {
  const key = fc.string({ unit: 'binary' }).filter((name) => name !== '__proto__')
  const leaf = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }),
    fc.uint8Array()
  )
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      leaf,
      fc.array(tie('any')),
      fc.dictionary(fc.oneof(key, fc.constantFrom('~bytes', '~~', '~bigint')), tie('any'), {
        noNullPrototype: true
      })
    )
  })).any
  fc.assert(
    fc.property(value, (any) => {
      expect(fromPlain(JSON.parse(JSON.stringify(toPlain(any))))).toEqual(any)
    })
  )
})

test('a document is brought to the values of any other one', () => {
  const values = fc.record({
    visits: fc.integer({ min: -1_000, max: 1_000 }),
    tags: fc.uniqueArray(fc.string({ maxLength: 2 }), { maxLength: 6 }),
    lines: fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 6 }),
    open: fc.boolean(),
    rooms: fc.dictionary(
      fc.constantFrom('k', 'l'),
      fc.dictionary(fc.constantFrom('m', 'n'), fc.integer(), { minKeys: 1, noNullPrototype: true }),
      { noNullPrototype: true }
    )
  })
  fc.assert(
    fc.property(fc.array(values, { minLength: 1, maxLength: 4 }), (all) => {
      const document = createDocument()
      for (const [time, wanted] of all.entries()) {
        const { draft, operations } = document.draft(state)
        restore(draft, state, wanted)
        document.execute(operations, { writer: 'w', stamp: { time: time + 1, tick: 0 } })
        const found = document.value(state)
        expect({ ...found, tags: [...found.tags].map(String).toSorted() }).toMatchObject({
          ...wanted,
          tags: [...wanted.tags].map(String).toSorted()
        })
        const again = document.draft(state)
        restore(again.draft, state, wanted)
        expect(again.operations).toEqual([])
      }
    })
  )
})
