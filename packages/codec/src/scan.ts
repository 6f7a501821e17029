import { MalformedMessageError } from '@murmuration/interface'
import { bigintBytesMax, bytesMaxDefault, depthMaxDefault, itemsMaxDefault } from './defaults.ts'

/** What one encoded value may cost. */
export interface Limits {
  /** Bytes of the whole frame; default 1,048,576. */
  readonly bytesMax?: number
  /** Levels of lists and objects inside each other; default 32. */
  readonly depthMax?: number
  /** Values in the frame, keys included; default 131,072. */
  readonly itemsMax?: number
}

/** {@link Limits} with every default filled in. */
export type FullLimits = Required<Limits>

/** Field names that would reach the prototype of a plain object. */
export const forbiddenKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

export function fullLimits(limits: Limits = {}): FullLimits {
  return {
    bytesMax: limits.bytesMax ?? bytesMaxDefault,
    depthMax: limits.depthMax ?? depthMaxDefault,
    itemsMax: limits.itemsMax ?? itemsMaxDefault
  }
}

/** What the scan learned besides "it is well formed". */
export interface ScanResult {
  /** Some text begins with U+FEFF, which a `TextDecoder` drops unless it is told not to. */
  readonly byteOrderMark: boolean
}

/** An open list or object: how many values it still expects, and its last key. */
interface Level {
  remaining: number
  readonly map: boolean
  keyStart: number
  keyEnd: number
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Walks over the headers of a frame without recursion and without creating values, and refuses
 * everything that the encoder of this package would not have produced: so equal values have equal
 * bytes, and a hostile frame costs one linear pass at most.
 */
export function scan(data: Uint8Array, limits: FullLimits): ScanResult {
  if (data.length > limits.bytesMax) {
    throw new MalformedMessageError(
      `frame of ${data.length} bytes is over the limit of ${limits.bytesMax}`
    )
  }
  return new Scanner(data, limits).run()
}

/**
 * Whether the encoder writes this finite float, read from `size` bytes, in fewer bytes. Among the
 * subnormal halves it knows only the powers of two; the others are written as singles.
 */
function hasShorterForm(number: number, size: number): boolean {
  if (size === 8) {
    return Math.fround(number) === number
  }
  single[0] = number
  const fraction = (singleBits[0] ?? 0) & 0x7f_ffff
  const magnitude = Math.abs(number)
  if (magnitude < 2 ** -14) {
    return size === 4 && magnitude >= 2 ** -24 && fraction === 0
  }
  // A normal half has ten bits of fraction where a single has 23.
  return size === 4 && magnitude <= 65_504 && (fraction & 0x1fff) === 0
}

/** Whether the encoder writes this float, read from a half, as a single (see above). */
function hasLongerForm(number: number, size: number): boolean {
  single[0] = number
  return size === 2 && Math.abs(number) < 2 ** -14 && ((singleBits[0] ?? 0) & 0x7f_ffff) !== 0
}

const single = new Float32Array(1)
const singleBits = new Uint32Array(single.buffer)

class Scanner {
  readonly #data: Uint8Array
  readonly #view: DataView
  readonly #limits: FullLimits
  readonly #levels: Level[] = []
  #position = 0
  #items = 0
  #byteOrderMark = false

  constructor(data: Uint8Array, limits: FullLimits) {
    this.#data = data
    this.#view = new DataView(data.buffer, data.byteOffset, data.byteLength)
    this.#limits = limits
  }

  run(): ScanResult {
    do {
      const level = this.#levels.at(-1)
      // A map expects keys at even and values at odd distances from its end.
      if (level !== undefined && level.map && level.remaining % 2 === 0) {
        this.#key(level)
      } else {
        this.#value()
      }
      this.#close()
    } while (this.#levels.length > 0)
    if (this.#position !== this.#data.length) {
      this.#refuse(`${this.#data.length - this.#position} bytes after the value`)
    }
    return { byteOrderMark: this.#byteOrderMark }
  }

  /** Counts the value that was just read, and all containers that it completed. */
  #close(): void {
    let level = this.#levels.at(-1)
    while (level !== undefined && level.remaining === 0) {
      this.#levels.pop()
      level = this.#levels.at(-1)
    }
  }

  #value(): void {
    const level = this.#levels.at(-1)
    if (level !== undefined) {
      level.remaining -= 1
    }
    this.#count()
    const first = this.#byte()
    const major = first >> 5
    if (major === 7) {
      this.#simple(first & 31)
      return
    }
    const argument = this.#argument(first & 31)
    switch (major) {
      case 0:
        return
      case 1:
        if (argument === Number.MAX_SAFE_INTEGER) {
          this.#refuse('integer below the safe range')
        }
        return
      case 2:
        this.#skip(argument)
        return
      case 3:
        this.#text(argument)
        return
      case 4:
        this.#open(argument, false)
        return
      case 5:
        this.#open(argument, true)
        return
      default:
        this.#bigint(argument)
    }
  }

  /** Keys are texts in canonical order: shorter ones first, then by bytes. */
  #key(level: Level): void {
    level.remaining -= 1
    this.#count()
    const first = this.#byte()
    if (first >> 5 !== 3) {
      this.#refuse('field name that is no text')
    }
    const length = this.#argument(first & 31)
    const start = this.#position
    this.#text(length)
    const end = this.#position
    if (level.keyStart >= 0) {
      const order = this.#compare(level.keyStart, level.keyEnd, start, end)
      if (order === 0) {
        this.#refuse('duplicate field name')
      }
      if (order > 0) {
        this.#refuse('field names out of canonical order')
      }
    }
    // The forbidden names have these lengths and are ASCII, so a match is exact.
    if ((length === 9 || length === 11) && forbiddenKeys.has(this.#ascii(start, end))) {
      this.#refuse(`forbidden field name ${this.#ascii(start, end)}`)
    }
    level.keyStart = start
    level.keyEnd = end
  }

  #compare(aStart: number, aEnd: number, bStart: number, bEnd: number): number {
    const difference = aEnd - aStart - (bEnd - bStart)
    if (difference !== 0) {
      return difference
    }
    for (let index = 0; index < aEnd - aStart; index += 1) {
      const a = this.#view.getUint8(aStart + index)
      const b = this.#view.getUint8(bStart + index)
      if (a !== b) {
        return a - b
      }
    }
    return 0
  }

  #ascii(start: number, end: number): string {
    return String.fromCharCode(...this.#data.subarray(start, end))
  }

  #open(size: number, map: boolean): void {
    const remaining = map ? size * 2 : size
    // Each value takes at least one byte: a length that the frame cannot hold is refused here.
    if (remaining > this.#data.length - this.#position) {
      this.#refuse('length beyond the end')
    }
    if (this.#levels.length >= this.#limits.depthMax) {
      this.#refuse(`more than ${this.#limits.depthMax} levels`)
    }
    this.#levels.push({ remaining, map, keyStart: -1, keyEnd: -1 })
  }

  #text(length: number): void {
    const start = this.#position
    this.#skip(length)
    for (let index = start; index < this.#position; index += 1) {
      if (this.#view.getUint8(index) >= 0x80) {
        this.#unicode(start)
        return
      }
    }
  }

  #unicode(start: number): void {
    const encoded = this.#data.subarray(start, this.#position)
    try {
      utf8.decode(encoded)
    } catch (cause) {
      throw new MalformedMessageError(`text that is not UTF-8 at byte ${start}`, { cause })
    }
    if (encoded[0] === 0xef && encoded[1] === 0xbb && encoded[2] === 0xbf) {
      this.#byteOrderMark = true
    }
  }

  /** Tags 2 and 3 hold a bigint as big-endian bytes without leading zeros; no other tag is used. */
  #bigint(tag: number): void {
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
    if (length > 0 && this.#data[this.#position] === 0) {
      this.#refuse('bigint with leading zeros')
    }
    this.#skip(length)
  }

  /** false, true, null and finite floats of the shortest form that are no safe integers. */
  #simple(minor: number): void {
    if (minor >= 20 && minor <= 22) {
      return
    }
    const start = this.#position - 1
    const size = minor === 25 ? 2 : minor === 26 ? 4 : minor === 27 ? 8 : 0
    if (size === 0) {
      this.#refuse('simple value that is not supported')
    }
    this.#skip(size)
    const number = this.#float(start + 1, size)
    if (!Number.isFinite(number)) {
      this.#refuse('number that is not finite')
    }
    const canonical = !hasShorterForm(number, size) && !hasLongerForm(number, size)
    if (!canonical || Number.isSafeInteger(number)) {
      this.#refuse('float that is not in its shortest form')
    }
  }

  #float(start: number, size: number): number {
    if (size === 8) {
      return this.#view.getFloat64(start)
    }
    if (size === 4) {
      return this.#view.getFloat32(start)
    }
    // Half precision by hand: `DataView.getFloat16` is younger than the engines we support.
    const half = this.#view.getUint16(start)
    const exponent = (half >> 10) & 31
    const fraction = half & 1023
    const magnitude =
      exponent === 0
        ? fraction * 2 ** -24
        : exponent === 31
          ? Number.POSITIVE_INFINITY
          : (1024 + fraction) * 2 ** (exponent - 25)
    return half >= 0x8000 ? -magnitude : magnitude
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
