import { counter } from '@murmuration/crdt'
import type { Epoch } from '@murmuration/interface'
import { expect, test } from 'vitest'
import type { CollectStep } from '../../src/core/base.ts'
import { DocumentCopy } from '../../src/core/document-copy.ts'
import type { Entry } from '../../src/core/entry.ts'
import { decodeState, encodeState } from '../../src/core/messages.ts'

const record = { id: 'test/doc/a', placement: 'hash', replicas: 3 } as const
const schema = { total: counter() }
const early: Epoch = { view: 1, boot: 1 }
const forgetting: Epoch = { view: 2, boot: 1 }
const later: Epoch = { view: 3, boot: 1 }

function add(
  copy: DocumentCopy,
  writer: string,
  epoch: Epoch,
  sequence: number,
  session = 's'
): Entry {
  const { draft, operations } = copy.live.draft(schema)
  draft.total.increment()
  const time = { time: epoch.view, tick: sequence }
  const key = { session, sequence }
  const result = new Uint8Array(0)
  return copy.execute({ operations, writer, time, epoch, key, result, deltaBytesMax: 1_000 })
}

function forget(copy: DocumentCopy): CollectStep {
  const init = { by: forgetting, sessions: ['s'], isWhole: () => true, least: 100 }
  const step = copy.planCollection(init)
  if (step === undefined) throw new Error('there is nothing to forget')
  expect(copy.collect(step)).toBe(true)
  expect(copy.forgotten).toEqual([2, 1, 1])
  return step
}

function copyOf(copy: DocumentCopy): DocumentCopy {
  return DocumentCopy.from(decodeState(encodeState(copy.state())))
}

/** Both ways around, and after both have travelled. */
function totals(a: DocumentCopy, b: DocumentCopy): (number | undefined)[] {
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

test('a replica that has not heard of an open session does not forget others', () => {
  const [copy, replica] = [new DocumentCopy(record), new DocumentCopy(record)]
  replica.add(add(copy, 'b', forgetting, 1))
  const late = add(copy, 'b', forgetting, 1, 'open')
  const step = forget(copy)
  const before = replica.digestAsText
  expect(replica.collect(step)).toBe(false)
  // Nor half of it: below a floor it would refuse what later owners execute.
  expect([replica.digestAsText, replica.floorOf('s')]).toEqual([before, 0])
  expect(replica.add(late)).toBe(late)
  expect(replica.collect(step)).toBe(true)
  expect(replica.digestAsText).toBe(copy.digestAsText)
  expect(replica.live.value(schema).total).toBe(2)
})

test('nor does one that has more of those that are forgotten', () => {
  const [copy, replica] = [new DocumentCopy(record), new DocumentCopy(record)]
  replica.add(add(copy, 'b', forgetting, 1))
  add(replica, 'a', later, 2)
  expect(replica.collect(forget(copy))).toBe(false)
  expect(totals(copy, replica)).toEqual([2, 2])
})

test('a copy that has not forgotten a session loses nothing of it when it is opened again', () => {
  const [copy, replica] = [new DocumentCopy(record), new DocumentCopy(record)]
  replica.add(add(copy, 'b', forgetting, 1))
  const step = forget(copy)
  const again = add(copy, 'b', forgetting, 2)
  expect(replica.add(again)).toBe(again)
  const next = new DocumentCopy(record)
  next.merge(replica)
  expect(totals(next, replica)).toEqual([2, 2])
  expect(totals(next, copy)).toEqual([2, 2])
  expect(next.collect(step)).toBe(false)
  for (const to of [1, 2]) {
    // Also where only its floor is left, and what opened it again.
    expect(replica.fold([replica.planFold('s', to, forgetting)])).toBe(true)
    expect(copyOf(replica).sinceOf('s')).toEqual([])
  }
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
