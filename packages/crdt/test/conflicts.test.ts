import { describe, expect, it } from 'vitest'
import {
  clampStamp,
  createDocument,
  isSkewed,
  lww,
  map,
  medianOffset,
  opaque,
  register
} from './imports.ts'
import { applyAll, Replica } from './model.ts'

interface Note {
  readonly words: readonly string[]
}

/** A three-way merge: what either side added to the common ancestor. */
const merged = (a: Note, b: Note, ancestor: Note | undefined): Note => {
  const known = new Set(ancestor?.words)
  const added = [...a.words, ...b.words].filter((word) => !known.has(word))
  return { words: [...known, ...added] }
}

const schema = { note: opaque<Note>(merged), plain: opaque<number>(), last: lww<number>() }

describe('an opaque value', () => {
  it('is merged by its owner from the two sides and what both replaced', () => {
    const a = new Replica('a')
    const base = a.update(schema, (s) => s.note.set({ words: ['base'] })).delta
    const b = new Replica('b')
    b.document.apply(base)
    const deltas = [
      base,
      a.update(schema, (s) => s.note.set({ words: ['base', 'one'] })).delta,
      a.update(schema, (s) => s.note.set({ words: ['base', 'one', 'two'] })).delta,
      b.update(schema, (s) => s.note.set({ words: ['base', 'three'] })).delta
    ]
    const words = ['base', 'one', 'two', 'three']
    const documents = [applyAll(deltas), applyAll(deltas.toReversed())]
    for (const document of documents) {
      expect(document.value(schema).note).toEqual({ words })
      expect(document.conflicts()).toEqual([
        {
          field: 'note',
          kind: 'opaque',
          values: [{ words: ['base', 'one', 'two'] }, { words: ['base', 'three'] }],
          dots: [
            { writer: 'a', counter: 3 },
            { writer: 'b', counter: 1 }
          ]
        }
      ])
    }
    const [document = createDocument()] = documents
    a.document = document
    a.update(schema, (s) => s.note.set(s.note.value ?? { words: [] }))
    expect(document.conflicts()).toEqual([])
    expect(document.value(schema).note).toEqual({ words })
  })

  it('is the latest one where nobody merges it', () => {
    const [a, b] = [new Replica('a'), new Replica('b')]
    const deltas = [
      a.update(schema, (s) => s.plain.set(1), 20).delta,
      b.update(schema, (s) => s.plain.set(2), 10).delta
    ]
    expect(applyAll(deltas).value(schema).plain).toBe(1)
  })

  it('goes without its ancestors where there is no room for them', () => {
    const replica = new Replica('a')
    const large = { text: opaque<string>() }
    replica.update(large, (s) => s.text.set('x'.repeat(200_000)))
    const other = new Replica('b')
    other.document = replica.document
    const { delta } = other.update(large, (s) => s.text.set('y'.repeat(200_000)))
    expect(delta.length).toBeLessThan(201_000)
    expect(applyAll([delta]).value(large).text).toBe('y'.repeat(200_000))
  })
})

describe('a conflict', () => {
  it('is told by the delta that brings it, and not by those that settle it', () => {
    const fields = { last: lww<number>(), all: map(register<number>()) }
    const [a, b] = [new Replica('a'), new Replica('b')]
    const first = a.update(fields, (s) => {
      s.last.set(1)
      s.all.get('k').set(1)
    })
    const dots = (counter: number) => ['a', 'b'].map((writer) => ({ writer, counter }))
    const second = b.update(fields, (s) => {
      s.last.set(2)
      s.all.get('k').set(2)
    })
    expect(a.document.apply(second.delta).conflicts).toEqual([
      { field: 'last', kind: 'lww', values: [1, 2], dots: dots(1) },
      { field: 'all.k', kind: 'register', values: [1, 2], dots: dots(2) }
    ])
    expect(a.document.apply(second.delta).conflicts).toEqual([])
    const settled = a.update(fields, (s) => s.all.get('k').set(3)).delta
    b.document.apply(first.delta)
    expect(b.document.apply(settled).conflicts).toEqual([])
  })
})

describe('the signer of a delta', () => {
  it('is the only one that may write under its names', () => {
    const writer = 'peer-a#1#1'
    const { delta } = new Replica(writer).update(schema, (s) => s.last.set(1))
    const signedBy = (peer: string) => ({
      isWriter: (name: string) => name.startsWith(`${peer}#`)
    })
    const document = createDocument()
    expect(() => document.apply(delta, signedBy('peer-b'))).toThrow(
      expect.objectContaining({ name: 'InvalidSignatureError' })
    )
    expect(document.version).toEqual({})
    expect(document.apply(delta, signedBy('peer-a')).status).toBe('applied')
  })
})

describe('a clock', () => {
  it('is judged against a bound', () => {
    expect(isSkewed({ time: 1_000, tick: 0 }, 1_500, 500)).toBe(false)
    expect(isSkewed({ time: 2_001, tick: 0 }, 1_500, 500)).toBe(true)
    expect(isSkewed({ time: 999, tick: 0 }, 1_500, 500)).toBe(true)
  })

  it('that nobody watched is brought within the bound, once', () => {
    const clamped = clampStamp({ time: 9_000, tick: 3 }, 1_000.7, 500)
    expect(clamped).toEqual({ time: 1_500, tick: 3 })
    expect(clampStamp(clamped, 1_000, 500)).toEqual(clamped)
    expect(clampStamp({ time: 0, tick: 1 }, 1_000, 500)).toEqual({ time: 500, tick: 1 })
    expect(clampStamp({ time: 0, tick: 1 }, 100, 500)).toEqual({ time: 0, tick: 1 })
  })

  it('is compared with the median of the others, which a minority cannot move', () => {
    expect(medianOffset([])).toBe(0)
    expect(medianOffset([3, 1, 1_000_000])).toBe(3)
    expect(medianOffset([-4, 2, 4, 8])).toBe(3)
  })
})
