import { decode, encode } from '@murmuration/codec'
import { SchemaError } from '@murmuration/interface'

/**
 * A value as it would arrive on another peer: a copy, and the same refusals. Without this, an agent
 * would behave in one way where its caller is, and in another one elsewhere.
 *
 * @throws InvalidParametersError for what cannot travel
 */
export function carried(value: unknown): unknown {
  switch (typeof value) {
    case 'undefined':
    case 'boolean':
    case 'bigint':
      return value
    case 'string':
      if (value.isWellFormed()) return value
      break
    case 'number':
      if (Number.isFinite(value) && !Object.is(value, -0)) return value
      break
    default:
      if (value === null) return value
  }
  return decode(encode(value))
}

/** The same for an output. @throws SchemaError */
export function carriedOutput(output: unknown): unknown {
  try {
    return carried(output)
  } catch (cause) {
    throw new SchemaError(`the output cannot be sent: ${String(cause)}`, { cause })
  }
}
