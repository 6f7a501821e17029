import { encode } from '@murmuration/codec'
import type { Draft, FieldType, Schema } from '@murmuration/crdt'

/** What the drafts of all fields have together; each kind has some of it. */
interface AnyDraft {
  readonly value: unknown
  increment(by: number | bigint): void
  set(value: unknown): void
  add(value: unknown): void
  remove(value: unknown): void
  enable(): void
  disable(): void
  update(value: unknown): void
  push(...values: unknown[]): void
  delete(at: unknown, count?: number): void
  get(key: string): unknown
}

/**
 * Records on a draft what makes it hold the wanted values, and nothing where it does. What a type
 * cannot take back stays: a `min` or `max` that went further, and a value where none is wanted.
 */
export function restore<S extends Schema>(
  draft: Draft<S>,
  schema: S,
  wanted: Readonly<Record<string, unknown>>
): void {
  for (const [name, type] of Object.entries(schema)) {
    // A draft has a field of each name of its schema; of which kind, the type says.
    if (Object.hasOwn(wanted, name)) restoreField(draft[name] as AnyDraft, type, wanted[name])
  }
}

function restoreField(draft: AnyDraft, type: FieldType, wanted: unknown): void {
  if (isSame(draft.value, wanted)) return
  switch (type.kind) {
    case 'counter':
      return draft.increment(Number(wanted) - Number(draft.value))
    case 'bigCounter':
      return draft.increment(BigInt(String(wanted)) - BigInt(String(draft.value)))
    case 'lww':
    case 'opaque':
      return wanted === undefined ? undefined : draft.set(wanted)
    case 'register': {
      // Concurrent values were for somebody to choose from; the first one is taken.
      const [first] = listOf(wanted)
      return first === undefined ? undefined : draft.set(first)
    }
    case 'flag':
      return wanted === true ? draft.enable() : draft.disable()
    case 'min':
    case 'max':
      return wanted === undefined ? undefined : draft.update(wanted)
    case 'set':
      return restoreSet(draft, listOf(wanted))
    case 'list':
      return restoreList(draft, listOf(wanted))
    case 'map':
      return restoreMap(draft, type.inner ?? { kind: 'lww' }, wanted)
  }
}

function restoreSet(draft: AnyDraft, wanted: readonly unknown[]): void {
  const present = new Map(listOf(draft.value).map((value) => [nameOf(value), value]))
  const kept = new Set(wanted.map(nameOf))
  for (const [name, value] of present) if (!kept.has(name)) draft.remove(value)
  for (const value of wanted) if (!present.has(nameOf(value))) draft.add(value)
}

function restoreList(draft: AnyDraft, wanted: readonly unknown[]): void {
  const present = listOf(draft.value)
  const first = present.findIndex((value, at) => at >= wanted.length || !isSame(value, wanted[at]))
  const equal = first < 0 ? present.length : first
  // From the end, so that what was done is of use if it is done in parts.
  for (let at = present.length - 1; at >= equal; at--) draft.delete(at)
  for (const value of wanted.slice(equal)) draft.push(value)
}

function restoreMap(draft: AnyDraft, inner: FieldType, wanted: unknown): void {
  const values = recordOf(wanted)
  for (const key of Object.keys(recordOf(draft.value))) {
    if (!Object.hasOwn(values, key)) draft.delete(key)
  }
  for (const [key, value] of Object.entries(values)) {
    restoreField(draft.get(key) as AnyDraft, inner, value) // of the kind that `inner` names
  }
}

function isSame(a: unknown, b: unknown): boolean {
  return a === undefined || b === undefined ? a === b : nameOf(a) === nameOf(b)
}

/** Equal for equal values: their canonical bytes as text. */
function nameOf(value: unknown): string {
  return Array.from(encode(value), (byte) => String.fromCharCode(byte)).join('')
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [] // elements of any kind
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
