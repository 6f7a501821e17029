import { limits } from '../defaults.ts'
import { ByteReader, ByteWriter, malformed } from './bytes.ts'
import { writerOf } from './context.ts'
import type { Entry, Field, ListField, Move } from './fields.ts'
import { addToSet, createField, currentPosition, fieldKey } from './fields.ts'
import { stampTickMax, stampTimeMax } from './stamp.ts'
import { State } from './state.ts'
import { encodeValue } from './values.ts'
import type { WriterTable } from './wire.ts'
import {
  hasValue,
  isStamped,
  isTag,
  readDot,
  readPath,
  readPosition,
  readSum,
  readTyped,
  readWriter,
  writeDot,
  writePath,
  writePosition
} from './wire.ts'

/*
 * A document: 0xC0; the writers in order of their names, each with its prefix and its runs above
 * holes; the fields in order of their keys: path, tag << 1 | has pending removals, these, data.
 * Everything is sorted by what does not depend on the replica, so equal states are equal bytes.
 */
const DOCUMENT = 0xc0

const scratch = new ByteWriter()

export function encodeState(state: State): Uint8Array {
  const { context } = state
  const fields = [...state.all()].sort((a, b) => (a.key < b.key ? -1 : 1))
  const mentioned = [...mentionedWriters(state, fields)]
  mentioned.sort((a, b) => ((context.writers[a] ?? '') < (context.writers[b] ?? '') ? -1 : 1))
  const ranks = new Map(mentioned.map((writer, rank) => [writer, rank]))
  const table: WriterTable = { place: (writer) => ranks.get(writer) ?? 0 }
  scratch.reset(Infinity)
  scratch.byte(DOCUMENT)
  scratch.varint(mentioned.length)
  for (const writer of mentioned) {
    scratch.text(context.writers[writer] ?? '')
    let next = context.prefix(writer)
    scratch.varint(next)
    const runs = context.runs(writer)
    scratch.varint(runs.length / 2)
    for (const bound of runs) {
      scratch.varint(bound - next)
      next = bound
    }
  }
  scratch.varint(fields.length)
  let previous: readonly string[] = []
  for (const field of fields) {
    writePath(scratch, field.path, previous)
    previous = field.path
    scratch.byte((field.tag << 1) | (field.pending === undefined ? 0 : 1))
    if (field.pending !== undefined) {
      const pending = [...field.pending].sort((a, b) => context.compare(a, b))
      scratch.varint(pending.length)
      for (const dot of pending) writeDot(scratch, dot, table)
    }
    writeField(field, state, table)
  }
  return scratch.finish()
}

function mentionedWriters(state: State, fields: readonly Field[]): Set<number> {
  const { context } = state
  const mentioned = new Set<number>()
  for (let writer = 0; writer < context.writers.length; writer++) {
    if (context.highest(writer) > 0) mentioned.add(writer)
  }
  const mention = (position: readonly number[]): void => {
    for (let i = 1; i < position.length; i += 2) mentioned.add(writerOf(position[i] ?? 0))
  }
  for (const field of fields) {
    for (const dot of field.pending ?? []) mentioned.add(writerOf(dot))
    if (field.shape !== 'list') continue
    for (const element of field.elements.values()) {
      mention(element.position)
      for (const move of element.moves) mention(move.position)
    }
    for (const [owner, moves] of field.ghosts) {
      mentioned.add(writerOf(owner))
      for (const move of moves) mention(move.position)
    }
  }
  return mentioned
}

function writeField(field: Field, state: State, table: WriterTable): void {
  const { context } = state
  switch (field.shape) {
    case 'entries':
      scratch.varint(field.entries.length)
      for (const entry of byDot(field.entries, state)) {
        writeDot(scratch, entry.dot, table)
        if (isStamped(field.tag)) writeStamp(entry)
        if (hasValue(field.tag)) encodeValue(scratch, entry.value)
      }
      return
    case 'set': {
      const dots = [...field.dots].sort(([a], [b]) => context.compare(a, b))
      scratch.varint(dots.length)
      for (const [dot, key] of dots) {
        writeDot(scratch, dot, table)
        encodeValue(scratch, field.elements.get(key)?.value)
      }
      return
    }
    case 'counter': {
      const sums = [...field.sums].sort(([a], [b]) => table.place(a) - table.place(b))
      scratch.varint(sums.length)
      for (const [writer, sum] of sums) {
        scratch.varint(table.place(writer))
        encodeValue(scratch, sum)
      }
      const extras = [...field.extras].sort(([a], [b]) => context.compare(a, b))
      scratch.varint(extras.length)
      for (const [dot, increment] of extras) {
        writeDot(scratch, dot, table)
        encodeValue(scratch, increment)
      }
      return
    }
    case 'list':
      writeList(field, state, table)
  }
}

function byDot<T extends { readonly dot: number }>(items: Iterable<T>, state: State): T[] {
  return [...items].sort((a, b) => state.context.compare(a.dot, b.dot))
}

function writeStamp(stamp: { readonly time: number; readonly tick: number }): void {
  scratch.varint(stamp.time)
  scratch.varint(stamp.tick)
}

function writeList(field: ListField, state: State, table: WriterTable): void {
  scratch.varint(field.elements.size)
  for (const element of byDot(field.elements.values(), state)) {
    writeDot(scratch, element.dot, table)
    encodeValue(scratch, element.value)
    writePosition(scratch, element.position, table)
    writeMoves(element.moves, state, table)
  }
  const ghosts = [...field.ghosts].sort(([a], [b]) => state.context.compare(a, b))
  scratch.varint(ghosts.length)
  for (const [owner, moves] of ghosts) {
    writeDot(scratch, owner, table)
    writeMoves(moves, state, table)
  }
}

function writeMoves(moves: readonly Move[], state: State, table: WriterTable): void {
  scratch.varint(moves.length)
  for (const move of byDot(moves, state)) {
    writeDot(scratch, move.dot, table)
    writeStamp(move)
    writePosition(scratch, move.position, table)
  }
}

/** A state from bytes, fully checked: only bytes that `encodeState` would write are accepted. */
export function decodeState(bytes: Uint8Array): State {
  if (bytes.length > limits.documentBytesMax) {
    malformed(`document over ${limits.documentBytesMax} bytes`)
  }
  const reader = new ByteReader(bytes)
  if (reader.byte() !== DOCUMENT) malformed('not a document of a known version')
  const state = new State()
  const places = readContext(reader, state)
  let previous: readonly string[] = []
  for (let left = reader.count(limits.fieldsMax); left > 0; left--) {
    previous = readPath(reader, previous)
    const header = reader.byte()
    const tag = header >> 1
    if (!isTag(tag)) malformed('unknown type of field')
    const field = createField(fieldKey(previous, tag), previous, tag)
    if (state.fields.has(field.key)) malformed('field appears twice')
    if (header % 2 === 1) field.pending = readPending(reader, state, places)
    readField(reader, field, state, places)
    state.fields.set(field.key, field)
    state.settle(field)
  }
  reader.end()
  if (!equalBytes(encodeState(state), bytes)) malformed('document is not in canonical form')
  return state
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

function readContext(reader: ByteReader, state: State): number[] {
  const { context } = state
  const places: number[] = []
  for (let left = reader.count(limits.writersMax); left > 0; left--) {
    const place = context.intern(readWriter(reader))
    places.push(place)
    let next = reader.varint(limits.counterMax)
    if (next > 0) context.add(place, 1, next)
    for (let runs = reader.count(limits.holesMax); runs > 0; runs--) {
      const from = next + reader.varint(limits.counterMax)
      next = from + reader.varint(limits.counterMax)
      if (from === 0 || next > limits.counterMax) malformed('counter out of range')
      context.add(place, from, next)
    }
    if (context.runCount > limits.holesMax) malformed('too many holes')
  }
  return places
}

function readPending(reader: ByteReader, state: State, places: readonly number[]): Set<number> {
  const pending = new Set<number>()
  for (let left = reader.count(limits.documentBytesMax); left > 0; left--) {
    const dot = readDot(reader, places)
    if (state.context.has(dot)) malformed('a removal waits for an update that is there')
    pending.add(dot)
  }
  return pending
}

/** A dot of something that is there, so its update must be too. */
function readSeenDot(reader: ByteReader, state: State, places: readonly number[]): number {
  const dot = readDot(reader, places)
  if (!state.context.has(dot)) malformed('a write is not in the context')
  return dot
}

function readEntry(
  reader: ByteReader,
  field: Field,
  state: State,
  places: readonly number[]
): Entry {
  const dot = readSeenDot(reader, state, places)
  const time = isStamped(field.tag) ? reader.varint(stampTimeMax) : 0
  const tick = isStamped(field.tag) ? reader.varint(stampTickMax) : 0
  return { dot, time, tick, value: readTyped(reader, field.tag) }
}

function readField(
  reader: ByteReader,
  field: Field,
  state: State,
  places: readonly number[]
): void {
  if (field.shape === 'list') {
    readList(reader, field, state, places)
    return
  }
  if (field.shape === 'entries') {
    const entries: Entry[] = []
    for (let left = reader.count(limits.documentBytesMax); left > 0; left--) {
      entries.push(readEntry(reader, field, state, places))
    }
    // A copy takes no more room than it needs; an array that grew does.
    field.entries = entries.slice()
    return
  }
  for (let left = reader.count(limits.documentBytesMax); left > 0; left--) {
    if (field.shape === 'set') {
      addToSet(field, readSeenDot(reader, state, places), readTyped(reader, field.tag))
    } else {
      const writer = places[reader.varint(limits.writersMax)]
      if (writer === undefined || state.context.prefix(writer) === 0) malformed('bad sum')
      field.sums.set(writer, readSum(readTyped(reader, field.tag)))
    }
  }
  if (field.shape !== 'counter') return
  for (let left = reader.count(limits.documentBytesMax); left > 0; left--) {
    const dot = readSeenDot(reader, state, places)
    if (state.context.hasPrefix(dot)) malformed('an increment is not in its sum')
    field.extras.set(dot, readSum(readTyped(reader, field.tag)))
  }
}

function readList(
  reader: ByteReader,
  field: ListField,
  state: State,
  places: readonly number[]
): void {
  for (let left = reader.count(limits.documentBytesMax); left > 0; left--) {
    const dot = readSeenDot(reader, state, places)
    const value = readTyped(reader, field.tag)
    const position = readPosition(reader, dot, places)
    const moves = readMoves(reader, state, places)
    const element = { dot, value, position, moves, current: position }
    element.current = currentPosition(element, state.context)
    field.elements.set(dot, element)
  }
  for (let left = reader.count(limits.documentBytesMax); left > 0; left--) {
    const owner = readDot(reader, places)
    field.ghosts.set(owner, readMoves(reader, state, places))
  }
}

function readMoves(reader: ByteReader, state: State, places: readonly number[]): Move[] {
  const moves: Move[] = []
  for (let left = reader.count(limits.documentBytesMax); left > 0; left--) {
    const dot = readSeenDot(reader, state, places)
    const time = reader.varint(stampTimeMax)
    const tick = reader.varint(stampTickMax)
    moves.push({ dot, time, tick, position: readPosition(reader, dot, places) })
  }
  return moves
}
