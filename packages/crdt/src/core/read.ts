import type { EntriesField, Field, SetField, Tag } from './fields.ts'
import { fieldKey, latest, tags } from './fields.ts'
import { compareOrdered, isOrdered } from './order.ts'
import { counterValue } from './planner.ts'
import { orderOf } from './positions.ts'
import type { FieldType, Schema } from './schema.ts'
import type { State } from './state.ts'
import { sharedAncestor, versionOf } from './opaque.ts'
import { copyValue } from './values.ts'

/** Fields by their path, so that maps can be read in one pass. */
interface Branch {
  readonly fields: Map<Tag, Field>
  readonly children: Map<string, Branch>
}

function branch(): Branch {
  return { fields: new Map(), children: new Map() }
}

function grow(state: State, below: readonly string[]): Branch {
  const root = branch()
  const sorted = [...state.all()]
    .filter(({ path }) => below.every((segment, i) => path[i] === segment))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
  for (const field of sorted) {
    let at = root
    for (const segment of field.path.slice(below.length)) {
      let next = at.children.get(segment)
      if (next === undefined) {
        next = branch()
        at.children.set(segment, next)
      }
      at = next
    }
    at.fields.set(field.tag, field)
  }
  return root
}

/** The value of one field that is no map. */
function readLeaf(state: State, type: FieldType, path: readonly string[]): unknown {
  if (type.kind === 'map') return {}
  const tag = tags[type.kind]
  const field = state.get(fieldKey(path, tag))
  switch (type.kind) {
    case 'counter':
      return Number(counterValue(state, path, tags.counter))
    case 'bigCounter':
      return BigInt(counterValue(state, path, tags.bigCounter))
    case 'lww':
      return field?.shape === 'entries'
        ? copyValue(latest(field.entries, state.context)?.value)
        : undefined
    case 'register':
      return field?.shape === 'entries' ? readRegister(field, state) : []
    case 'opaque':
      return field?.shape === 'entries' ? readOpaque(field, state, type) : undefined
    case 'set':
      return field?.shape === 'set' ? readSet(field) : []
    case 'list':
      return field?.shape === 'list'
        ? orderOf(field, state.context).map(({ value }) => copyValue(value))
        : []
    case 'flag':
      return field?.shape === 'entries' && field.entries.length > 0
    case 'min':
      return field?.shape === 'entries' ? readExtreme(field, 1) : undefined
    case 'max':
      return field?.shape === 'entries' ? readExtreme(field, -1) : undefined
  }
}

function readRegister(field: EntriesField, state: State): unknown[] {
  const entries = field.entries.slice().sort((a, b) => state.context.compare(a.dot, b.dot))
  return entries.map(({ value }) => copyValue(value))
}

function readOpaque(field: EntriesField, state: State, type: FieldType): unknown {
  const { entries } = field
  const shown = latest(entries, state.context)
  if (shown === undefined) return undefined
  if (type.onConflict === undefined || entries.length === 1) return copyValue(versionOf(shown)[0])
  const [first = [], ...others] = entries
    .slice()
    .sort((a, b) => state.context.compare(a.dot, b.dot))
    .map((entry) => versionOf(entry).map(copyValue))
  let merged = first
  for (const other of others) {
    const ancestor = sharedAncestor(merged, other)
    const value = type.onConflict(merged[0], other[0], copyValue(ancestor))
    merged = ancestor === undefined ? [value] : [value, ancestor]
  }
  return merged[0]
}

function readSet(field: SetField): unknown[] {
  const elements = [...field.elements].sort(([a], [b]) => (a < b ? -1 : 1))
  return elements.map(([, { value }]) => copyValue(value))
}

function readExtreme(field: EntriesField, sign: 1 | -1): unknown {
  let best = field.entries[0]?.value
  for (const { value } of field.entries) {
    if (isOrdered(value) && isOrdered(best) && compareOrdered(value, best) * sign < 0) best = value
  }
  return copyValue(best)
}

/** Whether a key of a map is there: something living is below it. */
function isPresent(type: FieldType, at: Branch): boolean {
  if (type.kind === 'map') {
    const { inner } = type
    return inner !== undefined && [...at.children.values()].some((child) => isPresent(inner, child))
  }
  const counted = type.kind === 'counter' || type.kind === 'bigCounter'
  const field = at.fields.get(counted ? tags.presence : tags[type.kind])
  if (field === undefined) return false
  if (field.shape === 'entries') return field.entries.length > 0
  if (field.shape === 'set' || field.shape === 'list') return field.elements.size > 0
  return true
}

function readBranch(
  state: State,
  type: FieldType,
  path: readonly string[],
  at: Branch | undefined
): unknown {
  const { inner } = type
  if (type.kind !== 'map' || inner === undefined) return readLeaf(state, type, path)
  const result: Record<string, unknown> = {}
  for (const [key, child] of at?.children ?? []) {
    if (isPresent(inner, child)) result[key] = readBranch(state, inner, [...path, key], child)
  }
  return result
}

/** The value of one field. */
export function readField(state: State, type: FieldType, path: readonly string[]): unknown {
  if (type.kind !== 'map') return readLeaf(state, type, path)
  return readBranch(state, type, path, grow(state, path))
}

/** Whether a map has a key. */
export function hasKey(state: State, inner: FieldType, path: readonly string[]): boolean {
  return isPresent(inner, grow(state, path))
}

/** The values of all fields of a schema. */
export function readDocument(state: State, schema: Schema): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  const maps = Object.values(schema).some(({ kind }) => kind === 'map')
  const root = maps ? grow(state, []) : undefined
  for (const [name, type] of Object.entries(schema)) {
    result[name] = readBranch(state, type, [name], root?.children.get(name))
  }
  return result
}

const kinds = new Map<Tag, Exclude<FieldType['kind'], 'map'>>([
  [tags.lww, 'lww'],
  [tags.register, 'register'],
  [tags.opaque, 'opaque'],
  [tags.min, 'min'],
  [tags.max, 'max'],
  [tags.flag, 'flag'],
  [tags.set, 'set'],
  [tags.counter, 'counter'],
  [tags.bigCounter, 'bigCounter'],
  [tags.list, 'list']
])

/** What a document shows without a schema, for people and logs; safe for JSON.stringify. */
export function readPlain(state: State): unknown {
  return plainBranch(state, grow(state, []), [])
}

function plainBranch(state: State, at: Branch, path: readonly string[]): unknown {
  const result: Record<string, unknown> = {}
  for (const [key, child] of at.children) {
    const value = plainBranch(state, child, [...path, key])
    if (value !== undefined) result[key] = value
  }
  const values: unknown[] = []
  for (const tag of at.fields.keys()) {
    const kind = kinds.get(tag)
    const counted = tag === tags.counter || tag === tags.bigCounter
    if (kind === undefined) continue
    // A counter at the top has no presence of its own.
    const shown = (counted && path.length === 1) || isPresent({ kind }, at)
    if (shown) values.push(plainValue(readLeaf(state, { kind }, path)))
  }
  const isInner = path.length === 0 || Object.keys(result).length > 0
  if (!isInner) return values.length > 1 ? values : values[0]
  // Replicas with different schemas may have used one name in two ways; neither is hidden.
  if (values.length > 0) result[''] = values.length > 1 ? values : values[0]
  return result
}

function plainValue(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array) return { bytes: [...value] }
  if (Array.isArray(value)) return value.map(plainValue)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plainValue(item)]))
}
