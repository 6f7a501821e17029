import { MalformedMessageError } from '@murmuration/interface'
import { fullLimits } from './limits.ts'
import type { Limits } from './limits.ts'
import { Reader } from './reader.ts'
import { Writer } from './writer.ts'

/** {@link Limits}, and how byte strings are given back. */
export interface DecodeLimits extends Limits {
  /**
   * Whether byte strings are views of the frame instead of copies: for frames that nobody writes to
   * any more, and values that are not kept for longer than the frame. @default false
   */
  readonly views?: boolean
}

/**
 * Turns a value into canonical CBOR: equal values give equal bytes, whatever the order of fields.
 *
 * Takes null, booleans, finite numbers, bigints (to 4096 bytes), well-formed strings, Uint8Array,
 * arrays and plain objects. Fields that are `undefined` are left out; `-0` becomes `0`. Anything
 * else, also `undefined` elsewhere, throws `InvalidParametersError` that names the place. A result
 * that {@link decode} would refuse under the same limits is never made: too many bytes throw
 * `MessageTooLargeError`, too many values or levels `InvalidParametersError`.
 */
export function encode(value: unknown, limits?: Limits): Uint8Array {
  return new Writer(fullLimits(limits)).write(value)
}

/**
 * Turns bytes of {@link encode} back into a value, with plain objects for maps.
 *
 * Throws `MalformedMessageError` on everything that `encode` does not produce: other orders and
 * lengths, duplicate or forbidden field names (`__proto__`, `constructor`, `prototype`), trailing
 * bytes, broken UTF-8, and on more bytes, levels or values than the limits allow.
 */
export function decode(bytes: Uint8Array, limits?: DecodeLimits): unknown {
  if (!(bytes instanceof Uint8Array)) {
    throw new MalformedMessageError('a frame must be a Uint8Array')
  }
  return new Reader(bytes, fullLimits(limits), limits?.views === true).read()
}
