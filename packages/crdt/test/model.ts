import { expect } from 'vitest'
import type { Document, Draft, Execution, Operation, Schema, Stamp } from './imports.ts'
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
  opaque,
  nextStamp,
  register,
  set
} from './imports.ts'

/** Small choices from a stream of bytes, so that a failing script shrinks well. */
export interface Choices {
  /** An integer from 0 to below `bound`. */
  next(bound: number): number
}

/** A seeded source of choices (xorshift32). */
export function seeded(seed: number): Choices {
  let state = seed === 0 ? 1 : seed
  return {
    next(bound) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      return (state >>> 0) % bound
    }
  }
}

export const everything = {
  sum: counter(),
  big: bigCounter(),
  last: lww<unknown>(),
  versions: register<number>(),
  note: opaque<unknown>(),
  tags: set<unknown>(),
  on: flag(),
  low: min<number>(),
  high: max<number | bigint | string>(),
  items: list<string>(),
  counters: map(counter()),
  bigs: map(bigCounter()),
  cells: map(lww<number>()),
  registers: map(register<number>()),
  notes: map(opaque<number>()),
  sets: map(set<string>()),
  lists: map(list<string>()),
  flags: map(flag()),
  lows: map(min<number>()),
  deep: map(map(lww<number>())),
  deepCounters: map(map(counter()))
} satisfies Schema

export type Everything = typeof everything

const composite = [null, true, -1.5, 'x', 7n, [1, 'a'], { b: 2, a: [] }, new Uint8Array([1, 2])]

function pick(choices: Choices): string {
  return 'abc'[choices.next(3)] ?? 'a'
}

function changeList(items: Draft<{ l: ReturnType<typeof list<string>> }>['l'], c: Choices): void {
  const { length } = items
  const action = c.next(6)
  const text = `v${c.next(100)}`
  if (action <= 1 || length === 0) items.push(text, `${text}'`)
  else if (action === 2) items.insert(c.next(length + 1), text)
  else if (action === 3) items.delete(c.next(length))
  else items.move(c.next(length), c.next(length))
}

/** One random change of one field; `names` limits which. */
export function change(
  s: Draft<Everything>,
  names: readonly (keyof Everything)[],
  c: Choices
): void {
  const name = names[c.next(names.length)] ?? 'sum'
  const small = c.next(9) - 4
  const drop = c.next(4) === 0
  switch (name) {
    case 'sum':
      return s.sum.increment(small)
    case 'big':
      return s.big.increment(BigInt(small) << BigInt(c.next(80)))
    case 'last':
      return s.last.set(composite[c.next(composite.length)])
    case 'versions':
      return s.versions.set(small)
    case 'note':
      return s.note.set(composite[c.next(composite.length)])
    case 'tags': {
      const value = composite[c.next(composite.length)]
      return c.next(2) === 0 ? s.tags.remove(value) : s.tags.add(value)
    }
    case 'on':
      return c.next(2) === 0 ? s.on.disable() : s.on.enable()
    case 'low':
      return s.low.update(small)
    case 'high':
      return s.high.update([small, BigInt(small), String(small)][c.next(3)] ?? 0)
    case 'items':
      return changeList(s.items, c)
    case 'counters':
      return drop ? s.counters.delete(pick(c)) : s.counters.get(pick(c)).increment(small)
    case 'bigs':
      return drop ? s.bigs.delete(pick(c)) : s.bigs.get(pick(c)).increment(BigInt(small))
    case 'cells':
      return drop ? s.cells.delete(pick(c)) : s.cells.get(pick(c)).set(small)
    case 'registers':
      return drop ? s.registers.delete(pick(c)) : s.registers.get(pick(c)).set(small)
    case 'notes':
      return drop ? s.notes.delete(pick(c)) : s.notes.get(pick(c)).set(small)
    case 'sets': {
      if (drop) return s.sets.delete(pick(c))
      const inner = s.sets.get(pick(c))
      return c.next(3) === 0 ? inner.remove(pick(c)) : inner.add(pick(c))
    }
    case 'lists':
      return drop ? s.lists.delete(pick(c)) : changeList(s.lists.get(pick(c)), c)
    case 'flags': {
      if (drop) return s.flags.delete(pick(c))
      const inner = s.flags.get(pick(c))
      return c.next(3) === 0 ? inner.disable() : inner.enable()
    }
    case 'lows':
      return drop ? s.lows.delete(pick(c)) : s.lows.get(pick(c)).update(small)
    case 'deep':
      if (drop) return s.deep.delete(pick(c))
      if (c.next(4) === 0) return s.deep.get(pick(c)).delete(pick(c))
      return s.deep.get(pick(c)).get(pick(c)).set(small)
    case 'deepCounters':
      if (drop) return s.deepCounters.delete(pick(c))
      if (c.next(4) === 0) return s.deepCounters.get(pick(c)).delete(pick(c))
      return s.deepCounters.get(pick(c)).get(pick(c)).increment(small)
  }
}

/** A replica for tests: a document, a writer and a clock. */
export class Replica {
  document: Document = createDocument()
  writer: string
  stamp: Stamp = { time: 0, tick: 0 }

  constructor(writer: string) {
    this.writer = writer
  }

  execute(operations: readonly Operation[], nowMs = 0): Execution {
    this.stamp = nextStamp(this.stamp, nowMs)
    return this.document.execute(operations, { writer: this.writer, stamp: this.stamp })
  }

  update<S extends Schema>(schema: S, fn: (draft: Draft<S>) => void, nowMs = 0): Execution {
    const { draft, operations } = this.document.draft(schema)
    fn(draft)
    return this.execute(operations, nowMs)
  }
}

export function bytesOf(document: Document): string {
  return Buffer.from(document.encode()).toString('hex')
}

export function expectSame(documents: readonly Document[]): void {
  const [first, ...others] = documents
  if (first === undefined) return
  for (const other of others) {
    if (bytesOf(other) === bytesOf(first)) continue
    expect(other.toJSON()).toEqual(first.toJSON())
    expect(bytesOf(other)).toBe(bytesOf(first))
  }
}

export function applyAll(deltas: readonly Uint8Array[], into = createDocument()): Document {
  for (const delta of deltas) into.apply(delta)
  return into
}

export function shuffled<T>(items: readonly T[], c: Choices): T[] {
  const result = items.slice()
  for (let i = result.length - 1; i > 0; i--) {
    const j = c.next(i + 1)
    const a = result[i]
    const b = result[j]
    if (a !== undefined && b !== undefined) [result[i], result[j]] = [b, a]
  }
  return result
}
