import { InvalidParametersError } from '@murmuration/interface'
import { limits } from '../defaults.ts'
import { ByteReader, ByteWriter, malformed } from './bytes.ts'

/*
 * One byte says what follows; 0x80 and above are the integers 0 to 127 themselves. Every value has
 * exactly one encoding: integers never travel as floats, keys of objects are sorted.
 */
const NULL = 0
const FALSE = 1
const TRUE = 2
const INTEGER = 3
const NEGATIVE = 4
const FLOAT = 5
const BIGINT = 6
const NEGATIVE_BIGINT = 7
const TEXT = 8
const BYTES = 9
const ARRAY = 10
const OBJECT = 11

/** Keys that would reach into the prototype of a plain object. */
export const forbiddenKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

const scratch = new ByteWriter()

function invalid(what: string): never {
  throw new InvalidParametersError(what)
}

/** Writes a value; InvalidParametersError for what has no encoding. */
export function encodeValue(writer: ByteWriter, value: unknown, depth = 0): void {
  switch (typeof value) {
    case 'number':
      encodeNumber(writer, value)
      return
    case 'string':
      if (!value.isWellFormed()) invalid('text has a lone surrogate')
      writer.byte(TEXT)
      writer.text(value)
      return
    case 'boolean':
      writer.byte(value ? TRUE : FALSE)
      return
    case 'bigint':
      encodeBigint(writer, value)
      return
    case 'object':
      encodeComposite(writer, value, depth)
      return
    case 'undefined':
    case 'function':
    case 'symbol':
      invalid(`a ${typeof value} is not a value`)
  }
}

function encodeNumber(writer: ByteWriter, value: number): void {
  if (Number.isSafeInteger(value)) {
    if (value >= 0 && value < 128) writer.byte(128 + value)
    else if (value > 0) {
      writer.byte(INTEGER)
      writer.varint(value)
    } else {
      writer.byte(NEGATIVE)
      writer.varint(-1 - value)
    }
    return
  }
  if (!Number.isFinite(value)) invalid(`${value} is not a value`)
  writer.byte(FLOAT)
  writer.float(value)
}

function encodeBigint(writer: ByteWriter, value: bigint): void {
  const negative = value < 0n
  const digits = (negative ? -value : value).toString(16)
  const length = (digits.length + 1) >> 1
  if (length > limits.bigintBytesMax) invalid(`bigint over ${limits.bigintBytesMax} bytes`)
  writer.byte(negative ? NEGATIVE_BIGINT : BIGINT)
  writer.varint(length)
  const padded = digits.padStart(length * 2, '0')
  for (let i = 0; i < length; i++) writer.byte(Number.parseInt(padded.slice(i * 2, i * 2 + 2), 16))
}

function encodeComposite(writer: ByteWriter, value: object | null, depth: number): void {
  if (value === null) {
    writer.byte(NULL)
    return
  }
  if (depth >= limits.valueDepthMax) invalid(`value nested deeper than ${limits.valueDepthMax}`)
  if (value instanceof Uint8Array) {
    writer.byte(BYTES)
    writer.varint(value.length)
    writer.raw(value)
    return
  }
  if (Array.isArray(value)) {
    writer.byte(ARRAY)
    writer.varint(value.length)
    for (const item of value) encodeValue(writer, item, depth + 1)
    return
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) invalid('only plain objects are values')
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  entries.sort(([a], [b]) => (a < b ? -1 : 1))
  writer.byte(OBJECT)
  writer.varint(entries.length)
  for (const [key, item] of entries) {
    if (forbiddenKeys.has(key) || !key.isWellFormed()) invalid(`key ${key} is not allowed`)
    writer.text(key)
    encodeValue(writer, item, depth + 1)
  }
}

/** Reads one value; MalformedMessageError for anything odd. */
export function decodeValue(reader: ByteReader, depth = 0): unknown {
  const kind = reader.byte()
  if (kind > 127) return kind - 128
  switch (kind) {
    case NULL:
      return null
    case FALSE:
      return false
    case TRUE:
      return true
    case INTEGER:
      return reader.varint(Number.MAX_SAFE_INTEGER)
    case NEGATIVE:
      return -1 - reader.varint(Number.MAX_SAFE_INTEGER - 1)
    case FLOAT: {
      const value = reader.float()
      if (!Number.isFinite(value)) malformed('number is not finite')
      return value
    }
    case BIGINT:
    case NEGATIVE_BIGINT:
      return decodeBigint(reader, kind === NEGATIVE_BIGINT)
    case TEXT:
      return reader.text(limits.valueBytesMax)
    case BYTES:
      return reader.raw(reader.count(limits.valueBytesMax))
    case ARRAY:
    case OBJECT:
      if (depth >= limits.valueDepthMax) malformed('value is nested too deeply')
      return kind === ARRAY ? decodeArray(reader, depth) : decodeObject(reader, depth)
    default:
      return malformed(`unknown kind of value ${kind}`)
  }
}

function decodeBigint(reader: ByteReader, negative: boolean): bigint {
  const bytes = reader.raw(reader.count(limits.bigintBytesMax))
  let digits = '0x0'
  for (const byte of bytes) digits += byte.toString(16).padStart(2, '0')
  const size = BigInt(digits)
  return negative ? -size : size
}

function decodeArray(reader: ByteReader, depth: number): unknown[] {
  const items: unknown[] = []
  for (let left = reader.count(limits.valueBytesMax); left > 0; left--) {
    items.push(decodeValue(reader, depth + 1))
  }
  return items
}

function decodeObject(reader: ByteReader, depth: number): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  let last: string | undefined
  for (let left = reader.count(limits.valueBytesMax); left > 0; left--) {
    const key = reader.text(limits.valueBytesMax)
    if (last !== undefined && key <= last) malformed('keys are not in order')
    if (forbiddenKeys.has(key)) malformed(`key ${key} is not allowed`)
    last = key
    result[key] = decodeValue(reader, depth + 1)
  }
  return result
}

/**
 * Checks a value from a caller and returns what will be stored: primitives as they are, a copy of
 * all else, so that later changes by the caller stay outside.
 */
export function normalize(value: unknown): unknown {
  if (typeof value === 'number' && Number.isFinite(value)) return value === 0 ? 0 : value
  if (value === null || typeof value === 'boolean') return value
  scratch.reset(limits.valueBytesMax)
  encodeValue(scratch, value)
  return typeof value === 'object' ? decodeValue(new ByteReader(scratch.finish())) : value
}

/** Whether a value that was normalized is small enough to be stored. */
export function fits(value: unknown): boolean {
  scratch.reset(Infinity)
  encodeValue(scratch, value)
  return scratch.length <= limits.valueBytesMax
}

/** A copy of a stored value for a caller, who may change it. */
export function copyValue(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return value.slice()
  if (Array.isArray(value)) return value.map(copyValue)
  const copy: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) copy[key] = copyValue(item)
  return copy
}

/** Text that is equal for two values exactly if their canonical bytes are equal. */
export function valueKey(value: unknown): string {
  if (typeof value === 'string') return `"${value}`
  scratch.reset(Infinity)
  encodeValue(scratch, value)
  return scratch.binaryText()
}
