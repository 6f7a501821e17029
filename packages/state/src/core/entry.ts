import { decode, encode } from '@murmuration/codec'
import type { ApplyOptions, Stamp } from '@murmuration/crdt'
import { MalformedMessageError } from '@murmuration/interface'
import type { Epoch } from '@murmuration/interface'
import { compareEpochs } from './epoch.ts'
import { digestText } from './digest.ts'
import type { Digest } from './digest.ts'
import type { Mutants } from './mutants.ts'
import type { Since } from './sessions.ts'

/** Names the update of one session; `sequence/session` as text. */
export type EntryKey = string

export function entryKey(session: string, sequence: number): EntryKey {
  return sequence + '/' + session
}

export interface KeyParts {
  readonly session: string
  readonly sequence: number
}

export function parseEntryKey(key: EntryKey): KeyParts {
  const at = key.indexOf('/')
  return { sequence: Number(key.slice(0, at)), session: key.slice(at + 1) }
}

/**
 * What an update removed or overwrote of another one. It names the key and not the dots, so that it
 * also holds where another execution of that key came to stand.
 */
export interface Void {
  readonly key: EntryKey
  /** The execution that was there: its own delta removal suffices for that one. */
  readonly mark: number
  /** Of how many dots that execution was. */
  readonly count: number
  /** Which of them are gone. */
  readonly offsets: readonly number[]
}

/**
 * One update above the floor of its session: what it does to the document, and under which key it
 * counts once. Immutable; a new stamp makes a new entry.
 */
export interface Entry {
  readonly key: EntryKey
  readonly session: string
  readonly sequence: number
  /** The tenure in which an owner last answered for this entry. */
  readonly stamp: Epoch
  /** Who executed it, and its how-many-th execution of this document it was: tells executions apart. */
  readonly writer: string
  readonly execution: number
  /** The dots of the delta: `count` of them from `first` on. None where the update changed nothing. */
  readonly first: number
  readonly count: number
  readonly delta: Uint8Array
  readonly result: Uint8Array
  /** Of the hybrid logical clock, at execution. */
  readonly time: Stamp
  readonly voids: readonly Void[]
  /** When its session was opened: what the document had forgotten by then. */
  readonly since: Since
  /** Of a side of a split that acted by itself: no other had a say in it. */
  readonly isOfSide: boolean
  /** Tells executions apart, in short. */
  readonly mark: number
  readonly digest: Digest
  /** As it is stored and sent. */
  readonly bytes: Uint8Array
}

export type EntryParts = Omit<Entry, 'key' | 'mark' | 'digest' | 'bytes'>

export function createEntry(parts: EntryParts): Entry {
  const { session, sequence, stamp, writer, execution, first, count } = parts
  const bytes = encode([
    session,
    sequence,
    stamp.view,
    stamp.boot,
    writer,
    execution,
    first,
    count,
    parts.time.time,
    parts.time.tick,
    parts.delta,
    parts.result,
    parts.voids.map(({ key, mark, count: of, offsets }) => [key, mark, of, ...offsets]),
    ...(parts.since.length > 0 || parts.isOfSide ? [[...parts.since], parts.isOfSide] : [])
  ])
  return finishEntry(parts, bytes)
}

function finishEntry(parts: EntryParts, bytes: Uint8Array): Entry {
  const { session, sequence, stamp, writer, execution } = parts
  const key = entryKey(session, sequence)
  const identity = `${key}|${stamp.view}.${stamp.boot}|${writer}:${execution}`
  const mark = markOf(writer, execution)
  return { ...parts, key, mark, digest: digestText(identity), bytes }
}

function markOf(writer: string, execution: number): number {
  return digestText(writer + ':' + execution).low
}

const textMax = 256

function text(value: unknown): string {
  if (typeof value !== 'string' || value.length > textMax) {
    throw new MalformedMessageError('entry: expected a short text')
  }
  return value
}

function whole(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new MalformedMessageError('entry: expected a count')
  }
  return value
}

function below(value: unknown, end: number): number {
  const number = whole(value)
  if (number >= end) throw new MalformedMessageError('entry: an offset beyond its update')
  return number
}

function bytesOf(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) {
    throw new MalformedMessageError('entry: expected bytes')
  }
  return value
}

/** Throws `MalformedMessageError`. */
export function decodeEntry(bytes: Uint8Array): Entry {
  const list = decode(bytes)
  if (!Array.isArray(list) || list.length < 13) {
    throw new MalformedMessageError('entry: expected a list of 13 parts')
  }
  // `isArray` says `any[]`; the elements are checked one by one.
  const values = list as readonly unknown[]
  const voids = values[12]
  if (!Array.isArray(voids)) {
    throw new MalformedMessageError('entry: expected a list of keys')
  }
  const since = values[13] ?? []
  if (!Array.isArray(since) || since.length > 3) {
    throw new MalformedMessageError('entry: expected a place in time')
  }
  const parts: EntryParts = {
    session: text(values[0]),
    sequence: whole(values[1]),
    stamp: { view: whole(values[2]), boot: whole(values[3]) },
    writer: text(values[4]),
    execution: whole(values[5]),
    first: whole(values[6]),
    count: whole(values[7]),
    time: { time: whole(values[8]), tick: whole(values[9]) },
    delta: bytesOf(values[10]),
    result: bytesOf(values[11]),
    voids: voids.map((value: unknown) => decodeVoid(value)),
    since: since.map((value: unknown) => whole(value)),
    isOfSide: values[14] === true
  }
  const isWhole = parts.count === 0 ? parts.delta.length === 0 : parts.first > 0
  if (!isWhole) throw new MalformedMessageError('entry: a delta and its dots go together')
  return finishEntry(parts, bytes)
}

function decodeVoid(value: unknown): Void {
  if (!Array.isArray(value)) {
    throw new MalformedMessageError('entry: expected a list for a void')
  }
  // As above: checked one by one.
  const [key, mark, of, ...offsets] = value as readonly unknown[]
  if (typeof key !== 'string' || key.length > 300 || !/^\d{1,16}\//.test(key)) {
    throw new MalformedMessageError('entry: expected a key')
  }
  const count = whole(of)
  return { key, mark: whole(mark), count, offsets: offsets.map((offset) => below(offset, count)) }
}

export function sameExecution(a: Entry, b: Entry): boolean {
  return a.writer === b.writer && a.execution === b.execution
}

/**
 * One execution has done one thing, whatever its stamps. Throws `MalformedMessageError` where two
 * entries say otherwise: then one of them was made up.
 */
export function checkSameEffect(a: Entry, b: Entry): void {
  const isSame =
    a.first === b.first &&
    a.count === b.count &&
    a.time.time === b.time.time &&
    a.time.tick === b.time.tick &&
    equalBytes(a.delta, b.delta) &&
    equalBytes(a.result, b.result) &&
    equalVoids(a.voids, b.voids)
  if (!isSame) {
    throw new MalformedMessageError('entry: another effect of an execution that is known')
  }
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && a.every((byte, at) => byte === b[at]))
}

function equalVoids(a: readonly Void[], b: readonly Void[]): boolean {
  const written = (voids: readonly Void[]): string =>
    voids.map(({ key, mark, count, offsets }) => [key, mark, count, ...offsets].join(' ')).join('|')
  return a.length === b.length && (a.length === 0 || written(a) === written(b))
}

/**
 * An entry brings the dots that it names, and no others: with those of another writer, true updates of
 * that one would count as seen.
 */
export function ownDotsOf({ writer, first, count }: Entry): ApplyOptions {
  return { isWriter: (name, from, dots) => name === writer && from === first && dots === count }
}

/**
 * Which of two entries of one key stands: the greater. The stamp decides, because an owner stamps
 * an entry again before it answers for it; the rest only makes the order total.
 */
export function compareEntries(a: Entry, b: Entry, mutants: Mutants): number {
  const byExecution = a.writer < b.writer ? -1 : a.writer > b.writer ? 1 : a.execution - b.execution
  if (mutants.lowerDotStands === true) {
    return -byExecution || compareEpochs(a.stamp, b.stamp)
  }
  return compareEpochs(a.stamp, b.stamp) || byExecution
}
