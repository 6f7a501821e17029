import type { Operation } from '@murmuration/interface'
import { InvalidParametersError } from '@murmuration/interface'
import { limits } from '../defaults.ts'
import { counterOf, writerOf } from './context.ts'
import type {
  BigCounterDraft,
  CounterDraft,
  ExtremeDraft,
  FlagDraft,
  ListDraft,
  LwwDraft,
  MapDraft,
  SetDraft
} from './draft-types.ts'
import type { ListElement } from './fields.ts'
import { fieldKey, tags } from './fields.ts'
import type { ElementId } from './list-planner.ts'
import { formatPath, parsePath } from './paths.ts'
import { Planner } from './planner.ts'
import { orderOf } from './positions.ts'
import { hasKey, readField } from './read.ts'
import type { Draft, FieldType, Schema } from './schema.ts'
import { stampTimeMax } from './stamp.ts'
import type { State } from './state.ts'
import { applyUpdate } from './state.ts'
import { normalize, valueKey } from './values.ts'

/** A draft and what was done to it. */
export interface Recording<S extends Schema> {
  readonly draft: Draft<S>
  /** Grows while the draft is changed; what `execute` takes, here or on a newer document. */
  readonly operations: readonly Operation[]
}

type Path = readonly string[]

/** An overlay that executes operations under a writer without a name, and writes them down. */
class Recorder {
  readonly operations: Operation[] = []
  readonly state: State
  readonly #writer: number
  readonly #planner: Planner
  /** Counter of a dot that was minted here to the index of its operation. */
  readonly #indices: Map<number, number> = new Map()

  constructor(state: State) {
    this.state = state.overlay()
    this.#writer = this.state.context.intern('')
    this.#planner = new Planner(this.state, this.#writer, 1)
  }

  record(path: Path, name: string, args: readonly unknown[]): void {
    if (this.operations.length >= limits.operationsMax) {
      throw new InvalidParametersError(`more than ${limits.operationsMax} operations in one draft`)
    }
    const operation = { field: formatPath(path), name, args: args.map(normalize) }
    const first = counterOf(this.#planner.next)
    this.#planner.plan(operation, parsePath(operation.field))
    this.#indices.set(first, this.operations.length)
    const count = counterOf(this.#planner.next) - first
    const { effects } = this.#planner
    // The latest of all times: what is written here is read here.
    const stamp = { time: stampTimeMax, tick: first }
    applyUpdate(this.state, { writer: this.#writer, first, count, ...stamp, effects })
    this.operations.push(operation)
  }

  read(type: FieldType, path: Path): unknown {
    return readField(this.state, type, path)
  }

  list(path: Path): readonly ListElement[] {
    const field = this.state.get(fieldKey(path, tags.list))
    return field?.shape === 'list' ? orderOf(field, this.state.context) : []
  }

  idOf(element: ListElement | undefined): ElementId | null {
    if (element === undefined) return null
    const counter = counterOf(element.dot)
    const writer = this.state.context.writers[writerOf(element.dot)] ?? ''
    return writer === '' ? ['', this.#indices.get(counter) ?? 0] : [writer, counter]
  }
}

function checkIndex(index: number, most: number): void {
  if (!Number.isSafeInteger(index) || index < 0 || index > most) {
    throw new InvalidParametersError(`index ${index} is not between 0 and ${most}`)
  }
}

/**
 * A typed overlay of a document that reads its own writes, never touches the document, copies only
 * the fields that are written, and records operations that mean the same on a newer document.
 */
export function createRecording<S extends Schema>(state: State, schema: S): Recording<S> {
  const recorder = new Recorder(state)
  const draft: Record<string, unknown> = {}
  for (const [name, type] of Object.entries(schema)) draft[name] = draftOf(recorder, type, [name])
  // Built by name from the same schema that the type is computed from.
  return { draft: draft as Draft<S>, operations: recorder.operations }
}

/** What all drafts of one field share. */
function valueOf(recorder: Recorder, type: FieldType, path: Path): PropertyDescriptor {
  return { enumerable: true, get: () => recorder.read(type, path) }
}

function draftOf(recorder: Recorder, type: FieldType, path: Path): unknown {
  const record = (verb: string, ...args: unknown[]): void =>
    recorder.record(path, `${type.kind}.${verb}`, args)
  const verbs = verbsOf(recorder, type, path, record)
  return Object.freeze(Object.defineProperty(verbs, 'value', valueOf(recorder, type, path)))
}

type Recording1 = (verb: string, ...args: unknown[]) => void

function verbsOf(recorder: Recorder, type: FieldType, path: Path, record: Recording1): object {
  switch (type.kind) {
    case 'counter':
      return {
        increment: (by = 1) => record('increment', by),
        decrement: (by = 1) => record('increment', -by)
      } satisfies Omit<CounterDraft, 'value'>
    case 'bigCounter':
      return {
        increment: (by = 1n) => record('increment', by),
        decrement: (by = 1n) => record('increment', -by)
      } satisfies Omit<BigCounterDraft, 'value'>
    case 'lww':
    case 'register':
    case 'opaque':
      return { set: (value) => record('set', value) } satisfies Omit<LwwDraft<unknown>, 'value'>
    case 'min':
    case 'max':
      return {
        update: (value) => record('update', value)
      } satisfies Omit<ExtremeDraft<unknown>, 'value'>
    case 'flag':
      return {
        enable: () => record('enable'),
        disable: () => record('disable')
      } satisfies Omit<FlagDraft, 'value'>
    case 'set':
      return setVerbs(recorder, path, record)
    case 'list':
      return listVerbs(recorder, path, record)
    case 'map':
      return mapVerbs(recorder, type, path)
  }
}

function setVerbs(
  recorder: Recorder,
  path: Path,
  record: Recording1
): Omit<SetDraft<unknown>, 'value'> {
  const elements = (): ReadonlyMap<string, unknown> => {
    const field = recorder.state.get(fieldKey(path, tags.set))
    return field?.shape === 'set' ? field.elements : new Map()
  }
  return {
    get size() {
      return elements().size
    },
    has: (value) => elements().has(valueKey(normalize(value))),
    add: (value) => record('add', value),
    remove: (value) => record('remove', value)
  }
}

function listVerbs(
  recorder: Recorder,
  path: Path,
  record: Recording1
): Omit<ListDraft<unknown>, 'value'> {
  const order = (): readonly ListElement[] => recorder.list(path)
  const idAt = (index: number): ElementId | null => recorder.idOf(order()[index])
  return {
    get length() {
      return order().length
    },
    push: (...values) => {
      for (const value of values) record('push', value)
    },
    insert: (index, ...values) => {
      checkIndex(index, order().length)
      for (const [i, value] of values.entries()) {
        record('insert', idAt(index + i - 1), idAt(index + i), value)
      }
    },
    delete: (index, count = 1) => {
      checkIndex(count, order().length)
      checkIndex(index, order().length - count)
      for (let i = 0; i < count; i++) record('delete', idAt(index))
    },
    move: (from, to) => {
      checkIndex(from, order().length - 1)
      checkIndex(to, order().length - 1)
      if (from === to) return
      const others = order().filter((_, i) => i !== from)
      record('move', idAt(from), recorder.idOf(others[to - 1]), recorder.idOf(others[to]))
    }
  }
}

function mapVerbs(
  recorder: Recorder,
  type: FieldType,
  path: Path
): Omit<MapDraft<unknown, unknown>, 'value'> {
  const inner = type.inner ?? { kind: 'lww' }
  const keys = (): string[] => Object.keys(recorder.read(type, path) ?? {})
  return {
    get size() {
      return keys().length
    },
    keys,
    has: (key) => hasKey(recorder.state, inner, [...path, key]),
    get: (key) => draftOf(recorder, inner, [...path, key]),
    delete: (key) => recorder.record([...path, key], 'map.delete', [])
  }
}
