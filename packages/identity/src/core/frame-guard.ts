/** What a {@link FrameGuard} says of bytes: they may pass, and the rest is not looked at; or they are refused. */
export type GuardWord = 'pass' | 'over' | 'refuse'

export interface FrameGuardInit {
  /** Bytes of one frame. */
  readonly bytesMax: number
  /** Frames until it must be over. */
  readonly framesMax: number
  /** Whether this text is the last one that is looked at. */
  readonly isLast: (text: string) => boolean
}

/** Bytes of the length of a frame: what the longest that may pass needs. */
const lengthBytesMax = (bytesMax: number): number => Math.ceil(Math.log2(bytesMax + 1) / 7)

/**
 * Follows frames with their length before them (varint), without keeping more than a short text of
 * each. libp2p's reader takes such a length byte by byte, tries to decode it at each, and does so in one
 * turn of the event loop for as many bytes as there are: a length without an end costs it 8 µs a byte,
 * and so do many small frames. What this refuses must not reach it.
 */
export class FrameGuard {
  readonly #init: FrameGuardInit
  readonly #lengthBytesMax: number
  #lengthBytes = 0
  #length = 0
  /** Bytes of the frame that have not come yet; undefined between two frames. */
  #left: number | undefined
  #frames = 0
  #text: number[] = []
  /** Of the bytes that were taken last, how many belong to frames up to the last one. */
  consumed = 0

  constructor(init: FrameGuardInit) {
    this.#init = init
    this.#lengthBytesMax = lengthBytesMax(init.bytesMax)
  }

  /** To be asked of all that comes, in its order. */
  take(bytes: Uint8Array): GuardWord {
    this.consumed = bytes.length
    for (let at = 0; at < bytes.length;) {
      if (this.#left === undefined) {
        const byte = bytes[at] ?? 0
        at += 1
        if (!this.#takeLength(byte)) return 'refuse'
        continue
      }
      const end = Math.min(bytes.length, at + this.#left)
      if (this.#length <= textBytesMax) this.#text.push(...bytes.subarray(at, end))
      this.#left -= end - at
      at = end
      if (this.#left > 0) continue
      const text = this.#endFrame()
      if (text !== undefined && this.#init.isLast(text)) {
        this.consumed = at
        return 'over'
      }
      if (this.#frames >= this.#init.framesMax) return 'refuse'
    }
    return 'pass'
  }

  /** False where no frame may be that long, or where its length has no end. */
  #takeLength(byte: number): boolean {
    this.#length += (byte & 0x7f) * 2 ** (7 * this.#lengthBytes)
    this.#lengthBytes += 1
    if (byte >= 0x80) return this.#lengthBytes < this.#lengthBytesMax
    this.#left = this.#length
    return this.#length > 0 && this.#length <= this.#init.bytesMax
  }

  /** Its text, as libp2p reads it: without what is white at its end. */
  #endFrame(): string | undefined {
    const isText = this.#length <= textBytesMax
    const text = isText ? String.fromCharCode(...this.#text).trimEnd() : undefined
    this.#frames += 1
    this.#left = undefined
    this.#length = 0
    this.#lengthBytes = 0
    this.#text = []
    return text
  }
}

/** No name of a protocol of ours is longer. */
const textBytesMax = 256
