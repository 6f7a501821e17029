import { InvalidParametersError, MessageTooLargeError } from '@murmuration/interface'
import { bigintBytesMax } from './defaults.ts'
import { floatSize, halfBits } from './floats.ts'
import { forbiddenKeys } from './limits.ts'
import type { FullLimits } from './limits.ts'

const utf8 = new TextEncoder()

/** Up to this length text is written by hand as long as it is ASCII. */
const shortTextMax = 48

/** What is kept for the next frame. Unit: bytes. */
const scratchBytesMax = 262_144

/** Field names as they are written. One that is longer, or one more than these, is encoded anew. */
const nameLengthMax = 48
const namesMax = 4096
const names = new Map<string, Uint8Array>()

/** Where frames are made; undefined while one is, as a getter may encode another value. */
let scratch: Uint8Array | undefined

/** Checks a value and writes it in the same pass, so that it is read only once. */
export class Writer {
  readonly #limits: FullLimits
  #bytes: Uint8Array
  #view: DataView
  #position = 0
  #items = 0
  /** The way to the value that is being looked at, as deep as that is; read only if it is wrong. */
  readonly #path: (string | number)[] = []

  constructor(limits: FullLimits) {
    this.#limits = limits
    this.#bytes = scratch ?? new Uint8Array(4096)
    scratch = undefined
    this.#view = viewOf(this.#bytes)
  }

  write(value: unknown): Uint8Array {
    this.#value(value, 0)
    this.#room(0)
    const frame = this.#bytes.slice(0, this.#position)
    if (this.#bytes.length <= scratchBytesMax) {
      scratch = this.#bytes
    }
    return frame
  }

  #value(value: unknown, depth: number): void {
    this.#items += 1
    if (this.#items > this.#limits.itemsMax) {
      this.#refuse(`more than ${this.#limits.itemsMax} values`, depth)
    }
    switch (typeof value) {
      case 'boolean':
        this.#room(1)
        this.#bytes[this.#position++] = value ? 0xf5 : 0xf4
        return
      case 'string':
        this.#text(value, depth)
        return
      case 'number':
        this.#number(value, depth)
        return
      case 'bigint':
        this.#bigint(value, depth)
        return
      case 'object':
        this.#object(value, depth)
        return
      case 'undefined':
      case 'function':
      case 'symbol':
        this.#refuse(`a value of type ${typeof value} cannot be encoded`, depth)
    }
  }

  #object(value: object | null, depth: number): void {
    if (value === null) {
      this.#room(1)
      this.#bytes[this.#position++] = 0xf6
      return
    }
    if (value instanceof Uint8Array) {
      this.#header(0x40, value.length)
      this.#raw(value)
      return
    }
    if (depth >= this.#limits.depthMax) {
      this.#refuse(`more than ${this.#limits.depthMax} levels (or a cycle)`, depth)
    }
    if (Array.isArray(value)) {
      this.#header(0x80, value.length)
      // By index, because a hole must be refused like `undefined`.
      for (let index = 0; index < value.length; index += 1) {
        this.#path[depth] = index
        this.#value(value[index], depth + 1)
      }
      return
    }
    const prototype: unknown = Object.getPrototypeOf(value)
    if (
      prototype !== Object.prototype &&
      prototype !== null &&
      Object.getPrototypeOf(prototype) !== null
    ) {
      this.#refuse('only plain objects can be encoded', depth)
    }
    if (Object.getOwnPropertySymbols(value).length > 0) {
      this.#refuse('an object with symbols cannot be encoded', depth)
    }
    this.#fields(Object.entries(value), depth)
  }

  #fields(all: readonly (readonly [string, unknown])[], depth: number): void {
    const fields: Field[] = []
    let isSorted = true
    for (const [name, value] of all) {
      if (value === undefined) {
        continue
      }
      const encoded = this.#name(name, depth)
      const last = fields.at(-1)
      isSorted &&= last === undefined || compare(last.encoded, encoded) < 0
      fields.push({ name, encoded, value })
    }
    if (!isSorted) {
      fields.sort((a, b) => compare(a.encoded, b.encoded))
    }
    this.#header(0xa0, fields.length)
    for (const { encoded, name, value } of fields) {
      this.#items += 1
      this.#path[depth] = name
      this.#raw(encoded)
      this.#value(value, depth + 1)
    }
  }

  /** A field name with its header. */
  #name(name: string, depth: number): Uint8Array {
    const known = names.get(name)
    if (known !== undefined) {
      return known
    }
    this.#path[depth] = name
    if (forbiddenKeys.has(name)) {
      this.#refuse('this field name is forbidden', depth + 1)
    }
    const start = this.#position
    this.#text(name, depth + 1)
    const encoded = this.#bytes.slice(start, this.#position)
    this.#position = start
    if (name.length <= nameLengthMax && names.size < namesMax) {
      names.set(name, encoded)
    }
    return encoded
  }

  #text(value: string, depth: number): void {
    const { length } = value
    this.#room(length + 1)
    if (length <= shortTextMax && this.#ascii(value)) {
      return
    }
    if (!value.isWellFormed()) {
      this.#refuse('a text must be well-formed Unicode', depth)
    }
    // A character takes at most three bytes per UTF-16 unit; where the header ends is known only then.
    this.#grow(3 * length + 9)
    const start = this.#position + 9
    const { written } = utf8.encodeInto(value, this.#bytes.subarray(start))
    this.#header(0x60, written)
    this.#room(written)
    this.#bytes.copyWithin(this.#position, start, start + written)
    this.#position += written
  }

  /** Writes a short text if it is ASCII; else nothing, and says so. */
  #ascii(value: string): boolean {
    const { length } = value
    const bytes = this.#bytes
    let at = this.#position
    if (length < 24) {
      bytes[at++] = 0x60 | length
    } else {
      bytes[at++] = 0x78
      bytes[at++] = length
    }
    for (let index = 0; index < length; index += 1) {
      const code = value.charCodeAt(index)
      if (code >= 0x80) {
        return false
      }
      bytes[at++] = code
    }
    this.#position = at
    return true
  }

  #number(value: number, depth: number): void {
    if (Number.isSafeInteger(value)) {
      if (value >= 0) {
        this.#header(0x00, value)
      } else {
        this.#header(0x20, -1 - value)
      }
      return
    }
    if (!Number.isFinite(value)) {
      this.#refuse('a number must be finite', depth)
    }
    this.#grow(9)
    const at = this.#position
    const size = floatSize(value)
    this.#bytes[at] = size === 2 ? 0xf9 : size === 4 ? 0xfa : 0xfb
    if (size === 2) {
      this.#view.setUint16(at + 1, halfBits(value))
    } else if (size === 4) {
      this.#view.setFloat32(at + 1, value)
    } else {
      this.#view.setFloat64(at + 1, value)
    }
    this.#position = at + 1 + size
  }

  /** Always tagged, also when it is small: so a bigint comes back as a bigint. */
  #bigint(value: bigint, depth: number): void {
    // Compared first, so that no huge number is ever turned into digits.
    if (BigInt.asIntN(bigintBytesMax * 8, value) !== value) {
      this.#refuse(`a bigint must fit into ${bigintBytesMax} bytes`, depth)
    }
    const bytes = magnitude(value)
    this.#header(0xc0, value < 0n ? 3 : 2)
    this.#header(0x40, bytes.length)
    this.#raw(bytes)
  }

  #raw(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#position)
    this.#position += bytes.length
  }

  /** A type and a number in the fewest bytes. */
  #header(major: number, argument: number): void {
    this.#room(1)
    const at = this.#position
    if (argument < 24) {
      this.#bytes[at] = major | argument
      this.#position = at + 1
    } else if (argument < 0x100) {
      this.#bytes[at] = major | 24
      this.#bytes[at + 1] = argument
      this.#position = at + 2
    } else if (argument < 0x1_0000) {
      this.#bytes[at] = major | 25
      this.#view.setUint16(at + 1, argument)
      this.#position = at + 3
    } else if (argument < 0x1_0000_0000) {
      this.#bytes[at] = major | 26
      this.#view.setUint32(at + 1, argument)
      this.#position = at + 5
    } else {
      this.#bytes[at] = major | 27
      this.#view.setUint32(at + 1, Math.floor(argument / 0x1_0000_0000))
      this.#view.setUint32(at + 5, argument % 0x1_0000_0000)
      this.#position = at + 9
    }
  }

  /** Throws where so many bytes more are too many; else there is space for a header besides them. */
  #room(bytes: number): void {
    if (this.#position + bytes > this.#limits.bytesMax) {
      const { bytesMax } = this.#limits
      throw new MessageTooLargeError(`encoded value is over the limit of ${bytesMax} bytes`)
    }
    this.#grow(bytes + 9)
  }

  #grow(bytes: number): void {
    const needed = this.#position + bytes
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length))
      grown.set(this.#bytes.subarray(0, this.#position))
      this.#bytes = grown
      this.#view = viewOf(grown)
    }
  }

  #refuse(what: string, depth: number): never {
    const path = this.#path.slice(0, depth)
    const place = path.length === 0 ? '' : `${formatPath(path)}: `
    throw new InvalidParametersError(`${place}${what}`)
  }
}

interface Field {
  readonly name: string
  readonly encoded: Uint8Array
  readonly value: unknown
}

/** Canonical order: shorter ones first, then by bytes. */
function compare(a: Uint8Array, b: Uint8Array): number {
  let order = a.length - b.length
  for (let index = 0; order === 0 && index < a.length; index += 1) {
    order = (a[index] ?? 0) - (b[index] ?? 0)
  }
  return order
}

/** `['a', 'b', 3]` as `a.b[3]`. */
export function formatPath(path: readonly (string | number)[]): string {
  let text = ''
  for (const step of path) {
    text += typeof step === 'number' ? `[${step}]` : text === '' ? step : `.${step}`
  }
  return text
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

function viewOf({ buffer, byteLength, byteOffset }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}
