/**
 * Canonical, size-limited CBOR for structured values, and typed messages over it.
 *
 * @packageDocumentation
 */
export { decode, encode } from './codec.ts'
export type { DecodeLimits } from './codec.ts'
export type { Limits } from './limits.ts'
export { message } from './message.ts'
export type { Message } from './message.ts'
export {
  anything,
  bigInteger,
  boolean,
  bytes,
  float,
  integer,
  list,
  nullable,
  object,
  oneOf,
  optional,
  record,
  text
} from './shapes.ts'
export type { Fields, Infer, InferFields, OptionalShape, Shape } from './shapes.ts'
