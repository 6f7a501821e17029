import { InvalidParametersError, MalformedMessageError } from '@murmuration/interface'

const encoder = new TextEncoder()
// A byte order mark is content here: stripping it would change the text.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Refuses bytes that came from outside. */
export function malformed(what: string, cause?: unknown): never {
  throw new MalformedMessageError(`CRDT bytes: ${what}`, cause === undefined ? {} : { cause })
}

/** A growing buffer that is reused from one encoding to the next. */
export class ByteWriter {
  #bytes = new Uint8Array(256)
  #view = new DataView(this.#bytes.buffer)
  #length = 0
  #max = Infinity

  /** Starts anew; writing more than `bytesMax` throws InvalidParametersError. */
  reset(bytesMax: number): this {
    this.#length = 0
    this.#max = bytesMax
    return this
  }

  get length(): number {
    return this.#length
  }

  #reserve(count: number): void {
    const needed = this.#length + count
    if (needed > this.#max) {
      throw new InvalidParametersError(`would need more than ${this.#max} bytes`)
    }
    if (needed <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }

  byte(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
  }

  /** A non-negative safe integer, 7 bits a byte, low bits first. */
  varint(value: number): void {
    this.#reserve(8)
    let rest = value
    while (rest > 0x7fff_ffff) {
      this.#bytes[this.#length++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    while (rest > 127) {
      this.#bytes[this.#length++] = (rest & 127) | 128
      rest >>>= 7
    }
    this.#bytes[this.#length++] = rest
  }

  /** An integer below 2^52 in size, sign in the lowest bit. */
  signed(value: number): void {
    this.varint(value < 0 ? -value * 2 - 1 : value * 2)
  }

  float(value: number): void {
    this.#reserve(8)
    this.#view.setFloat64(this.#length, value)
    this.#length += 8
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** UTF-8 with its length before it. */
  text(value: string): void {
    const length = value.length
    if (length < 64) {
      // Short ASCII text, by far the most common, is faster by hand.
      this.#reserve(length + 1)
      const bytes = this.#bytes
      const start = this.#length + 1
      let i = 0
      for (; i < length; i++) {
        const code = value.charCodeAt(i)
        if (code > 127) break
        bytes[start + i] = code
      }
      if (i === length) {
        bytes[start - 1] = length
        this.#length = start + length
        return
      }
    }
    const encoded = encoder.encode(value)
    this.varint(encoded.length)
    this.raw(encoded)
  }

  append(other: ByteWriter): void {
    this.raw(other.#bytes.subarray(0, other.#length))
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  /** What was written as text, one character per byte: a key for canonical values. */
  binaryText(): string {
    let text = ''
    for (let i = 0; i < this.#length; i++) text += String.fromCharCode(this.#bytes[i] ?? 0)
    return text
  }
}

/** Reads bytes from outside; every read is checked and throws MalformedMessageError. */
export class ByteReader {
  #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  byte(): number {
    const value = this.#bytes[this.#at]
    if (value === undefined) malformed('ends too early')
    this.#at++
    return value
  }

  varint(max: number): number {
    let value = this.byte()
    if (value > 127) {
      value &= 127
      let scale = 128
      for (;;) {
        const next = this.byte()
        value += (next & 127) * scale
        if (value > max) malformed(`number above ${max}`)
        if (next < 128) {
          if (next === 0) malformed('number is not in shortest form')
          return value
        }
        scale *= 128
      }
    }
    if (value > max) malformed(`number above ${max}`)
    return value
  }

  signed(sizeMax: number): number {
    const value = this.varint(sizeMax * 2)
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** A count of things that take at least one byte each, so it cannot exceed what is left. */
  count(max: number): number {
    const value = this.varint(max)
    if (value > this.remaining) malformed('count exceeds the bytes left')
    return value
  }

  float(): number {
    if (this.remaining < 8) malformed('ends too early')
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#at, 8)
    this.#at += 8
    return view.getFloat64(0)
  }

  raw(length: number): Uint8Array {
    if (length > this.remaining) malformed('ends too early')
    this.#at += length
    return this.#bytes.slice(this.#at - length, this.#at)
  }

  text(bytesMax: number): string {
    const length = this.count(bytesMax)
    const start = this.#at
    const end = start + length
    this.#at = end
    if (length < 64) {
      let text = ''
      let i = start
      for (; i < end; i++) {
        const code = this.#bytes[i] ?? 128
        if (code > 127) break
        text += String.fromCharCode(code)
      }
      if (i === end) return text
    }
    try {
      return decoder.decode(this.#bytes.subarray(start, end))
    } catch (error) {
      return malformed('text is not UTF-8', error)
    }
  }

  end(): void {
    if (this.remaining > 0) malformed('bytes after the end')
  }
}
