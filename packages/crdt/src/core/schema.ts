import type { Operation } from '@murmuration/interface'
import { InvalidParametersError } from '@murmuration/interface'
import type {
  BigCounterDraft,
  CounterDraft,
  ExtremeDraft,
  FlagDraft,
  ListDraft,
  LwwDraft,
  MapDraft,
  OpaqueDraft,
  RegisterDraft,
  SetDraft
} from './draft-types.ts'
import type { Ordered } from './order.ts'

export type FieldKind =
  | 'counter'
  | 'bigCounter'
  | 'lww'
  | 'register'
  | 'opaque'
  | 'set'
  | 'map'
  | 'list'
  | 'flag'
  | 'min'
  | 'max'

/** The type of a field: what it holds (`V`) and how a draft changes it (`D`). */
export interface FieldType<V = unknown, D = unknown> {
  readonly kind: FieldKind
  /** Of the values of a map. */
  readonly inner?: FieldType
  /** Of an opaque value: decides between concurrent ones. */
  onConflict?(a: unknown, b: unknown, ancestor: unknown): unknown
  /** Exists for type inference only. */
  readonly '~types'?: { readonly value: V; readonly draft: D }
}

/**
 * Makes one value of two concurrent ones. Pure and equal on all peers: every reader runs it, with
 * the two in the same order. `ancestor` is the newest value that both descend from; undefined where
 * there was none, or where it is more than three writes ago on one side.
 */
export type OnConflict<T> = (a: T, b: T, ancestor: T | undefined) => T

/** The fields of a document by name. Documents do not store it: they describe themselves. */
export type Schema = Readonly<Record<string, FieldType>>

/** What reading a document of a schema gives. */
export type Value<S extends Schema> = {
  readonly [K in keyof S]: S[K] extends FieldType<infer V> ? V : never
}

/** What an update function works on. */
export type Draft<S extends Schema> = {
  readonly [K in keyof S]: S[K] extends FieldType<unknown, infer D> ? D : never
}

/** Sum of increments, each exact; the value is a number. Refuses to leave the safe integers. */
export function counter(): FieldType<number, CounterDraft> {
  return { kind: 'counter' }
}

/** Sum of bigint increments, exact at any size up to 1,024 bits. */
export function bigCounter(): FieldType<bigint, BigCounterDraft> {
  return { kind: 'bigCounter' }
}

/** The last write wins, by hybrid logical clock, then writer; undefined before the first. */
export function lww<T>(): FieldType<T | undefined, LwwDraft<T>> {
  return { kind: 'lww' }
}

/** All writes that no later one has seen: an array, longer than one only after concurrent writes. */
export function register<T>(): FieldType<readonly T[], RegisterDraft<T>> {
  return { kind: 'register' }
}

/**
 * A value that only its owner can merge. Concurrent writes stay beside each other until a write has
 * seen them; readers see what `onConflict` makes of them, or the latest if there is none.
 */
export function opaque<T>(onConflict?: OnConflict<T>): FieldType<T | undefined, OpaqueDraft<T>> {
  // It is given values of its own field only, which is what binds `T`.
  return onConflict === undefined ? { kind: 'opaque' } : { kind: 'opaque', onConflict }
}

/** Values without order or repetition; an addition survives a concurrent removal. */
export function set<T>(): FieldType<readonly T[], SetDraft<T>> {
  return { kind: 'set' }
}

/**
 * Fields under text keys. A key is there while something is written below it; a write survives a
 * concurrent deletion of its key, and two peers that make one key at once keep both contents.
 */
export function map<V, D>(
  inner: FieldType<V, D>
): FieldType<Readonly<Record<string, V>>, MapDraft<V, D>> {
  return { kind: 'map', inner }
}

/** Values in order. Elements that move keep their identity. */
export function list<T>(): FieldType<readonly T[], ListDraft<T>> {
  return { kind: 'list' }
}

/** On or off; switching on survives a concurrent switching off. */
export function flag(): FieldType<boolean, FlagDraft> {
  return { kind: 'flag' }
}

/** The smallest value ever given; undefined before the first. */
export function min<T extends Ordered>(): FieldType<T | undefined, ExtremeDraft<T>> {
  return { kind: 'min' }
}

/** The largest value ever given; undefined before the first. */
export function max<T extends Ordered>(): FieldType<T | undefined, ExtremeDraft<T>> {
  return { kind: 'max' }
}

/** Throws InvalidParametersError unless the schema has the field, of the operation's type. */
export function checkOperation(
  schema: Schema,
  operation: Operation,
  path: readonly string[]
): void {
  const kind = operation.name.slice(0, operation.name.indexOf('.'))
  // Deleting a key concerns the map that holds it.
  const depth = kind === 'map' ? path.length - 1 : path.length
  const name = path[0] ?? ''
  let type: FieldType | undefined = Object.hasOwn(schema, name) ? schema[name] : undefined
  for (let i = 1; i < depth; i++) type = type?.kind === 'map' ? type.inner : undefined
  if (type?.kind !== kind) {
    throw new InvalidParametersError(`the schema has no ${kind} at "${operation.field}"`)
  }
}
