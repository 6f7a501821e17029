import { decode, encode } from '@murmuration/codec'
import { MalformedMessageError } from '@murmuration/interface'
import type { Epoch } from '@murmuration/interface'
import { compareEpochs } from './epoch.ts'
import { digestText } from './digest.ts'
import type { Digest } from './digest.ts'
import type { Mutants } from './mutants.ts'

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
  /** Keys whose effects this update removed or overwrote. */
  readonly voids: readonly EntryKey[]
  readonly digest: Digest
  /** As it is stored and sent. */
  readonly bytes: Uint8Array
}

export type EntryParts = Omit<Entry, 'key' | 'digest' | 'bytes'>

/** Bytes that an entry needs beside its delta, result and keys; for budgets only. */
export const entryOverheadBytes = 96

export function createEntry(parts: EntryParts): Entry {
  const { session, sequence, stamp, writer, execution, first, count, delta, result, voids } = parts
  const bytes = encode([
    session,
    sequence,
    stamp.view,
    stamp.boot,
    writer,
    execution,
    first,
    count,
    delta,
    result,
    voids
  ])
  return finishEntry(parts, bytes)
}

function finishEntry(parts: EntryParts, bytes: Uint8Array): Entry {
  const { session, sequence, stamp, writer, execution } = parts
  const key = entryKey(session, sequence)
  const identity = `${key}|${stamp.view}.${stamp.boot}|${writer}:${execution}`
  return { ...parts, key, digest: digestText(identity), bytes }
}

const textMax = 256

function text(value: unknown): string {
  if (typeof value !== 'string' || value.length > textMax) {
    throw new MalformedMessageError('entry: expected a short text')
  }
  return value
}

function count(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new MalformedMessageError('entry: expected a count')
  }
  return value
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
  if (!Array.isArray(list) || list.length < 11) {
    throw new MalformedMessageError('entry: expected a list of eleven parts')
  }
  // `isArray` says `any[]`; the elements are checked one by one.
  const values = list as readonly unknown[]
  const voids = values[10]
  if (!Array.isArray(voids)) {
    throw new MalformedMessageError('entry: expected a list of keys')
  }
  const parts: EntryParts = {
    session: text(values[0]),
    sequence: count(values[1]),
    stamp: { view: count(values[2]), boot: count(values[3]) },
    writer: text(values[4]),
    execution: count(values[5]),
    first: count(values[6]),
    count: count(values[7]),
    delta: bytesOf(values[8]),
    result: bytesOf(values[9]),
    voids: voids.map((key: unknown) => {
      if (typeof key !== 'string' || !/^\d{1,16}\//.test(key)) {
        throw new MalformedMessageError('entry: expected a key')
      }
      return key
    })
  }
  return finishEntry(parts, bytes)
}

export function sameExecution(a: Entry, b: Entry): boolean {
  return a.writer === b.writer && a.execution === b.execution
}

/**
 * Which of two entries of one key stands: the greater. The stamp decides, because an owner stamps
 * an entry again before it answers for it; the rest only makes the order total.
 */
export function compareEntries(a: Entry, b: Entry, mutants: Mutants): number {
  const byExecution =
    a.writer < b.writer ? -1 : a.writer > b.writer ? 1 : a.execution - b.execution
  if (mutants.lowerDotStands === true) {
    return -byExecution || compareEpochs(a.stamp, b.stamp)
  }
  return compareEpochs(a.stamp, b.stamp) || byExecution
}
