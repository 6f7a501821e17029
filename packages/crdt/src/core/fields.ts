import type { Context } from './context.ts'
import { writerOf } from './context.ts'
import { mutants } from './mutants.ts'
import { valueKey } from './values.ts'

/** Type tags of the format. `presence` and `baseline` belong to counters that live in maps. */
export const tags = {
  lww: 1,
  register: 2,
  min: 3,
  max: 4,
  flag: 5,
  presence: 6,
  baseline: 7,
  set: 8,
  counter: 9,
  bigCounter: 10,
  list: 11,
  opaque: 12
} as const

export type Tag = (typeof tags)[keyof typeof tags]
export type EntriesTag = Exclude<Tag, 8 | 9 | 10 | 11>

/** An exact integer: a number while it is safe, a bigint beyond. */
export type Sum = number | bigint

export function addSums(a: Sum, b: Sum): Sum {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b
    if (Number.isSafeInteger(sum)) return sum
  }
  return toSum(BigInt(a) + BigInt(b))
}

/** The one representation of an integer. */
export function toSum(value: Sum): Sum {
  if (typeof value === 'number') return value
  const small = Number(value)
  return Number.isSafeInteger(small) ? small : value
}

/** One living write of a register-like field. Stamps are 0 where the type has none. */
export interface Entry {
  readonly dot: number
  readonly time: number
  readonly tick: number
  readonly value: unknown
}

const noEntries: readonly Entry[] = Object.freeze([])

interface FieldBase {
  readonly key: string
  readonly path: readonly string[]
  /** Dots removed here whose own updates have not arrived. */
  pending: Set<number> | undefined
}

export interface EntriesField extends FieldBase {
  readonly shape: 'entries'
  readonly tag: EntriesTag
  /** Replaced and never changed, so that copies can share it. */
  entries: readonly Entry[]
}

export interface SetField extends FieldBase {
  readonly shape: 'set'
  readonly tag: 8
  /** Dot to the key of its element. */
  readonly dots: Map<number, string>
  readonly elements: Map<string, { readonly value: unknown; dots: number[] }>
}

export interface CounterField extends FieldBase {
  readonly shape: 'counter'
  readonly tag: 9 | 10
  /** Per writer (by place) the sum of its increments up to the prefix of the context. */
  readonly sums: Map<number, Sum>
  /** Increments above a hole. */
  readonly extras: Map<number, Sum>
}

/** A later place for a list element. Positions are [digit, dot, digit, dot …]. */
export interface Move {
  readonly dot: number
  readonly time: number
  readonly tick: number
  readonly position: readonly number[]
}

export interface ListElement {
  readonly dot: number
  readonly value: unknown
  readonly position: readonly number[]
  moves: readonly Move[]
  /** The position of the winning move, or the first one. */
  current: readonly number[]
}

export interface ListField extends FieldBase {
  readonly shape: 'list'
  readonly tag: 11
  readonly elements: Map<number, ListElement>
  /** Moves of elements whose insertion has not arrived. */
  readonly ghosts: Map<number, readonly Move[]>
  /** Elements in order; undefined until asked for. */
  order: ListElement[] | undefined
}

export type Field = EntriesField | SetField | CounterField | ListField

/** What is made from a field name once and shared by all documents that have such a field. */
interface NamedPath {
  readonly path: readonly string[]
  /** Field keys by tag. */
  readonly keys: (string | undefined)[]
}

/** Names come from schemas, so there are few; the bound is for those that other peers make up. */
const NAMED_PATHS_MAX = 4096
const namedPaths = new Map<string, NamedPath>()

function namedPath(name: string): NamedPath {
  let named = namedPaths.get(name)
  if (named === undefined) {
    if (namedPaths.size >= NAMED_PATHS_MAX) namedPaths.clear()
    named = { path: Object.freeze([name]), keys: [] }
    namedPaths.set(name, named)
  }
  return named
}

/** The path of a field at the top of a document. */
export function topPath(name: string): readonly string[] {
  return namedPath(name).path
}

/** Same path, other type: another field. So replicas with other schemas never clash. */
export function fieldKey(path: readonly string[], tag: Tag): string {
  const [name = ''] = path
  if (path.length > 1) return `${path.join('\0')}\0${String.fromCharCode(tag)}`
  const { keys } = namedPath(name)
  return (keys[tag] ??= `${name}\0${String.fromCharCode(tag)}`)
}

/** By far the most fields are of this kind: what they have in common takes no room in each. */
class Entries implements EntriesField {
  readonly key: string
  readonly path: readonly string[]
  readonly tag: EntriesTag
  pending: Set<number> | undefined = undefined
  entries: readonly Entry[] = noEntries

  constructor(key: string, path: readonly string[], tag: EntriesTag) {
    this.key = key
    this.path = path
    this.tag = tag
  }

  get shape(): 'entries' {
    return 'entries'
  }
}

export function createField(key: string, path: readonly string[], tag: Tag): Field {
  // Literals without spreading: what is spread and then extended takes a second block of memory.
  const pending = undefined
  switch (tag) {
    case tags.set:
      return { key, path, pending, shape: 'set', tag, dots: new Map(), elements: new Map() }
    case tags.counter:
    case tags.bigCounter:
      return { key, path, pending, shape: 'counter', tag, sums: new Map(), extras: new Map() }
    case tags.list:
      return {
        key,
        path,
        pending,
        shape: 'list',
        tag,
        elements: new Map(),
        ghosts: new Map(),
        order: undefined
      }
    case tags.lww:
    case tags.register:
    case tags.min:
    case tags.max:
    case tags.flag:
    case tags.presence:
    case tags.baseline:
    case tags.opaque:
      return new Entries(key, path, tag)
  }
}

export function cloneField(field: Field): Field {
  const pending = field.pending === undefined ? undefined : new Set(field.pending)
  switch (field.shape) {
    case 'entries': {
      const copy = new Entries(field.key, field.path, field.tag)
      copy.pending = pending
      copy.entries = field.entries
      return copy
    }
    case 'set': {
      const elements: SetField['elements'] = new Map()
      for (const [key, { value, dots }] of field.elements) {
        elements.set(key, { value, dots: dots.slice() })
      }
      return { ...field, pending, dots: new Map(field.dots), elements }
    }
    case 'counter':
      return { ...field, pending, sums: new Map(field.sums), extras: new Map(field.extras) }
    case 'list': {
      const elements: ListField['elements'] = new Map()
      for (const [dot, element] of field.elements) elements.set(dot, { ...element })
      return { ...field, pending, elements, ghosts: new Map(field.ghosts), order: undefined }
    }
  }
}

/** Whether nothing needs to be kept. Removals that wait for their updates need to be. */
export function isEmpty(field: Field): boolean {
  if (field.pending !== undefined) return false
  switch (field.shape) {
    case 'entries':
      return field.entries.length === 0
    case 'set':
      return field.dots.size === 0
    case 'counter':
      return field.sums.size === 0 && field.extras.size === 0
    case 'list':
      return field.elements.size === 0 && field.ghosts.size === 0
  }
}

export function addToSet(field: SetField, dot: number, value: unknown): void {
  const key = valueKey(value)
  const element = field.elements.get(key)
  if (element === undefined) field.elements.set(key, { value, dots: [dot] })
  else element.dots.push(dot)
  field.dots.set(dot, key)
}

/** The entry or move with the highest (time, tick, writer, counter). */
export function latest<T extends { dot: number; time: number; tick: number }>(
  items: readonly T[],
  context: Context
): T | undefined {
  let best = items[0]
  for (let i = 1; i < items.length; i++) {
    const item = items[i]
    if (item === undefined || best === undefined) continue
    const order =
      item.time - best.time ||
      item.tick - best.tick ||
      (mutants.tiesByArrival ? 1 : context.compare(item.dot, best.dot))
    if (order > 0) best = item
  }
  return best
}

export function currentPosition(element: ListElement, context: Context): readonly number[] {
  return latest(element.moves, context)?.position ?? element.position
}

/** Adds an increment: into the prefix sum, or beside it while there is a hole below. */
export function addIncrement(
  field: CounterField,
  dot: number,
  increment: Sum,
  context: Context
): void {
  const writer = writerOf(dot)
  if (context.hasPrefix(dot)) {
    field.sums.set(writer, addSums(field.sums.get(writer) ?? 0, increment))
  } else field.extras.set(dot, increment)
}

/** Moves increments whose hole is filled into the prefix sums. */
export function foldExtras(field: CounterField, context: Context): void {
  for (const [dot, increment] of field.extras) {
    if (!context.hasPrefix(dot)) continue
    field.extras.delete(dot)
    addIncrement(field, dot, increment, context)
  }
}

/** The sum of all increments. */
export function counterTotal(field: CounterField): Sum {
  let total: Sum = 0
  for (const sum of field.sums.values()) total = addSums(total, sum)
  for (const increment of field.extras.values()) total = addSums(total, increment)
  return total
}
