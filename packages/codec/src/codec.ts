import {
  InvalidParametersError,
  MalformedMessageError,
  MessageTooLargeError
} from '@murmuration/interface'
import {
  decode as decodeCbor,
  encode as encodeCbor,
  objectToTokens,
  Tagged,
  Tokenizer,
  Type
} from 'cborg'
import type { DecodeOptions, EncodeOptions, TagDecodeControl, Token } from 'cborg'
import { bigintBytesMax } from './defaults.ts'
import { forbiddenKeys, fullLimits, scan } from './scan.ts'
import type { FullLimits, Limits } from './scan.ts'

const plainOptions: EncodeOptions = { ignoreUndefinedProperties: true }

/** Slower than {@link plainOptions}, so it is used only where a bigint was seen. */
const bigintOptions: EncodeOptions = {
  ignoreUndefinedProperties: true,
  typeEncoders: {
    // Always tagged, also when it is small: so a bigint comes back as a bigint.
    bigint: (value: bigint, _type, options) =>
      objectToTokens(new Tagged(value < 0n ? 3 : 2, magnitude(value)), options)
  }
}

const decodeOptions: DecodeOptions = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  rejectDuplicateMapKeys: true,
  tags: {
    2: (content) => unsigned(content),
    3: (content) => -1n - unsigned(content)
  }
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
  const checked = new Inspection(fullLimits(limits))
  checked.value(value, 0)
  const bytes = encodeCbor(value, checked.bigint ? bigintOptions : plainOptions)
  if (bytes.length > checked.limits.bytesMax) {
    throw tooLarge(checked.limits)
  }
  return bytes
}

/**
 * Turns bytes of {@link encode} back into a value, with plain objects for maps.
 *
 * Throws `MalformedMessageError` on everything that `encode` does not produce: other orders and
 * lengths, duplicate or forbidden field names (`__proto__`, `constructor`, `prototype`), trailing
 * bytes, broken UTF-8, and on more bytes, levels or values than the limits allow.
 */
export function decode(bytes: Uint8Array, limits?: Limits): unknown {
  if (!(bytes instanceof Uint8Array)) {
    throw new MalformedMessageError('a frame must be a Uint8Array')
  }
  const { byteOrderMark } = scan(bytes, fullLimits(limits))
  const options = byteOrderMark
    ? { ...decodeOptions, tokenizer: new MarkKeepingTokenizer(bytes, decodeOptions) }
    : decodeOptions
  try {
    return decodeCbor(bytes, options)
  } catch (cause) {
    throw new MalformedMessageError('frame does not decode', { cause })
  }
}

/** Checks a value before it is encoded, so that the encoder never meets a surprise or a cycle. */
class Inspection {
  readonly limits: FullLimits
  bigint = false
  #items = 0
  #bytes = 0
  /** The way to the value that is being looked at; read only when something is wrong. */
  readonly #path: (string | number)[] = []

  constructor(limits: FullLimits) {
    this.limits = limits
  }

  value(value: unknown, depth: number): void {
    this.#count(1)
    switch (typeof value) {
      case 'boolean':
        return
      case 'string':
        this.#text(value)
        return
      case 'number':
        if (!Number.isFinite(value)) {
          this.#refuse('a number must be finite')
        }
        return
      case 'bigint':
        this.#bigint(value)
        return
      case 'object':
        this.#object(value, depth)
        return
      case 'undefined':
      case 'function':
      case 'symbol':
        this.#refuse(`a value of type ${typeof value} cannot be encoded`)
    }
  }

  #object(value: object | null, depth: number): void {
    if (value === null) {
      return
    }
    if (value instanceof Uint8Array) {
      this.#count(value.length)
      return
    }
    if (depth >= this.limits.depthMax) {
      this.#refuse(`more than ${this.limits.depthMax} levels (or a cycle)`)
    }
    if (Array.isArray(value)) {
      this.#array(value, depth)
      return
    }
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      this.#refuse('only plain objects can be encoded')
    }
    if (Object.getOwnPropertySymbols(value).length > 0) {
      this.#refuse('an object with symbols cannot be encoded')
    }
    for (const [key, field] of Object.entries(value)) {
      if (field === undefined) {
        continue
      }
      this.#path.push(key)
      if (forbiddenKeys.has(key)) {
        this.#refuse('this field name is forbidden')
      }
      this.#items += 1
      this.#text(key)
      this.value(field, depth + 1)
      this.#path.pop()
    }
  }

  #array(value: readonly unknown[], depth: number): void {
    // By index, because a hole must be refused like `undefined`.
    for (let index = 0; index < value.length; index += 1) {
      this.#path.push(index)
      this.value(value[index], depth + 1)
      this.#path.pop()
    }
  }

  #text(value: string): void {
    if (!value.isWellFormed()) {
      this.#refuse('a text must be well-formed Unicode')
    }
    this.#bytes += value.length
  }

  #bigint(value: bigint): void {
    this.bigint = true
    // Compared first, so that no huge number is ever turned into digits.
    if (BigInt.asIntN(bigintBytesMax * 8, value) !== value) {
      this.#refuse(`a bigint must fit into ${bigintBytesMax} bytes`)
    }
  }

  /** Counts one value of at least so many bytes. */
  #count(bytes: number): void {
    this.#items += 1
    this.#bytes += bytes
    if (this.#bytes > this.limits.bytesMax) {
      throw tooLarge(this.limits)
    }
    if (this.#items > this.limits.itemsMax) {
      this.#refuse(`more than ${this.limits.itemsMax} values`)
    }
  }

  #refuse(what: string): never {
    const place = this.#path.length === 0 ? '' : `${formatPath(this.#path)}: `
    throw new InvalidParametersError(`${place}${what}`)
  }
}

/** `['a', 'b', 3]` as `a.b[3]`. */
export function formatPath(path: readonly (string | number)[]): string {
  let text = ''
  for (const step of path) {
    text += typeof step === 'number' ? `[${step}]` : text === '' ? step : `.${step}`
  }
  return text
}

function tooLarge(limits: FullLimits): MessageTooLargeError {
  return new MessageTooLargeError(`encoded value is over the limit of ${limits.bytesMax} bytes`)
}

/** Big-endian bytes of a bigint, as CBOR tags 2 (`value`) and 3 (`-1 - value`) want them. */
function magnitude(value: bigint): Uint8Array {
  const positive = value < 0n ? -1n - value : value
  if (positive === 0n) {
    return new Uint8Array(0)
  }
  const digits = positive.toString(16)
  const hex = digits.length % 2 === 0 ? digits : `0${digits}`
  const bytes = new Uint8Array(hex.length / 2)
  for (let index = 0; index < bytes.length; index += 1) {
    bytes[index] = Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16)
  }
  return bytes
}

function unsigned(content: TagDecodeControl): bigint {
  const bytes = content()
  if (!(bytes instanceof Uint8Array)) {
    throw new MalformedMessageError('bigint without bytes')
  }
  let hex = '0x0'
  for (const byte of bytes) {
    hex += byte.toString(16).padStart(2, '0')
  }
  return BigInt(hex)
}

/** cborg reads text with a `TextDecoder` that drops a leading U+FEFF; this puts it back. */
class MarkKeepingTokenizer extends Tokenizer {
  override next(): Token {
    const start = this.pos()
    const token = super.next()
    if (Type.equals(token.type, Type.string)) {
      const minor = (this.data[start] ?? 0) & 31
      const header = minor < 24 ? 1 : 1 + 2 ** (minor - 24)
      const at = start + header
      const marked =
        this.pos() - at >= 3 &&
        this.data[at] === 0xef &&
        this.data[at + 1] === 0xbb &&
        this.data[at + 2] === 0xbf
      if (marked) {
        token.value = `\uFEFF${String(token.value)}`
      }
    }
    return token
  }
}
