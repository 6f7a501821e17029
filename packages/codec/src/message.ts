import { InvalidParametersError, MalformedMessageError } from '@murmuration/interface'
import { decode, encode } from './codec.ts'
import type { DecodeLimits } from './codec.ts'
import { Mismatch, object } from './shapes.ts'
import type { Fields, InferFields, Shape } from './shapes.ts'
import { formatPath } from './writer.ts'

/** A typed message: its shape, and how it becomes bytes. Made by {@link message}. */
export interface Message<T> extends Shape<T> {
  /** Throws `InvalidParametersError` that names the field, or `MessageTooLargeError`. */
  encode(value: T): Uint8Array
  /** Throws `MalformedMessageError` that names the field. */
  decode(bytes: Uint8Array): T
  /** Checks a value that was decoded elsewhere, such as a part of another message. */
  parse(value: unknown): T
}

/**
 * A typed message of named fields. Unknown fields are ignored on both ways, so that adjacent
 * versions can talk: new fields must be `optional(...)`.
 *
 * @example
 * ```ts
 * const Ping = message({ from: text({ max: 128 }), sequence: integer({ min: 0 }) })
 * type Ping = Infer<typeof Ping>
 * const ping: Ping = Ping.decode(Ping.encode({ from: 'a', sequence: 1 }))
 * ```
 */
export function message<const F extends Fields>(
  fields: F,
  limits?: DecodeLimits
): Message<InferFields<F>> {
  const { read } = object(fields)
  const parse = (value: unknown): InferFields<F> => {
    try {
      return read(value)
    } catch (error) {
      if (error instanceof Mismatch) {
        throw new MalformedMessageError(explain(error))
      }
      throw error
    }
  }
  return {
    read,
    parse,
    encode: (value) => {
      try {
        return encode(read(value), limits)
      } catch (error) {
        if (error instanceof Mismatch) {
          throw new InvalidParametersError(explain(error))
        }
        throw error
      }
    },
    decode: (bytes) => parse(decode(bytes, limits))
  }
}

/** Cut off, because names of fields may come from another peer. */
function explain(mismatch: Mismatch): string {
  const place = formatPath(mismatch.path)
  return place === '' ? mismatch.message : `${place.slice(0, 200)}: ${mismatch.message}`
}
