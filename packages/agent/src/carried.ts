import { decode, encode } from '@murmuration/codec'
import { SchemaError } from '@murmuration/interface'

/**
 * A value as it would arrive on another peer: a copy, and the same refusals. Without this, an agent
 * would behave in one way where its caller is, and in another one elsewhere.
 *
 * @throws InvalidParametersError for what cannot travel
 */
export function carried(value: unknown): unknown {
  const isPlain =
    value === null ||
    value === undefined ||
    typeof value === 'boolean' ||
    typeof value === 'bigint' ||
    (typeof value === 'number' && Number.isFinite(value) && !Object.is(value, -0)) ||
    (typeof value === 'string' && value.isWellFormed())
  if (isPlain) return value
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
