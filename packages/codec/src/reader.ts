import { MalformedMessageError } from '@murmuration/interface'
import { bigintBytesMax } from './defaults.ts'
import { floatSize, numberOfHalf } from './floats.ts'
import { forbiddenKeys } from './limits.ts'
import type { FullLimits } from './limits.ts'

/** With the mark of byte order kept, which is a character like any other here. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads ASCII in a third of the time of a decoder. Not documented, and missing outside of Node. */
const latin1 = (globalThis as { Buffer?: { prototype: Latin1Reader } }).Buffer?.prototype
  .latin1Slice

interface Latin1Reader {
  readonly latin1Slice?: (this: Uint8Array, start: number, end: number) => string
}

/** Field names of at most this length are remembered. */
const nameLengthMax = 48

/** Field names that were read lately, so that equal ones are one text; a slot for each hash. */
const names: string[] = Array.from({ length: 1024 }, () => '')

/**
 * Reads one value in one pass, and refuses everything that the encoder of this package would not have
 * produced: so equal values have equal bytes. A container costs memory only as its values are read, so
 * that a hostile frame costs one linear pass at most.
 */
export class Reader {
  readonly #data: Uint8Array
  readonly #view: DataView
  readonly #limits: FullLimits
  readonly #shared: boolean
  #position = 0
  #items = 0

  /** @param shared - whether byte strings are views of the frame instead of copies */
  constructor(frame: Uint8Array, limits: FullLimits, shared: boolean) {
    // A plain view, also of a `Buffer`, whose `slice` does not copy.
    this.#data = new Uint8Array(frame.buffer, frame.byteOffset, frame.byteLength)
    this.#view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    this.#limits = limits
    this.#shared = shared
  }

  /** The value that the whole frame is. */
  read(): unknown {
    const { bytesMax } = this.#limits
    const { length } = this.#data
    if (length > bytesMax) {
      throw new MalformedMessageError(`frame of ${length} bytes is over the limit of ${bytesMax}`)
    }
    const value = this.#value(0)
    if (this.#position !== length) {
      this.#refuse(`${length - this.#position} bytes after the value`)
    }
    return value
  }

  #value(depth: number): unknown {
    this.#count()
    const first = this.#byte()
    const major = first >> 5
    if (major === 7) {
      return this.#simple(first & 31)
    }
    const argument = this.#argument(first & 31)
    switch (major) {
      case 0:
        return argument
      case 1:
        return argument === Number.MAX_SAFE_INTEGER
          ? this.#refuse('integer below the safe range')
          : -1 - argument
      case 2:
        return this.#bytes(argument)
      case 3:
        return this.#text(argument)
      case 4:
        return this.#list(argument, depth)
      case 5:
        return this.#object(argument, depth)
      default:
        return this.#bigint(argument)
    }
  }

  #list(size: number, depth: number): unknown[] {
    this.#open(size, depth)
    const list: unknown[] = []
    for (let index = 0; index < size; index += 1) {
      list.push(this.#value(depth + 1))
    }
    return list
  }

  #object(size: number, depth: number): Record<string, unknown> {
    this.#open(size * 2, depth)
    const result: Record<string, unknown> = {}
    let start = -1
    let end = -1
    for (let index = 0; index < size; index += 1) {
      this.#count()
      const first = this.#byte()
      if (first >> 5 !== 3) {
        this.#refuse('field name that is no text')
      }
      const length = this.#argument(first & 31)
      const from = this.#position
      const name = this.#name(length)
      if (start >= 0) {
        this.#checkOrder(start, end, from)
      }
      start = from
      end = this.#position
      // The forbidden names have these lengths.
      if ((length === 9 || length === 11) && forbiddenKeys.has(name)) {
        this.#refuse(`forbidden field name ${name}`)
      }
      result[name] = this.#value(depth + 1)
    }
    return result
  }

  #open(values: number, depth: number): void {
    // Each value takes at least one byte: a length that the frame cannot hold is refused here.
    if (values > this.#data.length - this.#position) {
      this.#refuse('length beyond the end')
    }
    if (depth >= this.#limits.depthMax) {
      this.#refuse(`more than ${this.#limits.depthMax} levels`)
    }
  }

  /** Field names come in canonical order: shorter ones first, then by bytes. */
  #checkOrder(start: number, end: number, from: number): void {
    let order = end - start - (this.#position - from)
    for (let index = 0; order === 0 && start + index < end; index += 1) {
      order = this.#view.getUint8(start + index) - this.#view.getUint8(from + index)
    }
    if (order === 0) {
      this.#refuse('duplicate field name')
    }
    if (order > 0) {
      this.#refuse('field names out of canonical order')
    }
  }

  /** A text that most likely was read before. */
  #name(length: number): string {
    const start = this.#position
    const data = this.#data
    if (length > nameLengthMax || length > data.length - start) {
      return this.#text(length)
    }
    let hash = length
    for (let index = start; index < start + length; index += 1) {
      hash = (hash * 31 + (data[index] ?? 0)) | 0
    }
    const slot = hash & 1023
    const known = names[slot] ?? ''
    if (known.length === length) {
      let at = 0
      while (at < length && known.charCodeAt(at) === data[start + at]) {
        at += 1
      }
      if (at === length) {
        this.#position += length
        return known
      }
    }
    const name = this.#text(length)
    // Only of ASCII are the bytes the characters.
    if (name.length === length) {
      names[slot] = name
    }
    return name
  }

  #text(length: number): string {
    const start = this.#position
    this.#skip(length)
    const data = this.#data
    let isAscii = true
    for (let index = start; isAscii && index < this.#position; index += 1) {
      isAscii = (data[index] ?? 0) < 0x80
    }
    if (isAscii && latin1 !== undefined) {
      return latin1.call(data, start, this.#position)
    }
    try {
      return utf8.decode(data.subarray(start, this.#position))
    } catch (cause) {
      throw new MalformedMessageError(`text that is not UTF-8 at byte ${start}`, { cause })
    }
  }

  #bytes(length: number): Uint8Array {
    const start = this.#position
    this.#skip(length)
    return this.#shared
      ? this.#data.subarray(start, this.#position)
      : this.#data.slice(start, this.#position)
  }

  /** Tags 2 and 3 hold a bigint as big-endian bytes without leading zeros; no other tag is used. */
  #bigint(tag: number): bigint {
    if (tag !== 2 && tag !== 3) {
      this.#refuse('tag that is not supported')
    }
    const first = this.#byte()
    if (first >> 5 !== 2) {
      this.#refuse('bigint without bytes')
    }
    const length = this.#argument(first & 31)
    if (length > bigintBytesMax) {
      this.#refuse(`bigint of more than ${bigintBytesMax} bytes`)
    }
    const start = this.#position
    if (length > 0 && this.#data[start] === 0) {
      this.#refuse('bigint with leading zeros')
    }
    this.#skip(length)
    let hex = '0x0'
    for (const byte of this.#data.subarray(start, this.#position)) {
      hex += byte.toString(16).padStart(2, '0')
    }
    const magnitude = BigInt(hex)
    return tag === 2 ? magnitude : -1n - magnitude
  }

  /** false, true, null and finite floats of the shortest form that are no safe integers. */
  #simple(minor: number): boolean | number | null {
    switch (minor) {
      case 20:
        return false
      case 21:
        return true
      case 22:
        return null
      case 25:
        this.#skip(2)
        return this.#float(numberOfHalf(this.#view.getUint16(this.#position - 2)), 2)
      case 26:
        this.#skip(4)
        return this.#float(this.#view.getFloat32(this.#position - 4), 4)
      case 27:
        this.#skip(8)
        return this.#float(this.#view.getFloat64(this.#position - 8), 8)
      default:
        return this.#refuse('simple value that is not supported')
    }
  }

  #float(number: number, size: number): number {
    if (!Number.isFinite(number)) {
      this.#refuse('number that is not finite')
    }
    if (Number.isSafeInteger(number) || floatSize(number) !== size) {
      this.#refuse('float that is not in its shortest form')
    }
    return number
  }

  /** The number in a header, which must be in its shortest form and safe. */
  #argument(minor: number): number {
    if (minor < 24) {
      return minor
    }
    const start = this.#position
    switch (minor) {
      case 24:
        this.#skip(1)
        return this.#shortest(this.#view.getUint8(start), 24)
      case 25:
        this.#skip(2)
        return this.#shortest(this.#view.getUint16(start), 0x100)
      case 26:
        this.#skip(4)
        return this.#shortest(this.#view.getUint32(start), 0x1_0000)
      case 27: {
        this.#skip(8)
        const high = this.#view.getUint32(start)
        const value = high * 0x1_0000_0000 + this.#view.getUint32(start + 4)
        if (high > 0x1f_ffff) {
          this.#refuse('integer above the safe range')
        }
        return this.#shortest(value, 0x1_0000_0000)
      }
      default:
        return this.#refuse('indefinite length')
    }
  }

  #shortest(value: number, least: number): number {
    return value < least ? this.#refuse('number that is not in its shortest form') : value
  }

  #byte(): number {
    const start = this.#position
    this.#skip(1)
    return this.#view.getUint8(start)
  }

  #skip(length: number): void {
    if (length > this.#data.length - this.#position) {
      this.#refuse('unexpected end')
    }
    this.#position += length
  }

  #count(): void {
    this.#items += 1
    if (this.#items > this.#limits.itemsMax) {
      this.#refuse(`more than ${this.#limits.itemsMax} values`)
    }
  }

  #refuse(what: string): never {
    throw new MalformedMessageError(`${what} at byte ${this.#position}`)
  }
}
