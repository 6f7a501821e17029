import { counter } from '@murmuration/crdt'
import type { Epoch } from '@murmuration/interface'
import { expect, test } from 'vitest'
import { DocumentCopy } from '../../src/core/document-copy.ts'
import { decodeState, encodeState } from '../../src/core/messages.ts'

const record = { id: 'test/doc/a', placement: 'hash', replicas: 3 } as const
const schema = { total: counter() }
const early: Epoch = { view: 1, boot: 1 }
const forgetting: Epoch = { view: 2, boot: 1 }
const later: Epoch = { view: 3, boot: 1 }

function add(copy: DocumentCopy, writer: string, epoch: Epoch, sequence: number): void {
  const { draft, operations } = copy.live.draft(schema)
  draft.total.increment()
  const time = { time: epoch.view, tick: sequence }
  const key = { session: 's', sequence }
  const result = new Uint8Array(0)
  copy.execute({ operations, writer, time, epoch, key, result, deltaBytesMax: 1_000 })
}

function forget(copy: DocumentCopy): void {
  expect(copy.fold([copy.planFold('s', 2, forgetting)])).toBe(true)
  const init = { by: forgetting, sessions: ['s'], isWhole: () => true, least: 100 }
  const step = copy.planCollection(init)
  expect(step !== undefined && copy.collect(step)).toBe(true)
  expect(copy.forgotten).toEqual([2, 1, 1])
}

/** Both ways around, and after both have travelled. */
function totals(a: DocumentCopy, b: DocumentCopy): (number | undefined)[] {
  const copyOf = (copy: DocumentCopy) => DocumentCopy.from(decodeState(encodeState(copy.state())))
  const [one, other] = [copyOf(a), copyOf(b)]
  one.merge(b)
  other.merge(a)
  expect(one.digestAsText).toBe(other.digestAsText)
  return [one, other].map((copy) => copy.live.value(schema).total)
}

test('another execution that comes after its session was forgotten does not count', () => {
  const [old, copy] = [new DocumentCopy(record), new DocumentCopy(record)]
  add(old, 'a', early, 1)
  add(copy, 'b', forgetting, 1)
  forget(copy)
  expect(totals(old, copy)).toEqual([1, 1])
})

test('nor where the session was opened again since', () => {
  const [old, copy] = [new DocumentCopy(record), new DocumentCopy(record)]
  add(old, 'a', early, 1)
  add(copy, 'b', forgetting, 1)
  forget(copy)
  add(copy, 'b', forgetting, 5)
  expect(totals(old, copy)).toEqual([2, 2])
})

test('what a later owner answered for counts, and what a side of a split did', () => {
  for (const epoch of [later, { ...early, branch: 'side' }]) {
    const [other, copy] = [new DocumentCopy(record), new DocumentCopy(record)]
    add(other, 'a', epoch, 7)
    add(copy, 'b', forgetting, 1)
    forget(copy)
    expect(totals(other, copy)).toEqual([2, 2])
  }
})
