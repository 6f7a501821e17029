import { describe, expect, it } from 'vitest'
import type { Collection, Document } from './imports.ts'
import {
  counter,
  createDocument,
  decodeDocument,
  list,
  lww,
  map,
  nextCollection,
  set
} from './imports.ts'
import { bytesOf, expectSame, Replica } from './model.ts'

const schema = {
  sum: counter(),
  votes: map(counter()),
  last: lww<number>(),
  tags: set<string>(),
  items: list<string>()
}

/** Replicas that have all seen the same three writers, of which `old` will not write again. */
function replicas(): { documents: Document[]; late: Uint8Array; live: Replica } {
  const old = new Replica('old')
  const late = old.update(schema, (s) => s.tags.add('x')).delta
  const deltas = [
    late,
    old.update(schema, (s) => s.sum.increment(5)).delta,
    old.update(schema, (s) => s.votes.get('k').increment(2)).delta,
    old.update(schema, (s) => s.last.set(1)).delta
  ]
  const live = new Replica('live')
  for (const delta of deltas) live.document.apply(delta)
  deltas.push(live.update(schema, (s) => s.tags.remove('x')).delta)
  deltas.push(live.update(schema, (s) => s.last.set(2)).delta)
  deltas.push(live.update(schema, (s) => s.sum.increment(1)).delta)
  deltas.push(live.update(schema, (s) => s.votes.get('k').increment(1)).delta)
  const documents = [0, 1, 2].map(() => createDocument())
  for (const document of documents) for (const delta of deltas) document.apply(delta)
  return { documents, late, live }
}

const isOld = (writer: string): boolean => writer === 'old'

function agree(documents: readonly Document[]): Collection {
  const collection = nextCollection(
    documents.map((document) => document.report()),
    isOld
  )
  if (collection === undefined) throw new Error('nothing to collect')
  return collection
}

describe('a collection', () => {
  it('takes writers that are gone out of the version and keeps every value', () => {
    const { documents } = replicas()
    const [document = createDocument()] = documents
    const before = document.value(schema)
    const size = document.encode().length
    const collection = agree(documents)
    expect(collection).toEqual({ floor: 1, writers: { old: 5 } })
    for (const each of documents) expect(each.collect(collection)).toBe('collected')
    expect(document.version).toEqual({ '~': 1, live: 5 })
    expect(document.floor).toBe(1)
    expect(document.value(schema)).toEqual(before)
    expect(document.encode().length).toBeLessThan(size)
    expectSame([...documents, decodeDocument(document.encode())])
    expect(document.collect(collection)).toBe('duplicate')
  })

  it('is agreed by all replicas: who lacks something of a writer keeps it for all', () => {
    const { documents, live } = replicas()
    const behind = createDocument()
    const reports = [...documents, behind].map((document) => document.report())
    expect(nextCollection(reports, isOld)).toBeUndefined()
    expect(behind.collect({ floor: 1, writers: { old: 5 } })).toBe('gap')
    expect(bytesOf(behind)).toBe(bytesOf(createDocument()))
    // Nor does a writer go of which something lives.
    const named = documents.map((document) => document.report())
    expect(nextCollection(named, (writer) => writer === live.writer)).toBeUndefined()
  })

  it('is no way for what was removed to come back by a late delta', () => {
    const { documents, late } = replicas()
    const [document = createDocument()] = documents
    document.collect(agree(documents))
    const before = bytesOf(document)
    expect(document.apply(late).status).toBe('below-floor')
    expect(document.apply(late, { gone: new Set(['old']) }).status).toBe('duplicate')
    expect(bytesOf(document)).toBe(before)
  })

  it('lets who was away give its state up, and keep what only it has', () => {
    const { documents } = replicas()
    const away = new Replica('away')
    away.document = documents.pop()?.clone() ?? createDocument()
    const tail = away.update(schema, (s) => s.sum.increment(100)).delta
    const [document = createDocument()] = documents
    const collection = agree([...documents, away.document])
    document.collect(collection)
    expect(() => away.document.merge(document)).toThrow(
      expect.objectContaining({ name: 'BelowFloorError' })
    )
    expect(document.apply(tail).status).toBe('below-floor')
    const gone = new Set(Object.keys(collection.writers))
    expect(document.apply(tail, { gone }).status).toBe('applied')
    expect(away.document.collect(collection)).toBe('collected')
    expectSame([document, away.document])
    expect(document.value(schema).sum).toBe(106)
  })

  it('refuses floors and writers that cannot be', () => {
    const document = createDocument()
    const invalid: unknown = expect.objectContaining({ name: 'InvalidParametersError' })
    expect(() => document.collect({ floor: 0, writers: {} })).toThrow(invalid)
    expect(() => document.collect({ floor: 1, writers: { '~': 1 } })).toThrow(invalid)
    expect(document.collect({ floor: 2, writers: {} })).toBe('gap')
    expect(() => document.execute([], { writer: '~', stamp: { time: 0, tick: 0 } })).toThrow(
      invalid
    )
  })
})
