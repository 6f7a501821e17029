import { InvalidParametersError } from '@murmuration/interface'
import type { FieldType, Schema } from '@murmuration/crdt'

/**
 * Checks that each value is one of its field, before anything is changed: what is no list would else
 * empty one.
 *
 * @throws InvalidParametersError
 */
export function checkShape(schema: Schema, values: Readonly<Record<string, unknown>>): void {
  for (const [name, type] of Object.entries(schema)) {
    if (Object.hasOwn(values, name)) checkField(name, type, values[name])
  }
}

function checkField(path: string, type: FieldType, value: unknown): void {
  if (!isOne(type, value)) {
    throw new InvalidParametersError(`the value of ${path} is none of a ${type.kind}`)
  }
  const { inner } = type
  if (type.kind !== 'map' || inner === undefined) return
  for (const [key, each] of Object.entries(value as object)) {
    checkField(`${path}.${key}`, inner, each)
  }
}

function isOne({ kind }: FieldType, value: unknown): boolean {
  switch (kind) {
    case 'counter':
      return Number.isInteger(value)
    case 'bigCounter':
      return typeof value === 'bigint' || Number.isInteger(value)
    case 'flag':
      return typeof value === 'boolean'
    case 'register':
    case 'set':
    case 'list':
      return Array.isArray(value)
    case 'map':
      return isPlainRecord(value)
    case 'lww':
    case 'opaque':
    case 'min':
    case 'max':
      // Whatever can be encoded; the draft refuses the rest.
      return true
  }
}

function isPlainRecord(value: unknown): boolean {
  const isObject = typeof value === 'object' && value !== null
  return isObject && !Array.isArray(value) && !(value instanceof Uint8Array)
}
