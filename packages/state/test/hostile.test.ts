import { counter } from '@murmuration/crdt'
import { describe, expect, test } from 'vitest'
import { DocumentCopy } from '../src/core/document-copy.ts'
import { createEntry, decodeEntry } from '../src/core/entry.ts'
import type { Entry } from '../src/core/entry.ts'
import { answer, feed } from './hostile.ts'

const record = { id: 'test/doc/a', placement: 'hash', replicas: 3 } as const
const schema = { total: counter() }

function execute(copy: DocumentCopy, writer: string, sequence: number): Entry {
  const { draft, operations } = copy.live.draft(schema)
  draft.total.increment(1)
  return copy.execute({
    operations,
    writer: copy.writer(() => writer),
    time: { time: 1_000 + sequence, tick: 0 },
    epoch: { view: 1, boot: 1 },
    key: { session: 's', sequence },
    result: new Uint8Array(0),
    deltaBytesMax: 1_000
  })
}

function totalOf(copy: DocumentCopy): number {
  return copy.live.value(schema).total
}

test('mutated and forged frames are refused by name, or leave copies that work', async () => {
  // `node packages/state/test/hostile.ts` feeds 100,000 and more.
  const { refused, taken } = await feed(1, 500)
  expect(refused).toBeGreaterThan(200)
  expect(taken).toBeGreaterThan(50)
}, 60_000)

test('mutated answers leave copies that work, and no document is stuck for good', async () => {
  // Worlds of four peers of which one lies in half of its answers; 20,000 of them in the long form.
  const { worlds } = await answer(1, 300)
  expect(worlds).toBeGreaterThan(1)
}, 60_000)

describe('an entry', () => {
  test('with the dots of another writer, or others than it names, is refused', () => {
    const there = new DocumentCopy(record)
    const true1 = execute(there, 'b', 0)
    const forged = [
      createEntry({ ...true1, writer: 'c' }),
      createEntry({ ...true1, first: 2 }),
      createEntry({ ...true1, count: 2 })
    ]
    for (const entry of forged) {
      const here = new DocumentCopy(record)
      expect(() => here.add(decodeEntry(entry.bytes))).toThrow('dots of a writer')
      expect(here.entryCount).toBe(0)
      here.add(true1)
      expect(totalOf(here)).toBe(1)
    }
  })

  test('under the name of this peer that it never made is refused, and its own next one counts', () => {
    const here = new DocumentCopy(record)
    execute(here, 'a', 0)
    const attacker = new DocumentCopy(record)
    execute(attacker, 'a', 5)
    const forged = execute(attacker, 'a', 6)
    expect(() => here.add(forged)).toThrow('never made')
    execute(here, 'a', 1)
    expect(totalOf(here)).toBe(2)
  })

  test('with another effect of an execution that is known is refused, whatever its stamp', () => {
    const there = new DocumentCopy(record)
    const entry = execute(there, 'b', 0)
    const here = new DocumentCopy(record)
    here.add(entry)
    const stamp = { view: 9, boot: 9 }
    const delta = Uint8Array.from([...entry.delta, 0])
    const forged = createEntry({ ...entry, stamp, delta })
    expect(() => here.add(forged)).toThrow('another effect')
    expect(here.add(createEntry({ ...entry, stamp }))?.stamp).toEqual(stamp)
    expect(totalOf(here)).toBe(1)
  })

  test('that voids what its update did not do is refused before anything is decoded further', () => {
    const entry = execute(new DocumentCopy(record), 'b', 0)
    const one = { key: entry.key, mark: 1, count: 1, offsets: [1] }
    expect(() => decodeEntry(createEntry({ ...entry, voids: [one] }).bytes)).toThrow('beyond')
    expect(() => decodeEntry(createEntry({ ...entry, count: 0 }).bytes)).toThrow('together')
  })
})
