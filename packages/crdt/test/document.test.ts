import { describe, expect, expectTypeOf, it } from 'vitest'
import type { Draft, MapDraft, CounterDraft, Operation, Value } from './imports.ts'
import {
  bigCounter,
  counter,
  createDocument,
  decodeDocument,
  limits,
  list,
  lww,
  map,
  max,
  min,
  nextStamp,
  register,
  set
} from './imports.ts'
import { applyAll, bytesOf, expectSame, Replica } from './model.ts'

const schema = {
  readings: counter(),
  last: lww<number>(),
  tags: set<string>(),
  byName: map(lww<number>()),
  votes: map(counter()),
  items: list<string>()
}
const stamp = { time: 1, tick: 0 }
const invalid: unknown = expect.objectContaining({ name: 'InvalidParametersError' })

describe('an execution', () => {
  it('mints dots in sequence and names what it overwrote', () => {
    const { document } = new Replica('w')
    const set1 = { field: 'last', name: 'lww.set', args: [1] }
    const first = document.execute([set1, set1], { writer: 'w', stamp })
    expect(first.dots).toEqual([
      { writer: 'w', counter: 1 },
      { writer: 'w', counter: 2 }
    ])
    expect(first.removed).toEqual([])
    const second = document.execute([set1], { writer: 'v', stamp })
    expect(second.dots).toEqual([{ writer: 'v', counter: 1 }])
    expect(second.removed).toEqual([{ writer: 'w', counter: 2 }])
    expect(document.version).toEqual({ w: 2, v: 1 })
  })

  it('counts operations without effect too, so that each has a dot', () => {
    const { document } = new Replica('w')
    const { dots, delta } = document.execute([{ field: 'tags', name: 'set.remove', args: ['x'] }], {
      writer: 'w',
      stamp
    })
    expect(dots).toHaveLength(1)
    expect(applyAll([delta]).version).toEqual({ w: 1 })
  })

  it('of nothing changes nothing', () => {
    const document = createDocument()
    const { delta, dots } = document.execute([], { writer: 'w', stamp })
    expect(dots).toEqual([])
    expect(applyAll([delta]).version).toEqual({})
    expect(createDocument().apply(delta).status).toBe('duplicate')
  })

  it('refuses wrong operations and changes nothing', () => {
    const replica = new Replica('w')
    replica.update(schema, (s) => {
      s.last.set(1)
      s.items.push('a')
    })
    const before = bytesOf(replica.document)
    const good: Operation = { field: 'last', name: 'lww.set', args: [2] }
    const bad: unknown[] = [
      null,
      5,
      {},
      { ...good, field: 5 },
      { ...good, args: 'x' },
      { ...good, args: [] },
      { ...good, args: [1, 2] },
      { ...good, args: [undefined] },
      { ...good, args: [Number.NaN] },
      { ...good, args: [new Date()] },
      { ...good, args: ['\ud800'] },
      { ...good, args: [Symbol('x')] },
      { ...good, args: [{ constructor: 1 }] },
      { ...good, args: ['x'.repeat(limits.valueBytesMax)] },
      { ...good, name: 'lww' },
      { ...good, name: 'toString' },
      { ...good, name: 'counter.set' },
      { ...good, field: '__proto__' },
      { ...good, field: 'a.b.c.d.e.f.g.h.i' },
      { field: 'm', name: 'map.delete', args: [] },
      { field: 'items', name: 'list.delete', args: [0] },
      { field: 'items', name: 'list.delete', args: [['w', -1]] },
      { field: 'items', name: 'list.delete', args: [['', 9]] },
      { field: 'items', name: 'list.insert', args: [1, 2, 3] },
      { field: 'items', name: 'list.move', args: [null, null, null] }
    ]
    for (const operation of bad) {
      // What another peer sent may be anything.
      const operations = [good, operation] as Operation[]
      expect(() => replica.execute(operations), JSON.stringify(operation)).toThrow(invalid)
      expect(() => replica.execute(operations.slice(1)), JSON.stringify(operation)).toThrow(invalid)
    }
    expect(() => replica.execute(Array.from({ length: 5000 }, () => good))).toThrow(invalid)
    const options = { writer: 'w', stamp }
    for (const other of [
      { ...options, writer: '' },
      { ...options, writer: 'x'.repeat(257) },
      { ...options, writer: '__proto__' },
      { ...options, stamp: { time: -1, tick: 0 } },
      { ...options, stamp: { time: 1, tick: 0.5 } }
    ]) {
      expect(() => replica.document.execute([good], other)).toThrow(invalid)
    }
    expect(bytesOf(replica.document)).toBe(before)
  })

  it('refuses operations that do not fit a schema, if one is given', () => {
    const options = { writer: 'w', stamp, schema }
    const document = createDocument()
    for (const operation of [
      { field: 'other', name: 'lww.set', args: [1] },
      { field: 'last', name: 'counter.increment', args: [1] },
      { field: 'byName', name: 'lww.set', args: [1] },
      { field: 'byName.a.b', name: 'lww.set', args: [1] },
      { field: 'last.a', name: 'map.delete', args: [] },
      { field: 'toString', name: 'lww.set', args: [1] }
    ]) {
      expect(() => document.execute([operation], options), operation.field).toThrow(invalid)
    }
    document.execute([{ field: 'byName.a', name: 'lww.set', args: [1] }], options)
    expect(document.value(schema).byName).toEqual({ a: 1 })
    document.execute([{ field: 'byName.a', name: 'map.delete', args: [] }], options)
    expect(document.value(schema).byName).toEqual({})
  })

  it('leaves out of the delta what it wrote and removed again', () => {
    const replica = new Replica('w')
    const { delta } = replica.update(schema, (s) => {
      for (let i = 0; i < 200; i++) s.last.set(i)
      s.items.push('gone')
      s.items.move(0, 0)
      s.items.delete(0)
    })
    expect(delta.length).toBeLessThan(40)
    expectSame([applyAll([delta]), replica.document])
  })

  it('never mints a dot again that others know, even after its own state was lost', () => {
    const old = new Replica('w')
    const first = old.update(schema, (s) => s.last.set(1))
    const other = new Replica('x')
    other.document.apply(first.delta)
    const { delta } = other.update(schema, (s) => s.last.set(2))
    const fresh = new Replica('w')
    fresh.document.apply(delta)
    expect(fresh.update(schema, (s) => s.last.set(3)).dots).toEqual([{ writer: 'w', counter: 2 }])
  })
})

describe('applying deltas', () => {
  it('reports what is missing, from holes and from removals', () => {
    const w = new Replica('w')
    const deltas = [1, 2, 3, 4, 5].map((n) => w.update(schema, (s) => s.tags.add(`t${n}`)).delta)
    const at = (index: number): Uint8Array => deltas[index] ?? new Uint8Array()
    const document = createDocument()
    expect(document.apply(at(0))).toEqual({ status: 'applied', missing: [], conflicts: [] })
    const gap = document.apply(at(3))
    expect(gap.status).toBe('gap')
    expect(gap.missing).toEqual([{ writer: 'w', from: 2, to: 3 }])
    expect(document.version).toEqual({ w: 1 })
    const other = new Replica('v')
    for (const delta of deltas) other.document.apply(delta)
    document.apply(other.update(schema, (s) => s.tags.remove('t5')).delta)
    expect(document.apply(at(3))).toEqual({
      status: 'duplicate',
      missing: [
        { writer: 'w', from: 2, to: 3 },
        { writer: 'w', from: 5, to: 5 }
      ],
      conflicts: []
    })
    for (const delta of deltas) document.apply(delta)
    expect(document.version).toEqual({ w: 5, v: 1 })
    expect(document.value(schema).tags).toEqual(['t1', 't2', 't3', 't4'])
  })

  it('never claims an update that it does not have because another one overwrote it', () => {
    const w = new Replica('w')
    const one = w.update(schema, (s) => s.last.set(1)).delta
    const two = w.update(schema, (s) => s.last.set(2)).delta
    const three = w.update(schema, (s) => s.last.set(3)).delta
    const document = applyAll([one, three])
    expect(document.version).toEqual({ w: 1 })
    expect(document.apply(two).status).toBe('applied')
    expectSame([document, w.document])
  })
})

describe('forgetting', () => {
  it('removes what dots wrote and counts them as seen, before or after they arrive', () => {
    const w = new Replica('w')
    const one = w.update(schema, (s) => s.tags.add('a'))
    const two = w.update(schema, (s) => s.tags.add('b'))
    const after = applyAll([one.delta, two.delta])
    after.forget(one.dots)
    const before = createDocument()
    before.forget(one.dots)
    expect(before.apply(one.delta).status).toBe('duplicate')
    before.apply(two.delta)
    expectSame([before, after])
    expect(after.value(schema).tags).toEqual(['b'])
    expect(after.version).toEqual({ w: 2 })
  })

  it('refuses dots that cannot exist', () => {
    const document = createDocument()
    for (const dot of [
      { writer: '', counter: 1 },
      { writer: 'w', counter: 0 },
      { writer: 'w', counter: 1.5 }
    ]) {
      expect(() => document.forget([dot])).toThrow(invalid)
    }
    expect(bytesOf(document)).toBe(bytesOf(createDocument()))
  })
})

describe('a draft', () => {
  it('reads its own writes and never touches the document', () => {
    const replica = new Replica('w')
    replica.update(schema, (s) => {
      s.readings.increment(5)
      s.items.push('a')
      s.byName.get('k').set(1)
    })
    const before = bytesOf(replica.document)
    const { draft: s, operations } = replica.document.draft(schema)
    s.readings.increment(2)
    s.readings.decrement()
    s.last.set(3)
    s.tags.add('x')
    s.items.insert(0, 'b')
    s.byName.get('n').set(4)
    s.byName.delete('k')
    s.votes.get('v').increment()
    expect(s.readings.value).toBe(6)
    expect(s.last.value).toBe(3)
    expect(s.tags.has('x')).toBe(true)
    expect(s.items.value).toEqual(['b', 'a'])
    expect(s.items.length).toBe(2)
    expect(s.byName.keys()).toEqual(['n'])
    expect(s.byName.has('k')).toBe(false)
    expect(s.byName.size).toBe(1)
    expect(s.byName.get('n').value).toBe(4)
    expect(s.votes.value).toEqual({ v: 1 })
    expect(operations).toHaveLength(8)
    expect(bytesOf(replica.document)).toBe(before)
    replica.execute(operations)
    expect(replica.document.value(schema)).toEqual({
      readings: 6,
      last: 3,
      tags: ['x'],
      byName: { n: 4 },
      votes: { v: 1 },
      items: ['b', 'a']
    })
  })

  it('records operations that mean the same on a newer document', () => {
    const owner = new Replica('owner')
    owner.update(schema, (s) => s.items.push('a', 'b', 'c'))
    const far = decodeDocument(owner.document.encode())
    const { draft, operations } = far.draft(schema)
    draft.items.insert(2, 'new')
    draft.items.insert(3, 'newer')
    draft.items.move(0, 4)
    draft.tags.remove('x')
    expect(draft.items.value).toEqual(['b', 'new', 'newer', 'c', 'a'])
    owner.update(schema, (s) => {
      s.items.insert(0, 'first')
      s.items.delete(2)
      s.tags.add('x')
    })
    expect(owner.document.value(schema).items).toEqual(['first', 'a', 'c'])
    owner.execute(operations)
    expect(owner.document.value(schema).items).toEqual(['first', 'new', 'newer', 'c', 'a'])
    expect(owner.document.value(schema).tags).toEqual([])
  })

  it('refuses bad indices and values', () => {
    const { draft: s } = createDocument().draft(schema)
    s.items.push('a')
    expect(() => s.items.insert(3, 'x')).toThrow(invalid)
    expect(() => s.items.delete(0, 2)).toThrow(invalid)
    expect(() => s.items.delete(-1)).toThrow(invalid)
    expect(() => s.items.move(0, 1)).toThrow(invalid)
    expect(() => s.last.set(Number.POSITIVE_INFINITY)).toThrow(invalid)
    expect(() => s.readings.increment(0.5)).toThrow(invalid)
    expect(s.items.value).toEqual(['a'])
  })

  it('infers values and drafts from the schema', () => {
    const all = {
      ...schema,
      total: bigCounter(),
      versions: register<string>(),
      low: min<number>(),
      high: max<number | [number, string]>()
    }
    expectTypeOf<Value<typeof all>>().toEqualTypeOf<{
      readonly readings: number
      readonly last: number | undefined
      readonly tags: readonly string[]
      readonly byName: Readonly<Record<string, number | undefined>>
      readonly votes: Readonly<Record<string, number>>
      readonly items: readonly string[]
      readonly total: bigint
      readonly versions: readonly string[]
      readonly low: number | undefined
      readonly high: number | [number, string] | undefined
    }>()
    expectTypeOf<Draft<typeof all>['votes']>().toEqualTypeOf<MapDraft<number, CounterDraft>>()
    expectTypeOf<Draft<typeof all>['last']['set']>().parameter(0).toEqualTypeOf<number>()
  })
})

describe('limits', () => {
  it('refuse to grow a document beyond what can be decoded', () => {
    const replica = new Replica('w')
    const text = 'x'.repeat(limits.valueBytesMax - 10)
    let written = 0
    expect(() => {
      for (; written < 100; written++) {
        replica.execute([{ field: `f${written}`, name: 'lww.set', args: [text] }])
      }
    }).toThrow(invalid)
    expect(written).toBeGreaterThan(28)
    const bytes = replica.document.encode()
    expect(bytes.length).toBeLessThanOrEqual(limits.documentBytesMax)
    expectSame([decodeDocument(bytes), replica.document])
    const other = new Replica('v')
    const { delta } = other.update({ g: lww<string>() }, (s) => s.g.set(text))
    expect(() => replica.document.apply(delta)).toThrow(
      expect.objectContaining({ name: 'MalformedMessageError' })
    )
    // What makes room is always allowed.
    replica.execute([{ field: 'f0', name: 'lww.set', args: [''] }])
  })

  it('bound the state by its content, not by the number of writes', () => {
    const replica = new Replica('peer#1#1')
    for (let i = 0; i < 10_000; i++) {
      replica.execute([{ field: `key${i % 20}`, name: 'lww.set', args: [i] }], 1.8e12 + i)
    }
    expect(replica.document.encode().length).toBeLessThan(1024)
  })

  it('keep single-field updates at 40 bytes with a writer of 8 characters', () => {
    const replica = new Replica('writer01')
    const sizes: number[] = []
    for (let i = 0; i < 2000; i++) {
      const value = i % 2 === 0 ? i * 1000 : `value ${i % 100}`
      const operation = { field: `key${i % 20}`, name: 'lww.set', args: [value] }
      sizes.push(replica.execute([operation], 1.8e12 + i).delta.length)
    }
    expect(Math.max(...sizes)).toBeLessThanOrEqual(40)
  })
})

describe('nextStamp', () => {
  it('never goes back, follows the wall clock, and counts while it stands still', () => {
    let last = { time: 0, tick: 0 }
    for (const now of [5, 5, 3, 6.7, 6, -1, Number.MAX_VALUE, 7]) {
      const next = nextStamp(last, now)
      expect(next.time > last.time || (next.time === last.time && next.tick > last.tick)).toBe(true)
      last = next
    }
    expect(nextStamp({ time: 5, tick: 3 }, 9)).toEqual({ time: 9, tick: 0 })
    expect(nextStamp({ time: 5, tick: 3 }, 4)).toEqual({ time: 5, tick: 4 })
    expect(nextStamp({ time: 5, tick: 2 ** 32 - 1 }, 4)).toEqual({ time: 6, tick: 0 })
  })
})

describe('clones', () => {
  it('are independent', () => {
    const replica = new Replica('w')
    replica.update(schema, (s) => s.items.push('a'))
    const clone = replica.document.clone()
    replica.update(schema, (s) => s.items.push('b'))
    expect(clone.value(schema).items).toEqual(['a'])
    expect(clone.merge(replica.document)).toBe(true)
    expect(clone.merge(replica.document)).toBe(false)
    expectSame([clone, replica.document])
  })
})
