import type { Operation } from '@murmuration/interface'
import { InvalidParametersError } from '@murmuration/interface'
import { dotOf } from './context.ts'
import type { EntriesTag, Field, Sum, Tag } from './fields.ts'
import { addSums, counterTotal, fieldKey, latest, tags } from './fields.ts'
import { planList } from './list-planner.ts'
import { compareOrdered, isOrdered } from './order.ts'
import { parsePath } from './paths.ts'
import type { Effect, State } from './state.ts'
import { ancestorsMax, versionOf } from './opaque.ts'
import { fits, normalize, valueKey } from './values.ts'

/** The fields of an effect that most effects leave out. */
interface Change {
  readonly write?: boolean
  readonly value?: unknown
  readonly position?: readonly number[]
  readonly element?: number
  readonly removed?: readonly number[]
}

const noDots: readonly number[] = Object.freeze([])

function invalid(what: string): never {
  throw new InvalidParametersError(what)
}

/**
 * Turns operations into effects on a state, one operation at a time; the caller applies the effects
 * before it plans the next. Every operation mints at least one dot; no dot writes two fields.
 */
export class Planner {
  readonly state: State
  /** Dots of other updates that are removed or overwritten. */
  readonly removed: number[] = []
  /** First dot of each operation, for operations that name an element of an earlier one. */
  readonly starts: number[] = []
  effects: Effect[] = []
  #next: number

  constructor(state: State, writer: number, first: number) {
    this.state = state
    this.#next = dotOf(writer, first)
  }

  /** The dot that will be minted next. */
  get next(): number {
    return this.#next
  }

  mint(): number {
    return this.#next++
  }

  plan(operation: Operation, path: readonly string[]): void {
    this.effects = []
    const start = this.#next
    this.starts.push(start)
    const plan = plans.get(operation.name)
    if (plan === undefined) invalid(`no operation "${operation.name}"`)
    if (operation.args.length !== plan.arity) {
      invalid(`${operation.name} takes ${plan.arity} arguments`)
    }
    plan.run(this, path, operation.args)
    if (this.#next === start) this.mint()
  }

  field(path: readonly string[], tag: Tag): Field | undefined {
    return this.state.get(fieldKey(path, tag))
  }

  /** Adds an effect; writes mint their dot here. */
  change(path: readonly string[], tag: Tag, change: Change): void {
    const { value, position, element, removed = noDots } = change
    if (change.write !== true && removed.length === 0) return
    // A presence that is refreshed is not gone: nobody needs to know.
    if (tag !== tags.presence || change.write !== true) {
      for (const dot of removed) this.removed.push(dot)
    }
    this.effects.push({
      key: fieldKey(path, tag),
      path,
      tag,
      kind: change.write === true ? (element === undefined ? 1 : 2) : 0,
      dot: change.write === true ? this.mint() : 0,
      value,
      position,
      element,
      removed
    })
  }

  /** The dots of all that a register-like field holds. */
  entryDots(path: readonly string[], tag: EntriesTag): readonly number[] {
    const field = this.field(path, tag)
    if (field?.shape !== 'entries' || field.entries.length === 0) return noDots
    const [only] = field.entries
    if (only !== undefined && field.entries.length === 1) return [only.dot]
    return field.entries.map(({ dot }) => dot)
  }

  overwrite(path: readonly string[], tag: EntriesTag, value: unknown): void {
    this.change(path, tag, { write: true, value, removed: this.entryDots(path, tag) })
  }
}

type Run = (planner: Planner, path: readonly string[], args: readonly unknown[]) => void

interface Plan {
  readonly arity: number
  readonly run: Run
}

function setting(tag: EntriesTag): Plan {
  return {
    arity: 1,
    run: (planner, path, [value]) => planner.overwrite(path, tag, normalize(value))
  }
}

/**
 * An opaque value travels with the last ones that led to it, newest first, so that two sides of a
 * conflict find the value at which they parted. They go first when there is no room for all.
 */
const opaquePlan: Plan = {
  arity: 1,
  run: (planner, path, [value]) => {
    const normal = normalize(value)
    const field = planner.field(path, tags.opaque)
    const entries = field?.shape === 'entries' ? field.entries : []
    const shown = latest(entries, planner.state.context)
    const others = entries.filter((entry) => entry !== shown)
    const before = shown === undefined ? [] : versionOf(shown)
    const [replaced, ...older] = before
    const known = shown === undefined ? [] : [replaced, ...others.map((e) => versionOf(e)[0])]
    const lineage = [...known, ...older].slice(0, ancestorsMax)
    while (lineage.length > 0 && !fits([normal, ...lineage])) lineage.pop()
    planner.overwrite(path, tags.opaque, [normal, ...lineage])
  }
}

/** Keeps the outermost of the new value and all that is there, so that one entry is enough. */
function extreme(tag: 3 | 4, sign: 1 | -1): Plan {
  return {
    arity: 1,
    run: (planner, path, [value]) => {
      const normal = normalize(value)
      if (!isOrdered(normal)) invalid('min and max take numbers, bigints, text and tuples of these')
      let best = normal
      const field = planner.field(path, tag)
      for (const entry of field?.shape === 'entries' ? field.entries : []) {
        if (isOrdered(entry.value) && compareOrdered(entry.value, best) * sign < 0) {
          best = entry.value
        }
      }
      planner.overwrite(path, tag, best)
    }
  }
}

/** What a counter shows: its sum less what it was when its map key was last deleted. */
export function counterValue(state: State, path: readonly string[], tag: 9 | 10): Sum {
  const field = state.get(fieldKey(path, tag))
  const total = field?.shape === 'counter' ? counterTotal(field) : 0
  if (path.length === 1) return total
  const base = state.get(fieldKey(path, tags.baseline))
  if (base?.shape !== 'entries') return total
  const winner = latest(base.entries, state.context)
  // Decoder and planner let only integers into a baseline.
  return winner === undefined ? total : addSums(total, negate(winner.value as Sum))
}

function negate(sum: Sum): Sum {
  return sum === 0 ? 0 : -sum
}

function increment(planner: Planner, path: readonly string[], tag: 9 | 10, by: Sum): void {
  planner.change(path, tag, { write: true, value: by })
  if (path.length > 1) planner.overwrite(path, tags.presence, undefined)
}

const incrementPlan: Plan = {
  arity: 1,
  run: (planner, path, [by]) => {
    if (typeof by !== 'number' || !Number.isSafeInteger(by)) {
      invalid('a counter is incremented by a safe integer; see bigCounter for more')
    }
    const sum = addSums(counterValue(planner.state, path, tags.counter), by)
    if (typeof sum === 'bigint') invalid('the counter would leave the safe integers')
    increment(planner, path, tags.counter, by === 0 ? 0 : by)
  }
}

const bigIncrementPlan: Plan = {
  arity: 1,
  run: (planner, path, [by]) => {
    if (typeof by !== 'bigint') invalid('a bigCounter is incremented by a bigint')
    // Increments get half of the width, so that 2^512 of them cannot exceed it.
    if (by >= 1n << 512n || by <= -(1n << 512n)) invalid('increment over 512 bits')
    const small = Number(by)
    increment(planner, path, tags.bigCounter, Number.isSafeInteger(small) ? small : by)
  }
}

function elementDots(planner: Planner, path: readonly string[], value: unknown): number[] {
  const field = planner.field(path, tags.set)
  const element = field?.shape === 'set' ? field.elements.get(valueKey(value)) : undefined
  return element === undefined ? [] : element.dots.slice()
}

const addPlan: Plan = {
  arity: 1,
  run: (planner, path, [value]) => {
    const normal = normalize(value)
    const removed = elementDots(planner, path, normal)
    planner.change(path, tags.set, { write: true, value: normal, removed })
  }
}

const removePlan: Plan = {
  arity: 1,
  run: (planner, path, [value]) => {
    const removed = elementDots(planner, path, normalize(value))
    planner.change(path, tags.set, { removed })
  }
}

/** All living dots of a field, but for counters, which have none to remove. */
function livingDots(field: Field): number[] {
  if (field.shape === 'entries') return field.entries.map(({ dot }) => dot)
  if (field.shape === 'set') return [...field.dots.keys()]
  return field.shape === 'list' ? [...field.elements.keys()] : []
}

/** Removes all below a key of a map that this replica sees; concurrent writes there survive. */
const deletePlan: Plan = {
  arity: 0,
  run: (planner, path) => {
    if (path.length < 2) invalid('map.delete needs the path of a key')
    const below = [...planner.state.all()].filter((field) =>
      path.every((segment, i) => field.path[i] === segment)
    )
    for (const field of below) {
      if (field.shape === 'counter') {
        const value = counterTotal(field)
        if (counterValue(planner.state, field.path, field.tag) !== 0) {
          planner.overwrite(field.path, tags.baseline, value)
        }
      } else if (field.tag !== tags.baseline) {
        planner.change(field.path, field.tag, { removed: livingDots(field) })
      }
    }
  }
}

const plans: ReadonlyMap<string, Plan> = new Map<string, Plan>([
  ['counter.increment', incrementPlan],
  ['bigCounter.increment', bigIncrementPlan],
  ['lww.set', setting(tags.lww)],
  ['register.set', setting(tags.register)],
  ['opaque.set', opaquePlan],
  ['min.update', extreme(tags.min, 1)],
  ['max.update', extreme(tags.max, -1)],
  [
    'flag.enable',
    { arity: 0, run: (planner, path) => planner.overwrite(path, tags.flag, undefined) }
  ],
  [
    'flag.disable',
    {
      arity: 0,
      run: (planner, path) =>
        planner.change(path, tags.flag, { removed: planner.entryDots(path, tags.flag) })
    }
  ],
  ['set.add', addPlan],
  ['set.remove', removePlan],
  ['map.delete', deletePlan],
  ['list.push', { arity: 1, run: planList.push }],
  ['list.insert', { arity: 3, run: planList.insert }],
  ['list.delete', { arity: 1, run: planList.delete }],
  ['list.move', { arity: 3, run: planList.move }]
])

/** The checked path of an operation, which may come from another peer. */
export function operationPath(operation: Operation): readonly string[] {
  if (typeof operation !== 'object' || operation === null) invalid('an operation is an object')
  const { field, name, args } = operation
  if (typeof field !== 'string' || typeof name !== 'string' || !Array.isArray(args)) {
    invalid('an operation has a field, a name and args')
  }
  return parsePath(field)
}
