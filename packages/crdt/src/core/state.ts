import { Context, counterOf, writerOf } from './context.ts'
import type { EntriesField, Entry, Field, ListField, Sum, Tag } from './fields.ts'
import {
  addIncrement,
  addToSet,
  cloneField,
  createField,
  currentPosition,
  foldExtras,
  isEmpty
} from './fields.ts'
import { mutants } from './mutants.ts'
import { insertElement } from './positions.ts'
import { removeAnywhere, removeDots } from './remove.ts'

/** What an effect does besides removing: nothing, write an entry, or move a list element. */
export type EffectKind = 0 | 1 | 2

/** One change of one field. `dot` is 0 where nothing is written. */
export interface Effect {
  readonly key: string
  readonly path: readonly string[]
  readonly tag: Tag
  kind: EffectKind
  dot: number
  readonly value: unknown
  /** Of an inserted or moved list element. */
  readonly position: readonly number[] | undefined
  /** The element that is moved. */
  readonly element: number | undefined
  removed: readonly number[]
}

/** One update: a run of dots of one writer, and what they did. */
export interface Update {
  readonly writer: number
  readonly first: number
  readonly count: number
  readonly time: number
  readonly tick: number
  readonly effects: readonly Effect[]
}

// Shared, as nearly all documents have none.
const noKeys: ReadonlySet<string> = new Set()

/** Fields and causal context; an overlay reads through to its base and writes copies. */
export class State {
  context: Context
  /** In an overlay null hides a field of the base. */
  readonly fields: Map<string, Field | null> = new Map()
  /** Keys of fields with removals that wait for their updates; made when first needed. */
  #pending: Set<string> | undefined
  readonly #base: State | undefined

  constructor(base?: State) {
    this.#base = base
    this.context = base === undefined ? new Context() : new Context(base.context)
    if (base !== undefined && base.pending.size > 0) this.#pending = new Set(base.pending)
  }

  /** Keys of fields with removals that wait for their updates. */
  get pending(): ReadonlySet<string> {
    return this.#pending ?? noKeys
  }

  get(key: string): Field | undefined {
    const own = this.fields.get(key)
    if (own !== undefined) return own ?? undefined
    return this.#base?.get(key)
  }

  forWrite(key: string, path: readonly string[], tag: Tag): Field {
    const own = this.fields.get(key)
    if (own !== undefined && own !== null) return own
    const base = own === null ? undefined : this.#base?.get(key)
    const field = base === undefined ? createField(key, path, tag) : cloneField(base)
    this.fields.set(key, field)
    return field
  }

  /** After a change: forgets an empty field, and notes pending removals. */
  settle(field: Field): void {
    const { key } = field
    if (field.pending !== undefined) {
      this.#pending ??= new Set()
      this.#pending.add(key)
      return
    }
    this.#pending?.delete(key)
    if (!isEmpty(field)) return
    if (this.#base === undefined) this.fields.delete(key)
    else this.fields.set(key, null)
  }

  *all(): Generator<Field> {
    for (const field of this.fields.values()) if (field !== null) yield field
    if (this.#base === undefined) return
    for (const field of this.#base.all()) if (!this.fields.has(field.key)) yield field
  }

  clone(): State {
    const copy = new State()
    copy.context = new Context(this.context)
    for (const field of this.all()) copy.fields.set(field.key, cloneField(field))
    if (this.pending.size > 0) copy.#pending = new Set(this.pending)
    return copy
  }

  /** A view of this state that takes writes and leaves this state as it is. */
  overlay(): State {
    return new State(this)
  }

  /** Writes an overlay into its base. */
  commit(): void {
    const base = this.#base
    if (base === undefined) return
    for (const [key, field] of this.fields) {
      if (field === null) base.fields.delete(key)
      else base.fields.set(key, field)
    }
    base.context = this.context
    base.#pending = this.#pending
  }
}

/**
 * Applies an update that was checked before. False if that changed nothing. Never throws. Removals
 * are carried out even if the own dots were seen: they may have been forgotten before they came,
 * and forgetting early and late must come to the same.
 */
export function applyUpdate(state: State, update: Update): boolean {
  const { context } = state
  const { writer, first, effects } = update
  const last = first + update.count - 1
  if (update.count === 0) return false
  let known: Set<number> | undefined
  let changed = true
  if (context.highest(writer) >= first) {
    changed = !context.covers(writer, first, last)
    known = new Set(effects.map(({ dot }) => dot).filter((dot) => context.has(dot)))
  }
  const filled = changed && context.add(writer, first, last)
  for (const effect of effects) {
    const field = state.forWrite(effect.key, effect.path, effect.tag)
    if (removeFrom(field, effect.removed, context, effect.element)) changed = true
    const isNew = known?.has(effect.dot) !== true
    if (effect.kind !== 0 && (isNew || countsTwice(field))) write(field, effect, update, context)
    state.settle(field)
  }
  if (filled) foldCounters(state)
  if (state.pending.size > 0) purgePending(state)
  return changed
}

function countsTwice(field: Field): boolean {
  return mutants.countsTwice && field.shape === 'counter'
}

/** Removes dots here, now or when their updates arrive. True if that changed anything. */
function removeFrom(
  field: Field,
  dots: readonly number[],
  context: Context,
  element: number | undefined
): boolean {
  if (dots.length === 0) return false
  const missing: number[] = []
  let changed = removeDots(field, dots, context, element, missing)
  for (const dot of missing) {
    if (context.has(dot) || field.pending?.has(dot) === true) continue
    if (mutants.forgetsEarlyRemovals) continue
    field.pending ??= new Set()
    field.pending.add(dot)
    changed = true
  }
  return changed
}

function write(field: Field, effect: Effect, update: Update, context: Context): void {
  const { dot, value } = effect
  if (field.pending?.has(dot)) return
  switch (field.shape) {
    case 'entries':
      writeEntry(field, { dot, time: update.time, tick: update.tick, value })
      return
    case 'set':
      addToSet(field, dot, value)
      return
    case 'counter':
      // The decoder and the planner let only integers through.
      addIncrement(field, dot, value as Sum, context)
      return
    case 'list':
      if (effect.kind === 2) writeMove(field, effect, update, context)
      else {
        const position = effect.position ?? []
        const moves = field.ghosts.get(dot) ?? []
        field.ghosts.delete(dot)
        const element = { dot, value, position, moves, current: position }
        element.current = currentPosition(element, context)
        insertElement(field, element, context)
      }
  }
}

function writeEntry(field: EntriesField, entry: Entry): void {
  field.entries = field.entries.length === 0 ? [entry] : [...field.entries, entry]
}

function writeMove(field: ListField, effect: Effect, update: Update, context: Context): void {
  const owner = effect.element ?? 0
  const { time, tick } = update
  const move = { dot: effect.dot, time, tick, position: effect.position ?? [] }
  const element = field.elements.get(owner)
  if (element !== undefined) {
    element.moves = [...element.moves, move]
    element.current = currentPosition(element, context)
    field.order = undefined
  } else if (!context.has(owner) && !field.pending?.has(owner)) {
    field.ghosts.set(owner, [...(field.ghosts.get(owner) ?? []), move])
  }
}

/** After holes were filled: brings counters to their one form. */
export function foldCounters(state: State): void {
  for (const field of Array.from(state.all())) {
    if (field.shape !== 'counter' || field.extras.size === 0) continue
    const own = state.forWrite(field.key, field.path, field.tag)
    if (own.shape === 'counter') foldExtras(own, state.context)
  }
}

/** Drops pending removals whose updates are in the context by now. */
export function purgePending(state: State): void {
  const { context } = state
  for (const key of state.pending) {
    const field = state.get(key)
    const arrived = [...(field?.pending ?? [])].filter((dot) => context.has(dot))
    if (field === undefined || arrived.length === 0) continue
    const own = state.forWrite(key, field.path, field.tag)
    for (const dot of arrived) own.pending?.delete(dot)
    if (own.pending?.size === 0) own.pending = undefined
    state.settle(own)
  }
}

/** Makes dots seen and their writes gone. */
export function forgetDots(state: State, dots: readonly number[]): void {
  const { context } = state
  let filled = false
  for (const dot of dots) {
    const writer = writerOf(dot)
    const counter = counterOf(dot)
    if (!context.has(dot) && context.add(writer, counter, counter)) filled = true
  }
  for (const field of state.fields.values()) {
    if (field === null || field.shape === 'counter') continue
    removeAnywhere(field, dots, context)
    state.settle(field)
  }
  if (filled) foldCounters(state)
  if (state.pending.size > 0) purgePending(state)
}
