import { MalformedMessageError } from '@murmuration/interface'
import { fixed } from '../defaults.ts'
import { decodeFrame } from './frames.ts'
import type { Frame } from './frames.ts'

export interface FrameReaderInit {
  /** Longest body of a frame that is accepted, in bytes. */
  readonly frameBytesMax: number
  /** Called for each frame, in order. What it throws stops the reader. */
  onFrame(frame: Frame): void
}

/** A length up to 2^35: more bytes than that are never needed for a frame. */
const lengthBytesMax = 5

/**
 * Cuts the bytes of a stream into frames. Keeps at most one partial frame, and of that only what has
 * arrived, so that a peer cannot make this one reserve memory by announcing long frames.
 */
export class FrameReader {
  readonly #init: FrameReaderInit
  #partial: Uint8Array = new Uint8Array(0)
  #partialLength = 0

  constructor(init: FrameReaderInit) {
    this.#init = init
  }

  /** Bytes that wait for the rest of their frame. */
  get buffered(): number {
    return this.#partialLength
  }

  /**
   * Takes the next bytes of the stream.
   *
   * @throws MalformedMessageError if they are no frames, or a frame is over the limit. The stream is
   * of no use then.
   */
  push(data: Uint8Array): void {
    // Payloads are slices of this view: plain ones, also if the bytes come as a Buffer.
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    let at = 0
    while (this.#partialLength > 0 && at < bytes.length) at = this.#complete(bytes, at)
    while (at < bytes.length) {
      const head = this.#head(bytes, at, bytes.length)
      const end = head === undefined ? Number.POSITIVE_INFINITY : head.start + head.length
      if (head === undefined || end > bytes.length) {
        this.#keep(bytes, at, bytes.length)
        return
      }
      at = end
      this.#decode(bytes, head.start, end)
    }
  }

  /** Adds to the partial frame what it lacks, and hands it on once it is whole. */
  #complete(bytes: Uint8Array, at: number): number {
    const head = this.#head(this.#partial, 0, this.#partialLength)
    // While the length itself is cut off, one byte at a time is enough: it has at most five.
    const lacks = head === undefined ? 1 : head.start + head.length - this.#partialLength
    const end = Math.min(at + lacks, bytes.length)
    this.#keep(bytes, at, end)
    const grown = head ?? this.#head(this.#partial, 0, this.#partialLength)
    if (grown === undefined || grown.start + grown.length > this.#partialLength) return end
    const partial = this.#partial
    this.#partialLength = 0
    // One long message must not cost its memory for as long as the stream lives.
    if (partial.length > fixed.slabBytes) this.#partial = new Uint8Array(0)
    this.#decode(partial, grown.start, grown.start + grown.length)
    return end
  }

  #decode(bytes: Uint8Array, start: number, end: number): void {
    const frame = decodeFrame(bytes, start, end)
    // A type that is not known is ignored: a later version of the protocol may send it.
    if (frame !== undefined) this.#init.onFrame(frame)
  }

  #head(bytes: Uint8Array, at: number, end: number): { start: number; length: number } | undefined {
    let length = 0
    let scale = 1
    for (let index = 0; index < lengthBytesMax; index++) {
      if (at + index >= end) return undefined
      const byte = bytes[at + index] ?? 0
      length += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (length > this.#init.frameBytesMax) break
        return { start: at + index + 1, length }
      }
      scale *= 0x80
    }
    throw new MalformedMessageError(
      `A frame is longer than the limit of ${this.#init.frameBytesMax} bytes`
    )
  }

  #keep(bytes: Uint8Array, start: number, end: number): void {
    const length = this.#partialLength + end - start
    if (length > this.#partial.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.#partial.length))
      grown.set(this.#partial.subarray(0, this.#partialLength))
      this.#partial = grown
    }
    this.#partial.set(bytes.subarray(start, end), this.#partialLength)
    this.#partialLength = length
  }
}
