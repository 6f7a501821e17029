import { InvalidParametersError } from '@murmuration/interface'
import { bytesMaxDefault, listMaxDefault, recordMaxDefault, textMaxDefault } from './defaults.ts'
import { forbiddenKeys } from './limits.ts'

/** What a value must look like, and its type. Made by the functions of this package. */
export interface Shape<T> {
  /** Returns the value without unknown fields, or throws {@link Mismatch}. */
  readonly read: (value: unknown) => T
}

/** A {@link Shape} whose field may be missing. Made by {@link optional}. */
export interface OptionalShape<T> extends Shape<T> {
  readonly optional: true
}

/** The shapes of an object, by field name. */
export type Fields = Readonly<Record<string, Shape<unknown>>>

type OptionalKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends OptionalShape<unknown> ? K : never
}[keyof F]

/** The type of an object with these fields. */
export type InferFields<F extends Fields> = {
  readonly [K in Exclude<keyof F, OptionalKeys<F>>]: Infer<F[K]>
} & {
  readonly [K in OptionalKeys<F>]?: Infer<F[K]>
} extends infer T
  ? { [K in keyof T]: T[K] }
  : never

/** The type of the values of a shape. */
export type Infer<S> = S extends Shape<infer T> ? T : never

/** A value that does not have its shape; {@link message} turns it into a public error. */
export class Mismatch extends Error {
  readonly path: (string | number)[] = []
}

function describe(value: unknown): string {
  if (value === null) {
    return 'null'
  }
  if (Array.isArray(value)) {
    return 'a list'
  }
  return value instanceof Uint8Array ? 'bytes' : typeof value
}

function expected(what: string, value: unknown): Mismatch {
  return new Mismatch(`expected ${what}, got ${describe(value)}`)
}

/** Reads a part of a value; a mismatch in it learns where it is. */
function within<T>(shape: Shape<T>, value: unknown, step: string | number): T {
  try {
    return shape.read(value)
  } catch (error) {
    if (error instanceof Mismatch) {
      error.path.unshift(step)
    }
    throw error
  }
}

/** A text of at most `max` UTF-16 code units (default 65,536). */
export function text(init: { readonly max?: number } = {}): Shape<string> {
  const max = init.max ?? textMaxDefault
  return {
    read: (value) => {
      if (typeof value !== 'string') {
        throw expected('text', value)
      }
      if (value.length > max) {
        throw new Mismatch(`text of ${value.length} characters, at most ${max} allowed`)
      }
      return value
    }
  }
}

/** A safe integer in `min` to `max` (default: all safe integers). */
export function integer(
  init: { readonly min?: number; readonly max?: number } = {}
): Shape<number> {
  const min = init.min ?? Number.MIN_SAFE_INTEGER
  const max = init.max ?? Number.MAX_SAFE_INTEGER
  return {
    read: (value) => {
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
        throw expected('an integer', value)
      }
      if (value < min || value > max) {
        throw new Mismatch(`integer out of the range ${min} to ${max}`)
      }
      return value
    }
  }
}

/** A bigint; in CBOR at most 4096 bytes long. */
export function bigInteger(): Shape<bigint> {
  return {
    read: (value) => {
      if (typeof value !== 'bigint') {
        throw expected('a bigint', value)
      }
      return value
    }
  }
}

/** A finite number. */
export function float(): Shape<number> {
  return {
    read: (value) => {
      if (typeof value !== 'number' || !Number.isFinite(value)) {
        throw expected('a finite number', value)
      }
      return value
    }
  }
}

/** At most `max` bytes (default 1 MiB). */
export function bytes(init: { readonly max?: number } = {}): Shape<Uint8Array> {
  const max = init.max ?? bytesMaxDefault
  return {
    read: (value) => {
      if (!(value instanceof Uint8Array)) {
        throw expected('bytes', value)
      }
      if (value.length > max) {
        throw new Mismatch(`${value.length} bytes, at most ${max} allowed`)
      }
      return value
    }
  }
}

/** `true` or `false`. */
export function boolean(): Shape<boolean> {
  return {
    read: (value) => {
      if (typeof value !== 'boolean') {
        throw expected('a boolean', value)
      }
      return value
    }
  }
}

/** At most `max` values of one shape (default 65,536). */
export function list<T>(
  shape: Shape<T>,
  init: { readonly max?: number } = {}
): Shape<readonly T[]> {
  const max = init.max ?? listMaxDefault
  return {
    read: (value) => {
      if (!Array.isArray(value)) {
        throw expected('a list', value)
      }
      if (value.length > max) {
        throw new Mismatch(`list of ${value.length}, at most ${max} allowed`)
      }
      const result: T[] = []
      // By index, because the holes of a sparse array must not be skipped.
      for (let index = 0; index < value.length; index += 1) {
        result.push(within(shape, value[index], index))
      }
      return result
    }
  }
}

/** At most `max` fields of any name and one shape (default 4096). */
export function record<T>(
  shape: Shape<T>,
  init: { readonly max?: number } = {}
): Shape<Readonly<Record<string, T>>> {
  const max = init.max ?? recordMaxDefault
  return {
    read: (value) => {
      const entries = Object.entries(fieldsOf(value)).filter((entry) => entry[1] !== undefined)
      if (entries.length > max) {
        throw new Mismatch(`record of ${entries.length} fields, at most ${max} allowed`)
      }
      const result: Record<string, T> = {}
      for (const [key, field] of entries) {
        if (forbiddenKeys.has(key)) {
          throw new Mismatch('a field name is forbidden')
        }
        result[key] = within(shape, field, key)
      }
      return result
    }
  }
}

/** A field that may be missing; for `null` use {@link nullable}. Only inside of objects. */
export function optional<T>(shape: Shape<T>): OptionalShape<T> {
  return { read: shape.read, optional: true }
}

/** `null`, or a value of the shape. */
export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return { read: (value) => (value === null ? null : shape.read(value)) }
}

/** One of these texts. */
export function oneOf<const T extends string>(...choices: readonly T[]): Shape<T> {
  return {
    read: (value) => {
      const found = choices.find((choice) => choice === value)
      if (found === undefined) {
        throw new Mismatch(`expected one of ${choices.join(', ')}`)
      }
      return found
    }
  }
}

/** Any value that the codec carries, except nothing at all. */
export function anything(): Shape<unknown> {
  return {
    read: (value) => {
      if (value === undefined) {
        throw expected('a value', value)
      }
      return value
    }
  }
}

/** An object with these fields. Fields that are not named are ignored and dropped. */
export function object<const F extends Fields>(fields: F): Shape<InferFields<F>> {
  const shapes = Object.entries(fields)
  for (const [name] of shapes) {
    if (forbiddenKeys.has(name)) {
      throw new InvalidParametersError(`${name} cannot be the name of a field`)
    }
  }
  return {
    read: (value) => {
      const source = fieldsOf(value)
      const result: Record<string, unknown> = {}
      for (const [name, shape] of shapes) {
        // Own fields only: `toString` of the prototype is no field.
        const field = Object.hasOwn(source, name) ? source[name] : undefined
        if (field === undefined && 'optional' in shape) {
          continue
        }
        result[name] = within(shape, field, name)
      }
      // Each field was read by its own shape, which the type system cannot follow through a loop.
      return result as InferFields<F>
    }
  }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (
    typeof value !== 'object' ||
    value === null ||
    Array.isArray(value) ||
    value instanceof Uint8Array
  ) {
    throw expected('an object', value)
  }
  // Any object may be looked at by field name; what comes out is `unknown` and checked.
  return value as Readonly<Record<string, unknown>>
}
