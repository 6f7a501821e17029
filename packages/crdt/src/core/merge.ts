import type { Context } from './context.ts'
import { dotOf, writerOf } from './context.ts'
import type {
  CounterField,
  EntriesField,
  Field,
  ListElement,
  ListField,
  Move,
  SetField,
  Sum
} from './fields.ts'
import { addToSet, createField, currentPosition } from './fields.ts'
import { mutants } from './mutants.ts'
import { removeDots } from './remove.ts'
import type { State } from './state.ts'
import { foldCounters, purgePending } from './state.ts'

/**
 * One side of the merge of a field. A write that only one side has is dead if the other side has
 * seen it (or its removal): then it was removed there. This makes a state a function of the set of
 * updates in it, so merging is their union: commutative, associative, idempotent.
 */
interface Side {
  readonly context: Context
  readonly pending: ReadonlySet<number> | undefined
}

function isDead(dot: number, other: Side): boolean {
  if (mutants.mergesBlindly) return false
  return other.context.has(dot) || other.pending?.has(dot) === true
}

/** Merges `source` into `target`; both contexts number their writers on their own. */
export function mergeStates(target: State, source: State): void {
  const places = source.context.writers.map((writer) => target.context.intern(writer))
  const translated = translate(source.context, target.context, places)
  const keys = new Set<string>()
  for (const field of target.all()) keys.add(field.key)
  for (const field of source.all()) keys.add(field.key)
  for (const key of keys) {
    const theirs = source.get(key)
    const from = theirs === undefined ? undefined : renumber(theirs, places)
    const model = target.get(key) ?? from
    if (model === undefined) continue
    const own = target.forWrite(key, model.path, model.tag)
    mergeField(own, from ?? createField(key, model.path, model.tag), target.context, translated)
    target.settle(own)
  }
  let filled = false
  for (let place = 0; place < translated.writers.length; place++) {
    const prefix = translated.prefix(place)
    if (prefix > 0 && target.context.add(place, 1, prefix)) filled = true
    const runs = translated.runs(place)
    for (let i = 0; i < runs.length; i += 2) {
      if (target.context.add(place, runs[i] ?? 0, runs[i + 1] ?? 0)) filled = true
    }
  }
  // Prefix sums of one side may swallow extras of the other even where no run was joined.
  if (filled || keys.size > 0) foldCounters(target)
  if (target.pending.size > 0) purgePending(target)
}

/** The source's context in the numbering of the target. */
function translate(source: Context, target: Context, places: readonly number[]): Context {
  const result = target.emptyCopy()
  for (const [place, to] of places.entries()) {
    if (source.prefix(place) > 0) result.add(to, 1, source.prefix(place))
    const runs = source.runs(place)
    for (let i = 0; i < runs.length; i += 2) result.add(to, runs[i] ?? 0, runs[i + 1] ?? 0)
  }
  return result
}

/** A copy of a field in the numbering of another context. */
function renumber(field: Field, places: readonly number[]): Field {
  const dot = (old: number): number => {
    const writer = writerOf(old)
    return dotOf(places[writer] ?? 0, old - dotOf(writer, 0))
  }
  const position = (old: readonly number[]): readonly number[] =>
    old.map((part, i) => (i % 2 === 0 ? part : dot(part)))
  const move = (old: Move): Move => ({
    ...old,
    dot: dot(old.dot),
    position: position(old.position)
  })
  const copy = createField(field.key, field.path, field.tag)
  if (field.pending !== undefined) copy.pending = new Set([...field.pending].map(dot))
  if (field.shape === 'entries' && copy.shape === 'entries') {
    copy.entries = field.entries.map((entry) => ({ ...entry, dot: dot(entry.dot) }))
  } else if (field.shape === 'set' && copy.shape === 'set') {
    for (const { value, dots } of field.elements.values()) {
      for (const old of dots) addToSet(copy, dot(old), value)
    }
  } else if (field.shape === 'counter' && copy.shape === 'counter') {
    for (const [writer, sum] of field.sums) copy.sums.set(places[writer] ?? 0, sum)
    for (const [old, increment] of field.extras) copy.extras.set(dot(old), increment)
  } else if (field.shape === 'list' && copy.shape === 'list') {
    for (const element of field.elements.values()) {
      copy.elements.set(dot(element.dot), {
        dot: dot(element.dot),
        value: element.value,
        position: position(element.position),
        moves: element.moves.map(move),
        current: position(element.current)
      })
    }
    for (const [owner, moves] of field.ghosts) copy.ghosts.set(dot(owner), moves.map(move))
  }
  return copy
}

function mergeField(own: Field, from: Field, ownContext: Context, fromContext: Context): void {
  const ours: Side = { context: ownContext, pending: own.pending }
  const theirs: Side = { context: fromContext, pending: from.pending }
  if (own.shape === 'entries' && from.shape === 'entries') mergeEntries(own, from, ours, theirs)
  else if (own.shape === 'set' && from.shape === 'set') mergeSet(own, from, ours, theirs)
  else if (own.shape === 'counter' && from.shape === 'counter') {
    mergeCounter(own, from, ownContext, fromContext)
  } else if (own.shape === 'list' && from.shape === 'list') mergeList(own, from, ours, theirs)
  if (from.pending === undefined) return
  const pending = new Set(own.pending)
  for (const dot of from.pending) if (!ownContext.has(dot)) pending.add(dot)
  own.pending = pending.size === 0 ? undefined : pending
}

function mergeEntries(own: EntriesField, from: EntriesField, ours: Side, theirs: Side): void {
  own.entries = mergeWrites(own.entries, from.entries, ours, theirs)
}

function mergeSet(own: SetField, from: SetField, ours: Side, theirs: Side): void {
  const added: [number, unknown][] = []
  for (const { value, dots } of from.elements.values()) {
    for (const dot of dots) {
      if (!own.dots.has(dot) && !isDead(dot, ours)) added.push([dot, value])
    }
  }
  const gone = [...own.dots.keys()].filter((dot) => !from.dots.has(dot) && isDead(dot, theirs))
  removeDots(own, gone, ours.context, undefined, [])
  for (const [dot, value] of added) addToSet(own, dot, value)
}

/**
 * Per writer, the side with the longer prefix has summed up all that the other has there. Equal
 * prefixes have equal sums, unless unseen increments were forgotten; then the larger one stands.
 */
function mergeCounter(
  own: CounterField,
  from: CounterField,
  ownContext: Context,
  fromContext: Context
): void {
  for (const writer of new Set([...own.sums.keys(), ...from.sums.keys()])) {
    const ahead = fromContext.prefix(writer) - ownContext.prefix(writer)
    if (ahead < 0) continue
    const sum = ahead > 0 ? from.sums.get(writer) : larger(own, from, writer)
    if (sum === undefined) own.sums.delete(writer)
    else own.sums.set(writer, sum)
  }
  for (const [dot, increment] of from.extras) {
    if (!ownContext.hasPrefix(dot)) own.extras.set(dot, increment)
  }
  for (const dot of own.extras.keys()) if (fromContext.hasPrefix(dot)) own.extras.delete(dot)
}

function larger(own: CounterField, from: CounterField, writer: number): Sum | undefined {
  const a = own.sums.get(writer)
  const b = from.sums.get(writer)
  if (a === undefined || b === undefined) return a ?? b
  return a < b ? b : a
}

function mergeList(own: ListField, from: ListField, ours: Side, theirs: Side): void {
  own.order = undefined
  const moves = (owner: number): Move[] =>
    mergeWrites(movesOf(own, owner), movesOf(from, owner), ours, theirs)
  const elements: ListElement[] = []
  for (const element of own.elements.values()) {
    if (from.elements.has(element.dot) || !isDead(element.dot, theirs)) elements.push(element)
  }
  for (const element of from.elements.values()) {
    if (!own.elements.has(element.dot) && !isDead(element.dot, ours)) elements.push(element)
  }
  const merged = elements.map((element) => ({ ...element, moves: moves(element.dot) }))
  const ghosts: [number, Move[]][] = []
  for (const owner of new Set([...own.ghosts.keys(), ...from.ghosts.keys()])) {
    // An element that either side has seen lives in `merged`, or is dead with its moves.
    if (!isDead(owner, ours) && !isDead(owner, theirs)) ghosts.push([owner, moves(owner)])
  }
  own.elements.clear()
  own.ghosts.clear()
  for (const element of merged) {
    element.current = currentPosition(element, ours.context)
    own.elements.set(element.dot, element)
  }
  for (const [owner, left] of ghosts) if (left.length > 0) own.ghosts.set(owner, left)
}

function movesOf(field: ListField, owner: number): readonly Move[] {
  return field.elements.get(owner)?.moves ?? field.ghosts.get(owner) ?? []
}

/** The writes that neither side knows to be gone. */
function mergeWrites<T extends { readonly dot: number }>(
  own: readonly T[],
  from: readonly T[],
  ours: Side,
  theirs: Side
): T[] {
  const known = new Set(own.map(({ dot }) => dot))
  const shared = new Set(from.map(({ dot }) => dot))
  return [
    ...own.filter(({ dot }) => shared.has(dot) || !isDead(dot, theirs)),
    ...from.filter(({ dot }) => !known.has(dot) && !isDead(dot, ours))
  ]
}
