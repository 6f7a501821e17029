import { describe, expect, it } from 'vitest'
import type { FieldType, Schema } from './imports.ts'
import {
  bigCounter,
  counter,
  createDocument,
  flag,
  list,
  lww,
  map,
  max,
  min,
  register,
  set
} from './imports.ts'
import { bytesOf, expectSame, Replica } from './model.ts'

/** Two replicas that see each other's updates only when `sync` says so. */
function pair(): { a: Replica; b: Replica; sync: () => void } {
  const a = new Replica('a')
  const b = new Replica('b')
  const sync = (): void => {
    a.document.merge(b.document)
    b.document.merge(a.document)
    expectSame([a.document, b.document])
  }
  return { a, b, sync }
}

describe('counter', () => {
  const schema = { n: counter() }

  it('adds increments of both sides', () => {
    const { a, b, sync } = pair()
    a.update(schema, (s) => s.n.increment())
    b.update(schema, (s) => s.n.increment(10))
    a.update(schema, (s) => s.n.decrement(3))
    sync()
    expect(a.document.value(schema)).toEqual({ n: 8 })
  })

  it('refuses to leave the safe integers and changes nothing', () => {
    const { a } = pair()
    a.update(schema, (s) => s.n.increment(Number.MAX_SAFE_INTEGER))
    const before = bytesOf(a.document)
    const increment = { field: 'n', name: 'counter.increment', args: [1] }
    for (const operations of [
      [increment],
      [
        { ...increment, args: [-5] },
        { ...increment, args: [6] }
      ],
      [{ ...increment, args: [1.5] }],
      [{ ...increment, args: [1n] }]
    ]) {
      expect(() => a.execute(operations)).toThrow(
        expect.objectContaining({ name: 'InvalidParametersError' })
      )
    }
    expect(bytesOf(a.document)).toBe(before)
  })

  it('stays exact inside when concurrent increments leave the safe integers', () => {
    const { a, b, sync } = pair()
    a.update(schema, (s) => s.n.increment(Number.MAX_SAFE_INTEGER))
    b.update(schema, (s) => s.n.increment(Number.MAX_SAFE_INTEGER))
    sync()
    a.update(schema, (s) => s.n.decrement(Number.MAX_SAFE_INTEGER))
    a.update(schema, (s) => s.n.decrement(Number.MAX_SAFE_INTEGER - 1))
    sync()
    expect(b.document.value(schema)).toEqual({ n: 1 })
  })

  it('is exact as bigCounter at any size', () => {
    const big = { n: bigCounter() }
    const { a, b, sync } = pair()
    const amount = 123456789012345678901234567890n
    a.update(big, (s) => s.n.increment(amount))
    b.update(big, (s) => s.n.decrement(amount - 1n))
    sync()
    expect(a.document.value(big)).toEqual({ n: 1n })
    expect(() => a.update(big, (s) => s.n.increment(1n << 512n))).toThrow(/512/u)
  })
})

describe('lww', () => {
  const schema = { v: lww<string>() }

  it('lets the later stamp win, and the higher writer on a tie', () => {
    const { a, b, sync } = pair()
    a.update(schema, (s) => s.v.set('early'), 10)
    b.update(schema, (s) => s.v.set('late'), 20)
    sync()
    expect(a.document.value(schema)).toEqual({ v: 'late' })
    a.update(schema, (s) => s.v.set('of a'), 30)
    b.update(schema, (s) => s.v.set('of b'), 30)
    sync()
    expect(a.document.value(schema)).toEqual({ v: 'of b' })
  })

  it('lets who has seen a write replace it even with an earlier stamp', () => {
    const { a, b, sync } = pair()
    a.update(schema, (s) => s.v.set('fast clock'), 1_000_000)
    sync()
    b.update(schema, (s) => s.v.set('after'), 5)
    sync()
    expect(a.document.value(schema)).toEqual({ v: 'after' })
  })

  it('keeps values apart from what callers do to their objects', () => {
    const objects = { v: lww<{ list: number[]; gone?: undefined }>() }
    const replica = new Replica('a')
    const value = { list: [1], gone: undefined }
    const { draft, operations } = replica.document.draft(objects)
    draft.v.set(value)
    value.list.push(2)
    replica.execute(operations)
    const read = replica.document.value(objects).v
    expect(read).toEqual({ list: [1] })
    read?.list.push(3)
    expect(replica.document.value(objects).v).toEqual({ list: [1] })
  })
})

describe('register', () => {
  const schema = { v: register<string>() }

  it('keeps concurrent values until a write has seen them', () => {
    const { a, b, sync } = pair()
    a.update(schema, (s) => s.v.set('x'))
    b.update(schema, (s) => s.v.set('y'))
    sync()
    expect(a.document.value(schema)).toEqual({ v: ['x', 'y'] })
    const { removed } = b.update(schema, (s) => s.v.set('z'))
    expect(removed).toEqual([
      { writer: 'b', counter: 1 },
      { writer: 'a', counter: 1 }
    ])
    sync()
    expect(a.document.value(schema)).toEqual({ v: ['z'] })
  })
})

describe('set', () => {
  const schema = { v: set<unknown>() }

  it('lets an addition survive a concurrent removal', () => {
    const { a, b, sync } = pair()
    a.update(schema, (s) => s.v.add('x'))
    sync()
    a.update(schema, (s) => s.v.remove('x'))
    b.update(schema, (s) => s.v.add('x'))
    sync()
    expect(a.document.value(schema)).toEqual({ v: ['x'] })
    b.update(schema, (s) => s.v.remove('x'))
    sync()
    expect(a.document.value(schema)).toEqual({ v: [] })
  })

  it('compares elements by their canonical bytes', () => {
    const { a } = pair()
    a.update(schema, (s) => {
      s.v.add({ x: 1, y: [2n] })
      s.v.add({ y: [2n], x: 1 })
      s.v.add(1)
      s.v.add(1n)
      s.v.add('1')
      s.v.add(-0)
      s.v.add(0)
      s.v.remove(new Uint8Array([1]))
      expect(s.v.has({ y: [2n], x: 1 })).toBe(true)
      expect(s.v.size).toBe(5)
    })
    expect(a.document.value(schema).v).toHaveLength(5)
  })
})

describe('flag', () => {
  it('lets enabling survive a concurrent disabling', () => {
    const schema = { v: flag() }
    const { a, b, sync } = pair()
    a.update(schema, (s) => s.v.enable())
    sync()
    a.update(schema, (s) => s.v.disable())
    b.update(schema, (s) => s.v.enable())
    sync()
    expect(a.document.value(schema)).toEqual({ v: true })
    a.update(schema, (s) => s.v.disable())
    sync()
    expect(b.document.value(schema)).toEqual({ v: false })
  })
})

describe('min and max', () => {
  it('keep the outermost value, of numbers, bigints, text and tuples', () => {
    const schema = { low: min<number>(), high: max<number | bigint | string | [number, string]>() }
    const { a, b, sync } = pair()
    a.update(schema, (s) => s.low.update(5))
    b.update(schema, (s) => s.low.update(3))
    a.update(schema, (s) => s.high.update(2n ** 70n))
    b.update(schema, (s) => s.high.update(1e9))
    sync()
    expect(a.document.value(schema)).toEqual({ low: 3, high: 2n ** 70n })
    a.update(schema, (s) => s.low.update(4))
    b.update(schema, (s) => s.high.update('a'))
    b.update(schema, (s) => s.high.update([1, 'b']))
    a.update(schema, (s) => s.high.update([1, 'a']))
    sync()
    expect(a.document.value(schema)).toEqual({ low: 3, high: [1, 'b'] })
  })

  it('hold the outermost value in one entry, however many updates there were', () => {
    const schema = { low: min<number>() }
    const { a } = pair()
    for (let i = 0; i < 500; i++) a.update(schema, (s) => s.low.update(i))
    expect(a.document.value(schema)).toEqual({ low: 0 })
    expect(a.document.encode().length).toBeLessThan(24)
  })

  it('refuse values without an order', () => {
    const { a } = pair()
    for (const value of [null, true, {}, [null], Number.NaN, new Uint8Array()]) {
      const operation = { field: 'v', name: 'min.update', args: [value] }
      expect(() => a.execute([operation])).toThrow(
        expect.objectContaining({ name: 'InvalidParametersError' })
      )
    }
  })
})

describe('map', () => {
  it('keeps both contents of keys that were made concurrently', () => {
    const schema = { m: map(map(lww<number>())) }
    const { a, b, sync } = pair()
    a.update(schema, (s) => s.m.get('k').get('x').set(1))
    b.update(schema, (s) => s.m.get('k').get('y').set(2))
    sync()
    expect(a.document.value(schema)).toEqual({ m: { k: { x: 1, y: 2 } } })
  })

  it('lets a write survive a concurrent deletion of its key, and only that write', () => {
    const schema = { m: map(map(lww<number>())) }
    const { a, b, sync } = pair()
    a.update(schema, (s) => {
      s.m.get('k').get('x').set(1)
      s.m.get('k').get('y').set(2)
    })
    sync()
    a.update(schema, (s) => s.m.delete('k'))
    b.update(schema, (s) => s.m.get('k').get('y').set(3))
    expect(a.document.value(schema)).toEqual({ m: {} })
    sync()
    expect(a.document.value(schema)).toEqual({ m: { k: { y: 3 } } })
  })

  it('takes dots and backslashes in keys, and keeps keys of all depths apart', () => {
    const schema = { 'm.n': map(map(lww<number>())), m: map(map(lww<number>())) }
    const { a } = pair()
    a.update(schema, (s) => {
      s['m.n'].get('a.b').get('c').set(1)
      s['m.n'].get('a').get('b.c').set(2)
      s.m.get('n\\').get('').set(3)
    })
    expect(a.document.value(schema)).toEqual({
      'm.n': { 'a.b': { c: 1 }, a: { 'b.c': 2 } },
      m: { 'n\\': { '': 3 } }
    })
  })

  it('starts counters of deleted keys at zero again, and keeps concurrent increments', () => {
    const schema = { m: map(counter()) }
    const { a, b, sync } = pair()
    a.update(schema, (s) => s.m.get('k').increment(5))
    sync()
    a.update(schema, (s) => s.m.delete('k'))
    b.update(schema, (s) => s.m.get('k').increment(2))
    sync()
    expect(a.document.value(schema)).toEqual({ m: { k: 2 } })
    a.update(schema, (s) => s.m.delete('k'))
    b.update(schema, (s) => s.m.delete('k'))
    sync()
    expect(a.document.value(schema)).toEqual({ m: {} })
    b.update(schema, (s) => s.m.get('k').increment(1))
    sync()
    expect(a.document.value(schema)).toEqual({ m: { k: 1 } })
  })

  it('forgets deleted keys of types other than counters completely', () => {
    for (const inner of [
      lww<string>(),
      register<string>(),
      set<string>(),
      list<string>(),
      flag()
    ]) {
      const schema: Schema = { m: map<unknown, unknown>(inner) }
      const { a } = pair()
      const name =
        new Map<string, string>([
          ['set', 'add'],
          ['list', 'push'],
          ['flag', 'enable']
        ]).get(inner.kind) ?? 'set'
      for (let i = 0; i < 100; i++) {
        const args = inner.kind === 'flag' ? [] : ['v']
        a.execute([{ field: `m.k${i}`, name: `${inner.kind}.${name}`, args }])
      }
      expect(Object.keys(a.document.value(schema)['m'] ?? {})).toHaveLength(100)
      a.update(schema, () => undefined)
      for (let i = 0; i < 100; i++) a.execute([{ field: `m.k${i}`, name: 'map.delete', args: [] }])
      expect(a.document.value(schema)).toEqual({ m: {} })
      expect(a.document.encode().length).toBeLessThan(12)
    }
  })

  it('refuses keys that reach into prototypes', () => {
    const { a } = pair()
    const schema = { m: map(lww<number>()) }
    for (const key of ['__proto__', 'constructor', 'a\0b', '\ud800', 'x'.repeat(300)]) {
      expect(() => a.update(schema, (s) => s.m.get(key).set(1))).toThrow(
        expect.objectContaining({ name: 'InvalidParametersError' })
      )
    }
  })
})

describe('list', () => {
  const schema = { l: list<string>() }

  it('inserts, deletes and moves by index', () => {
    const { a } = pair()
    a.update(schema, (s) => {
      s.l.push('a', 'd')
      s.l.insert(1, 'b', 'c')
      expect(s.l.value).toEqual(['a', 'b', 'c', 'd'])
      s.l.move(0, 3)
      expect(s.l.value).toEqual(['b', 'c', 'd', 'a'])
      s.l.move(3, 1)
      s.l.delete(2)
    })
    expect(a.document.value(schema)).toEqual({ l: ['b', 'a', 'd'] })
    a.update(schema, (s) => s.l.insert(0, 'first'))
    a.update(schema, (s) => s.l.insert(4, 'last'))
    expect(a.document.value(schema).l).toEqual(['first', 'b', 'a', 'd', 'last'])
  })

  it('does not interleave runs that were inserted at one place', () => {
    const { a, b, sync } = pair()
    a.update(schema, (s) => s.l.push('[', ']'))
    sync()
    for (const replica of [a, b]) {
      for (let i = 0; i < 5; i++) {
        replica.update(schema, (s) => s.l.insert(1 + i, `${replica.writer}${i}`))
      }
    }
    sync()
    const text = a.document.value(schema).l.join('')
    expect(['[a0a1a2a3a4b0b1b2b3b4]', '[b0b1b2b3b4a0a1a2a3a4]']).toContain(text)
  })

  it('moves an element that two peers move at once to one place, never twice', () => {
    const { a, b, sync } = pair()
    a.update(schema, (s) => s.l.push('x', 'y', 'z'))
    sync()
    a.update(schema, (s) => s.l.move(0, 2), 10)
    b.update(schema, (s) => s.l.move(0, 1), 20)
    sync()
    expect(a.document.value(schema).l).toEqual(['y', 'x', 'z'])
  })

  it('tells others what the first of two moves in one update overwrote', () => {
    const { a, b, sync } = pair()
    a.update(schema, (s) => s.l.push('x', 'y', 'z'))
    a.update(schema, (s) => s.l.move(0, 1))
    sync()
    const { delta } = a.update(schema, (s) => {
      s.l.move(1, 2)
      s.l.move(2, 0)
    })
    b.document.apply(delta)
    expectSame([a.document, b.document])
    expect(b.document.value(schema).l).toEqual(['x', 'y', 'z'])
  })

  it('lets a deletion win over a concurrent move, and keeps nothing of it', () => {
    const { a, b, sync } = pair()
    a.update(schema, (s) => s.l.push('x'))
    sync()
    a.update(schema, (s) => {
      s.l.push('y')
      s.l.move(0, 1)
    })
    b.update(schema, (s) => s.l.delete(0))
    sync()
    expect(a.document.value(schema).l).toEqual(['y'])
    b.update(schema, (s) => s.l.delete(0))
    sync()
    expect(a.document.encode().length).toBeLessThan(12)
  })

  it('keeps positions short for pushes by alternating writers', () => {
    const { a, b, sync } = pair()
    for (let i = 0; i < 60; i++) {
      for (const replica of [a, b]) replica.update(schema, (s) => s.l.push('v'))
      sync()
    }
    expect(a.document.value(schema).l).toHaveLength(120)
    expect(a.document.encode().length / 120).toBeLessThan(16)
  })

  it('survives any depth of insertion between neighbours', () => {
    const { a } = pair()
    a.update(schema, (s) => s.l.push('left', 'right'))
    for (let i = 0; i < 300; i++) {
      a.update(schema, (s) => s.l.insert(1 + (i % 2 === 0 ? i >> 1 : (i >> 1) + 1), `v${i}`))
    }
    const replica = createDocument()
    replica.merge(a.document)
    expect(replica.value(schema).l).toHaveLength(302)
    expectSame([replica, a.document])
  })

  it('keeps the order of a model under random edits by one writer', () => {
    const { a } = pair()
    const model: string[] = []
    let state = 12345
    const next = (bound: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      return (state >>> 8) % bound
    }
    for (let i = 0; i < 400; i++) {
      const from = next(model.length + 1)
      const to = next(Math.max(1, model.length))
      a.update(schema, (s) => {
        const action = next(4)
        if (action === 0 && from < model.length) {
          s.l.delete(from)
          model.splice(from, 1)
        } else if (action === 1 && from < model.length) {
          s.l.move(from, to)
          model.splice(to, 0, ...model.splice(from, 1))
        } else {
          s.l.insert(from, `v${i}`)
          model.splice(from, 0, `v${i}`)
        }
      })
      expect(a.document.value(schema).l).toEqual(model)
    }
  })
})

describe('fields of different types under one name', () => {
  it('live beside each other, so that replicas with different schemas merge', () => {
    const { a, b, sync } = pair()
    a.update({ v: counter() }, (s) => s.v.increment(4))
    b.update({ v: lww<string>() }, (s) => s.v.set('text'))
    sync()
    expect(a.document.value({ v: counter() })).toEqual({ v: 4 })
    expect(a.document.value({ v: lww<string>() })).toEqual({ v: 'text' })
    expect(a.document.toJSON()).toEqual({ v: ['text', 4] })
  })

  it('have the zero of their type before the first write', () => {
    const inner: FieldType<number | undefined> = lww<number>()
    const schema = {
      c: counter(),
      b: bigCounter(),
      l: lww(),
      r: register(),
      s: set(),
      m: map(inner)
    }
    expect(
      createDocument().value({ ...schema, i: list(), f: flag(), lo: min(), hi: max() })
    ).toEqual({
      c: 0,
      b: 0n,
      l: undefined,
      r: [],
      s: [],
      m: {},
      i: [],
      f: false,
      lo: undefined,
      hi: undefined
    })
  })
})
