import { limits } from '../defaults.ts'
import { ByteReader, ByteWriter, malformed } from './bytes.ts'
import { FLOOR_WRITER, floorOf } from './collection.ts'
import type { Context } from './context.ts'
import { dotOf, writerOf } from './context.ts'
import type { Sum, Tag } from './fields.ts'
import { fieldKey, tags, topPath, toSum } from './fields.ts'
import { isVersion } from './opaque.ts'
import { isOrdered } from './order.ts'
import { digitMax } from './positions.ts'
import { stampTickMax, stampTimeMax } from './stamp.ts'
import type { Effect, EffectKind, State, Update } from './state.ts'
import { decodeValue, encodeValue, forbiddenKeys } from './values.ts'

/*
 * A delta: one byte 0xD0 | stamped | single << 1 | floored << 2; the writers it mentions, its own
 * first; if floored the floor of the document it was made on; its first counter; unless single the number of dots and of effects; if stamped time and tick; the effects.
 * An effect: shared << 4 | fresh path segments and the fresh ones; removal << 6 | tag << 2 | kind;
 * if it writes, unless single which dot, then its data; the removed dots by the removal: none, how
 * far back the one of the own writer is, or a list.
 */
const DELTA = 0xd0
const STAMPED = 1
const SINGLE = 2
const FLOORED = 4
const REMOVES_NONE = 0
const REMOVES_OWN = 1
const REMOVES_LIST = 2

const body = new ByteWriter()
const head = new ByteWriter()

/** Places of writers in the table of one encoding, given out as they are met. */
export interface WriterTable {
  place(writer: number): number
}

export function isTag(tag: number): tag is Tag {
  return tag >= tags.lww && tag <= tags.opaque
}

/** Whether entries of a type carry a value, and a stamp. */
export function hasValue(tag: Tag): boolean {
  return tag !== tags.flag && tag !== tags.presence
}

export function isStamped(tag: Tag): boolean {
  return tag === tags.lww || tag === tags.baseline || tag === tags.opaque
}

export function writePath(
  writer: ByteWriter,
  path: readonly string[],
  previous: readonly string[]
): void {
  let shared = 0
  while (shared < path.length && shared < previous.length && path[shared] === previous[shared]) {
    shared++
  }
  writer.byte((shared << 4) | (path.length - shared))
  for (let i = shared; i < path.length; i++) writer.text(path[i] ?? '')
}

export function readPath(reader: ByteReader, previous: readonly string[]): readonly string[] {
  const header = reader.byte()
  const shared = header >> 4
  const fresh = header & 15
  const depth = shared + fresh
  if (shared > previous.length || depth === 0 || depth > limits.pathDepthMax) malformed('bad path')
  if (fresh === 0 && shared === previous.length) return previous
  const path = previous.slice(0, shared)
  for (let i = 0; i < fresh; i++) {
    const segment = reader.text(limits.nameBytesMax)
    if (!isName(segment)) malformed('bad name in a path')
    if (depth === 1) return topPath(segment)
    path.push(segment)
  }
  return path
}

/** Whether a text may be a field name or a map key. */
export function isName(text: string): boolean {
  return !text.includes('\0') && !forbiddenKeys.has(text)
}

/** A value as its type stores it; the reader checks what the planner checked at its origin. */
export function readTyped(reader: ByteReader, tag: Tag): unknown {
  if (!hasValue(tag)) return undefined
  const before = reader.remaining
  const value = decodeValue(reader)
  if (before - reader.remaining > limits.valueBytesMax + 8) malformed('value is too large')
  if (tag === tags.min || tag === tags.max) {
    if (!isOrdered(value)) malformed('value has no order')
    return value
  }
  if (tag === tags.opaque && !isVersion(value)) malformed('not a value with its ancestors')
  const isSum = tag === tags.counter || tag === tags.bigCounter || tag === tags.baseline
  return isSum ? readSum(value) : value
}

export function readSum(value: unknown): Sum {
  if (typeof value === 'bigint') return toSum(value)
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) malformed('not an integer')
  return value === 0 ? 0 : value
}

/** Writes a position without its last dot, which is the one that wrote it. */
export function writePosition(
  writer: ByteWriter,
  position: readonly number[],
  table: WriterTable
): void {
  const steps = position.length / 2
  writer.varint(steps)
  for (let i = 0; i < steps; i++) {
    writer.signed(position[i * 2] ?? 0)
    if (i < steps - 1) writeDot(writer, position[i * 2 + 1] ?? 0, table)
  }
}

export function readPosition(
  reader: ByteReader,
  dot: number,
  places: readonly number[]
): readonly number[] {
  const steps = reader.count(limits.positionDepthMax + 1)
  if (steps === 0) malformed('empty position')
  const position: number[] = []
  for (let i = 0; i < steps; i++) {
    position.push(reader.signed(digitMax), i < steps - 1 ? readDot(reader, places) : dot)
  }
  return position
}

export function writeDot(writer: ByteWriter, dot: number, table: WriterTable): void {
  const place = writerOf(dot)
  writer.varint(table.place(place))
  writer.varint(dot - dotOf(place, 0))
}

export function readDot(reader: ByteReader, places: readonly number[]): number {
  const place = places[reader.varint(limits.writersMax)]
  if (place === undefined) malformed('writer is not in the table')
  const counter = reader.varint(limits.counterMax)
  if (counter === 0) malformed('counters start at 1')
  return dotOf(place, counter)
}

export function readWriter(reader: ByteReader): string {
  const writer = reader.text(limits.writerBytesMax)
  if (writer.length === 0 || !isName(writer)) malformed('bad name of a writer')
  return writer
}

/** Bytes of an update; InvalidParametersError if they would be too many. */
export function encodeDelta(update: Update, context: Context): Uint8Array {
  const { effects, writer, count } = update
  const places = [writer]
  const table: WriterTable = {
    place: (other) => {
      const place = places.indexOf(other)
      return place < 0 ? places.push(other) - 1 : place
    }
  }
  const single = effects.length === 1 && count === 1
  let stamped = false
  let previous: readonly string[] = []
  body.reset(limits.deltaBytesMax)
  for (const effect of effects) {
    const { kind, tag, path } = effect
    if (kind === 2 || (kind === 1 && isStamped(tag))) stamped = true
    writePath(body, path, previous)
    previous = path
    writeEffect(effect, update, single, table)
  }
  head.reset(limits.deltaBytesMax)
  const floor = floorOf(context)
  head.byte(DELTA | (stamped ? STAMPED : 0) | (single ? SINGLE : 0) | (floor > 0 ? FLOORED : 0))
  head.varint(places.length)
  for (const place of places) head.text(context.writers[place] ?? '')
  if (floor > 0) head.varint(floor)
  head.varint(update.first)
  if (!single) {
    head.varint(count)
    head.varint(effects.length)
  }
  if (stamped) {
    head.varint(update.time)
    head.varint(update.tick)
  }
  head.append(body)
  return head.finish()
}

function writeEffect(effect: Effect, update: Update, single: boolean, table: WriterTable): void {
  const { tag, kind, dot, removed } = effect
  const start = dotOf(update.writer, update.first)
  const [only = 0] = removed
  // Nearly always nothing is removed, or the writer's own last write: no list is needed then.
  const isOwn = removed.length === 1 && only < start && writerOf(only) === update.writer
  const removal = removed.length === 0 ? REMOVES_NONE : isOwn ? REMOVES_OWN : REMOVES_LIST
  body.byte((removal << 6) | (tag << 2) | kind)
  if (kind !== 0) {
    if (!single) body.varint(dot - start)
    if (kind === 2) writeDot(body, effect.element ?? 0, table)
    else if (hasValue(tag)) encodeValue(body, effect.value)
    if (tag === tags.list) writePosition(body, effect.position ?? [], table)
  }
  if (removal === REMOVES_OWN) body.varint(start - only)
  else if (removal === REMOVES_LIST) {
    body.varint(removed.length)
    for (const other of removed) writeDot(body, other, table)
  }
}

/** An update from bytes, in the numbering of a state, with the writers that are new to it. */
export interface DecodedUpdate extends Update {
  readonly newcomers: readonly string[]
  /** The floor of the document on which it was made. */
  readonly floor: number
  /** Places of all writers that it mentions, its own first. */
  readonly places: readonly number[]
}

/** Decodes and checks a delta completely; the state is only read. */
export function decodeDelta(bytes: Uint8Array, state: State): DecodedUpdate {
  if (bytes.length > limits.deltaBytesMax) malformed(`delta over ${limits.deltaBytesMax} bytes`)
  const reader = new ByteReader(bytes)
  const flags = reader.byte()
  if ((flags & ~(STAMPED | SINGLE | FLOORED)) !== DELTA) malformed('not a delta of a known version')
  const { places, newcomers } = readTable(reader, state.context)
  const [writer = 0] = places
  const floored = (flags & FLOORED) !== 0
  const floor = floored ? reader.varint(limits.counterMax) : 0
  if (floored && floor === 0) malformed('floors start at 1')
  const first = reader.varint(limits.counterMax)
  const single = (flags & SINGLE) !== 0
  const count = single ? 1 : reader.varint(limits.counterMax)
  if (first === 0 || first + count - 1 > limits.counterMax) malformed('bad range of counters')
  let left = single ? 1 : reader.count(limits.deltaBytesMax)
  const stamped = (flags & STAMPED) !== 0
  const time = stamped ? reader.varint(stampTimeMax) : 0
  const tick = stamped ? reader.varint(stampTickMax) : 0
  const run = { writer, first, count, single, stamped }
  const effects: Effect[] = []
  let previous: readonly string[] = []
  for (; left > 0; left--) {
    previous = readPath(reader, previous)
    effects.push(readEffect(reader, previous, run, places))
  }
  reader.end()
  if (effects.length > 1) checkWrites(effects)
  return { writer, first, count, time, tick, effects, newcomers, floor, places }
}

/**
 * No dot writes twice, and of all writes that an update makes to a register-like field, or moves of
 * an element, only the last is left. So work on one field stays in proportion to the bytes.
 */
function checkWrites(effects: readonly Effect[]): void {
  const dots = new Set<number>()
  const places = new Set<string>()
  for (const { key, kind, tag, dot, element } of effects) {
    if (kind === 0) continue
    if (dots.has(dot)) malformed('a dot writes twice')
    dots.add(dot)
    if (kind === 1 && (tag === tags.list || tag === tags.set)) continue
    const place = kind === 2 ? `${key}${element}` : key
    if (tag === tags.counter || tag === tags.bigCounter) continue
    if (places.has(place)) malformed('a field is written twice')
    places.add(place)
  }
}

/** Reads writers; unknown ones get the places that interning them in order will give. */
function readTable(
  reader: ByteReader,
  context: Context
): { places: number[]; newcomers: readonly string[] } {
  const places: number[] = []
  const newcomers: string[] = []
  for (let left = reader.count(limits.writersMax); left > 0; left--) {
    const writer = readWriter(reader)
    if (writer === FLOOR_WRITER) malformed('the floor writes nothing')
    let place = context.place(writer)
    if (place === undefined) {
      place = context.writers.length + newcomers.length
      newcomers.push(writer)
    }
    if (places.includes(place)) malformed('writer appears twice')
    places.push(place)
  }
  if (places.length === 0) malformed('no writer')
  if (newcomers.length > 1 && new Set(newcomers).size < newcomers.length) {
    malformed('writer appears twice')
  }
  if (context.writers.length + newcomers.length > limits.writersMax) malformed('too many writers')
  return { places, newcomers }
}

interface DeltaRun {
  readonly writer: number
  readonly first: number
  readonly count: number
  readonly single: boolean
  readonly stamped: boolean
}

function readEffect(
  reader: ByteReader,
  path: readonly string[],
  run: DeltaRun,
  places: readonly number[]
): Effect {
  const header = reader.byte()
  const tag = (header >> 2) & 15
  const kind = header & 3
  if (!isTag(tag) || !isKind(kind) || (kind === 2 && tag !== tags.list)) malformed('bad effect')
  if (kind !== 0 && !run.stamped && (kind === 2 || isStamped(tag))) malformed('no stamp')
  let dot = 0
  let value: unknown
  let element: number | undefined
  let position: readonly number[] | undefined
  if (kind !== 0) {
    const offset = run.single ? 0 : reader.varint(run.count)
    if (offset >= run.count) malformed('dot out of range')
    dot = dotOf(run.writer, run.first + offset)
    if (kind === 2) element = readDot(reader, places)
    else value = readTyped(reader, tag)
    if (tag === tags.list) position = readPosition(reader, dot, places)
  }
  const removed = readRemoved(reader, header >> 6, run, places)
  const key = fieldKey(path, tag)
  return { key, path, tag, kind, dot, value, position, element, removed }
}

function readRemoved(
  reader: ByteReader,
  removal: number,
  run: DeltaRun,
  places: readonly number[]
): readonly number[] {
  if (removal === REMOVES_NONE) return noDots
  if (removal === REMOVES_OWN) {
    const back = reader.varint(limits.counterMax)
    if (back === 0 || back >= run.first) malformed('removed dot out of range')
    return [dotOf(run.writer, run.first - back)]
  }
  if (removal !== REMOVES_LIST) malformed('bad effect')
  const removed: number[] = []
  for (let left = reader.count(limits.deltaBytesMax); left > 0; left--) {
    removed.push(readDot(reader, places))
  }
  return removed
}

const noDots: readonly number[] = Object.freeze([])

function isKind(kind: number): kind is EffectKind {
  return kind <= 2
}
