import { fixed } from '../defaults.ts'
import { frameSize, layoutOf, voidFrame, writeFrame } from './frames.ts'
import type { Frame } from './frames.ts'

interface Chunk {
  readonly bytes: Uint8Array
  /** Position of the first byte of `bytes` in the stream. */
  readonly position: number
}

/**
 * Frames that wait to be sent on one stream, gathered into few large buffers: what is appended in
 * one turn of the event loop leaves as one. It knows what has left, which decides whether a call
 * that fails may have taken effect.
 */
export class Outbox {
  readonly #sealed: Chunk[] = []
  #slab: Uint8Array = new Uint8Array(0)
  #start = 0
  #end = 0
  /** Position in the stream of the first byte that has not left. */
  #sent = 0
  #appended = 0

  /** Bytes that have not left. */
  get queued(): number {
    return this.#appended - this.#sent
  }

  /**
   * Encodes `frame`, with a copy of its payload, behind what is queued.
   *
   * @returns its position, for `hasLeft` and `takeBack`.
   */
  append(frame: Frame): number {
    const parts = layoutOf(frame)
    const size = frameSize(parts)
    if (this.#end + size > this.#slab.length) this.#renew(size)
    const position = this.#appended
    writeFrame(parts, this.#slab, this.#end)
    this.#end += size
    this.#appended += size
    return position
  }

  /** Whether the frame at `position` was handed to the stream. */
  hasLeft(position: number): boolean {
    return position < this.#sent
  }

  /**
   * Makes a queued frame one that the other side ignores.
   *
   * @returns false if it has left already.
   */
  takeBack(position: number): boolean {
    if (this.hasLeft(position)) return false
    for (const chunk of this.#sealed) {
      if (position < chunk.position + chunk.bytes.length) {
        voidFrame(chunk.bytes, position - chunk.position)
        return true
      }
    }
    voidFrame(this.#slab, this.#end - (this.#appended - position))
    return true
  }

  /** The bytes to send next, if any. They count as queued until `left` is called. */
  peek(): Uint8Array | undefined {
    if (this.#sealed.length === 0) this.#seal()
    return this.#sealed[0]?.bytes
  }

  /** The bytes that `peek` returned were handed to the stream. */
  left(): void {
    this.#sent += this.#sealed.shift()?.bytes.length ?? 0
  }

  #seal(): void {
    if (this.#end === this.#start) return
    const bytes = this.#slab.subarray(this.#start, this.#end)
    this.#sealed.push({ bytes, position: this.#appended - bytes.length })
    this.#start = this.#end
  }

  #renew(size: number): void {
    this.#seal()
    // Buffers are never used twice: the stream below may hold them until the kernel took them.
    this.#slab = new Uint8Array(Math.max(size, fixed.slabBytes))
    this.#start = 0
    this.#end = 0
  }
}
