import { counterOf, writerOf } from './context.ts'
import type { Field, Tag } from './fields.ts'
import { tags } from './fields.ts'
import { versionOf } from './opaque.ts'
import { formatPath } from './paths.ts'
import type { FieldKind } from './schema.ts'
import type { Effect, State } from './state.ts'
import { copyValue } from './values.ts'

/** A field that was written at the same time by peers that did not know of each other. */
export interface Conflict {
  /** Its dotted path. */
  readonly field: string
  readonly kind: FieldKind
  /** All concurrent values, in the order of their writers. */
  readonly values: readonly unknown[]
  /** The update that wrote each of them. */
  readonly dots: readonly { readonly writer: string; readonly counter: number }[]
}

export const noConflicts: readonly Conflict[] = Object.freeze([])

/** Types in which concurrent values exclude each other; in all others both simply count. */
const exclusive = new Map<Tag, FieldKind>([
  [tags.lww, 'lww'],
  [tags.register, 'register'],
  [tags.opaque, 'opaque']
])

function conflictIn(field: Field | undefined, state: State): Conflict | undefined {
  if (field?.shape !== 'entries' || field.entries.length < 2) return undefined
  const kind = exclusive.get(field.tag)
  if (kind === undefined) return undefined
  const entries = field.entries.slice().sort((a, b) => state.context.compare(a.dot, b.dot))
  const values = entries.map((entry) =>
    copyValue(kind === 'opaque' ? versionOf(entry)[0] : entry.value)
  )
  const { writers } = state.context
  const dots = entries.map(({ dot }) => ({
    writer: writers[writerOf(dot)] ?? '',
    counter: counterOf(dot)
  }))
  return { field: formatPath(field.path), kind, values, dots }
}

/** Conflicts in the fields that an update wrote. */
export function conflictsAfter(state: State, effects: readonly Effect[]): readonly Conflict[] {
  let found: Conflict[] | undefined
  for (const { key, kind, tag } of effects) {
    if (kind !== 1 || !exclusive.has(tag)) continue
    const conflict = conflictIn(state.get(key), state)
    if (conflict !== undefined) (found ??= []).push(conflict)
  }
  return found ?? noConflicts
}

export function conflictsOf(state: State): readonly Conflict[] {
  const fields = [...state.all()].sort((a, b) => (a.key < b.key ? -1 : 1))
  return fields.flatMap((field) => conflictIn(field, state) ?? [])
}
