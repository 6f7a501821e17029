import type { Operation } from '@murmuration/interface'
import { InvalidParametersError } from '@murmuration/interface'
import { limits } from '../defaults.ts'
import { FLOOR_WRITER } from './collection.ts'
import { counterOf, dotOf, writerOf } from './context.ts'
import { operationPath, Planner } from './planner.ts'
import type { Schema } from './schema.ts'
import { checkOperation } from './schema.ts'
import type { Stamp } from './stamp.ts'
import { stampTickMax, stampTimeMax } from './stamp.ts'
import type { Effect, State, Update } from './state.ts'
import { applyUpdate } from './state.ts'
import { encodeDelta, isName } from './wire.ts'

/** Who executes, and when. */
export interface ExecuteOptions {
  /**
   * The name under which dots are minted: one per document and life of a store, for example
   * peer, incarnation and boot. Two that share it at the same time would corrupt the document.
   */
  readonly writer: string
  /** A hybrid clock reading that is later than all that the writer has used or seen. */
  readonly stamp: Stamp
  /** If given, operations that do not fit it are refused. */
  readonly schema?: Schema
}

/** An update that is planned, encoded and ready to be applied. */
export interface Planned {
  readonly delta: Uint8Array
  readonly first: number
  readonly count: number
  /** Dots of other updates that this one removes or overwrites. */
  readonly removed: readonly number[]
  readonly state: State
  /** The state itself, or an overlay on which the update is done already. */
  readonly work: State
  readonly update: Update
}

function invalid(what: string): never {
  throw new InvalidParametersError(what)
}

/** Throws InvalidParametersError unless a text can name a writer. */
export function checkWriter(writer: string): void {
  if (typeof writer !== 'string' || writer === '' || !writer.isWellFormed() || !isName(writer)) {
    invalid('a writer is a text that is not empty')
  }
  if (writer === FLOOR_WRITER) {
    invalid(`no writer is called ${FLOOR_WRITER}`)
  }
  if (writer.length * 3 <= limits.writerBytesMax) return
  if (new TextEncoder().encode(writer).length > limits.writerBytesMax) {
    invalid(`writer over ${limits.writerBytesMax} bytes`)
  }
}

function checkOptions({ writer, stamp }: ExecuteOptions): void {
  checkWriter(writer)
  const { time, tick } = stamp
  if (!(Number.isSafeInteger(time) && time >= 0 && time <= stampTimeMax)) invalid('bad stamp time')
  if (!(Number.isSafeInteger(tick) && tick >= 0 && tick <= stampTickMax)) invalid('bad stamp tick')
}

/** The counter before the first one that a writer may mint: also after what others removed. */
function lastCounter(state: State, writer: number): number {
  let last = state.context.highest(writer)
  for (const key of state.pending) {
    for (const dot of state.get(key)?.pending ?? []) {
      if (writerOf(dot) === writer) last = Math.max(last, counterOf(dot))
    }
  }
  return last
}

/** Plans operations; throws InvalidParametersError and leaves the state as it was. */
export function planUpdate(
  state: State,
  operations: readonly Operation[],
  options: ExecuteOptions
): Planned {
  checkOptions(options)
  if (!Array.isArray(operations) || operations.length > limits.operationsMax) {
    invalid(`operations are an array of up to ${limits.operationsMax}`)
  }
  const paths: (readonly string[])[] = []
  for (const operation of operations) {
    const path = operationPath(operation)
    if (options.schema !== undefined) checkOperation(options.schema, operation, path)
    paths.push(path)
  }
  const { context } = state
  const known = context.place(options.writer)
  if (known === undefined && context.writers.length >= limits.writersMax)
    invalid('too many writers')
  // A place in the table shows nowhere unless something is written.
  const writer = known ?? context.intern(options.writer)
  const first = lastCounter(state, writer) + 1
  const single = operations.length === 1
  const work = single ? state : state.overlay()
  const planner = new Planner(work, writer, first)
  const { time, tick } = options.stamp
  let effects: Effect[] = []
  let next = first
  for (const [i, operation] of operations.entries()) {
    planner.plan(operation, paths[i] ?? [])
    const count = counterOf(planner.next) - next
    if (single) effects = planner.effects
    else {
      for (const effect of planner.effects) effects.push(effect)
      applyUpdate(work, { writer, first: next, count, time, tick, effects: planner.effects })
    }
    next += count
  }
  const count = next - first
  if (next > limits.counterMax) invalid('the writer has no counters left')
  if (!single) effects = compact(effects, dotOf(writer, first))
  const update: Update = { writer, first, count, time, tick, effects }
  const delta = encodeDelta(update, work.context)
  const start = dotOf(writer, first)
  const removed = planner.removed.filter((dot) => !isOwn(dot, start))
  return { delta, first, count, removed, state, work, update }
}

/** Carries out what was planned; cannot fail. */
export function applyPlanned({ state, work, update }: Planned): void {
  if (work === state) applyUpdate(state, update)
  else work.commit()
}

function isOwn(dot: number, first: number): boolean {
  return dot >= first && writerOf(dot) === writerOf(first)
}

/** Leaves out what an update wrote and removed again. */
function compact(effects: readonly Effect[], first: number): Effect[] {
  const dead = new Set<number>()
  for (const { removed } of effects) for (const dot of removed) if (isOwn(dot, first)) dead.add(dot)
  if (dead.size === 0) return [...effects]
  const left: Effect[] = []
  // A move that is overwritten hands what it removed on to the next move of its element: on the
  // wire, only a move says whose moves it removes.
  const handed = new Map<string, number[]>()
  for (const effect of effects) {
    const { key, element } = effect
    let removed = effect.removed.filter((dot) => !dead.has(dot))
    const owner = `${key}${element}`
    if (element !== undefined) removed = [...(handed.get(owner) ?? []), ...removed]
    const gone = dead.has(effect.dot) || (element !== undefined && dead.has(element))
    if (!gone) left.push({ ...effect, removed })
    else if (element !== undefined) handed.set(owner, removed)
    else if (removed.length > 0) left.push({ ...effect, kind: 0, dot: 0, removed })
  }
  return left
}
