import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Document, Schema } from './imports.ts'
import { createDocument, decodeDocument } from './imports.ts'
import type { Choices, Everything } from './model.ts'
import {
  applyAll,
  bytesOf,
  change,
  everything,
  expectSame,
  Replica,
  seeded,
  shuffled
} from './model.ts'

// Object.keys loses the key type; the object is the literal above.
const names = Object.keys(everything) as (keyof Everything)[]

interface History {
  readonly replicas: readonly Replica[]
  readonly deltas: readonly Uint8Array[]
  /** Documents as they were along the way. */
  readonly snapshots: readonly Document[]
}

/** Three replicas that change fields, exchange single deltas out of order, and merge at times. */
function history(fields: readonly (keyof Everything)[], steps: number, c: Choices): History {
  const replicas = ['x', 'y', 'z'].map((writer) => new Replica(writer))
  const deltas: Uint8Array[] = []
  const snapshots: Document[] = []
  for (let step = 0; step < steps; step++) {
    const replica = replicas[c.next(3)]
    const other = replicas[c.next(3)]
    if (replica === undefined || other === undefined) continue
    const action = c.next(10)
    if (action < 6) {
      const { draft, operations } = replica.document.draft(everything)
      for (let left = 1 + c.next(3) * c.next(2); left > 0; left--) change(draft, fields, c)
      const expected = draft.counters === undefined ? {} : readDraft(draft)
      deltas.push(replica.execute(operations, c.next(5)).delta)
      expect(replica.document.value(everything)).toEqual(expected)
    } else if (action < 9) {
      const delta = deltas[c.next(Math.max(1, deltas.length))]
      if (delta !== undefined) replica.document.apply(delta)
    } else replica.document.merge(other.document)
    snapshots.push(replica.document.clone())
  }
  return { replicas, deltas, snapshots }
}

function readDraft(draft: Record<string, { readonly value: unknown }>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(draft).map(([name, { value }]) => [name, value]))
}

function union(documents: readonly Document[]): Document {
  const result = createDocument()
  for (const document of documents) result.merge(document)
  return result
}

function checkLaws(fields: readonly (keyof Everything)[], seed: number, steps: number): void {
  const c = seeded(seed)
  const { replicas, deltas, snapshots } = history(fields, steps, c)
  const inOrder = applyAll(deltas)
  // Any order, with repetition, and by states: the same bytes.
  const twice = applyAll(shuffled([...deltas, ...deltas], c))
  const states = union(
    shuffled(
      replicas.map((r) => r.document),
      c
    )
  )
  expectSame([inOrder, twice, applyAll(shuffled(deltas, c)), states])
  expect(inOrder.value(everything)).toEqual(states.value(everything))
  // Merging states is the union of the updates in them, also when both have holes.
  const left = deltas.filter(() => c.next(2) === 0)
  const right = deltas.filter(() => c.next(2) === 0)
  const both = deltas.filter((delta) => left.includes(delta) || right.includes(delta))
  expectSame([union([applyAll(left), applyAll(right)]), applyAll(shuffled(both, c))])
  // A delta is a state: some by delta and some by merge.
  const some = applyAll(deltas.filter(() => c.next(2) === 0))
  const others = applyAll(shuffled(deltas, c).filter(() => c.next(2) === 0))
  expectSame([union([states, some, others]), union([others, states]), inOrder])
  // The laws of merging, on states with holes.
  const [p, q, r] = [some, others, snapshots[c.next(snapshots.length)] ?? states]
  expectSame([union([p, q]), union([q, p])])
  expectSame([union([union([p, q]), r]), union([p, union([q, r])])])
  expectSame([union([p, p]), p])
  // Encoding loses nothing.
  for (const document of [inOrder, p, q, r]) {
    const decoded = decodeDocument(document.encode())
    expectSame([decoded, document, document.clone()])
    expect(decoded.value(everything)).toEqual(document.value(everything))
    expectSame([union([decoded, q]), union([q, document])])
  }
}

describe('documents', () => {
  for (const name of names) {
    it(`follow the laws with a field of type ${name}`, () => {
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 2 ** 31 }), fc.nat(30), (seed, steps) => {
          checkLaws([name], seed, steps)
        }),
        { numRuns: 40 }
      )
    })
  }

  it('follow the laws with all types together', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), fc.nat(60), (seed, steps) => {
        checkLaws(names, seed, steps)
      }),
      { numRuns: 150 }
    )
  })

  it('report duplicates and change nothing by them', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (seed) => {
        const { deltas } = history(names, 20, seeded(seed))
        const document = applyAll(deltas)
        const before = bytesOf(document)
        for (const delta of deltas) expect(document.apply(delta).status).toBe('duplicate')
        expect(bytesOf(document)).toBe(before)
        expect(document.merge(document.clone())).toBe(false)
      }),
      { numRuns: 40 }
    )
  })

  it('rebuild to the same value from a base and the deltas above it, in any order', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), fc.nat(40), (seed, cut) => {
        const c = seeded(seed)
        const { deltas } = history(names, 40, c)
        const base = applyAll(deltas.slice(0, cut)).encode()
        const rebuilt = applyAll(shuffled(deltas.slice(cut), c), decodeDocument(base))
        expectSame([rebuilt, applyAll(deltas)])
      }),
      { numRuns: 40 }
    )
  })

  it('are the same whether dots are forgotten before or after their updates arrive', () => {
    const forgettable = names.filter((name) => !/sum|big|counters|bigs/iu.test(name))
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (seed) => {
        const c = seeded(seed)
        const replica = new Replica('x')
        const executions = Array.from({ length: 12 }, () =>
          replica.update(everything, (draft) => {
            change(draft, forgettable, c)
            change(draft, forgettable, c)
          })
        )
        const deltas = executions.map(({ delta }) => delta)
        const dots = executions.flatMap((execution) => execution.dots).filter(() => c.next(3) === 0)
        const before = createDocument()
        before.forget(dots)
        applyAll(shuffled(deltas, c), before)
        const after = applyAll(deltas)
        after.forget(dots)
        after.forget(dots)
        const merged = applyAll(deltas)
        const forgotten = createDocument()
        forgotten.forget(dots)
        merged.merge(forgotten)
        expectSame([before, after, merged, decodeDocument(after.encode())])
      }),
      { numRuns: 100 }
    )
  })
})

export type { Schema }
