/** Where a block of a table file is. */
export interface Handle {
  readonly offset: number
  readonly size: number
}

/** Reads the numbers of variable length in LevelDB's files. */
export class VarintReader {
  position: number
  readonly #file: Uint8Array
  readonly #end: number

  constructor(file: Uint8Array, position: number, end: number) {
    this.#file = file
    this.position = position
    this.#end = end
  }

  /** Seven bits per byte, the lowest first; undefined at the end or beyond the safe range. */
  varint(): number | undefined {
    let value = 0
    for (let factor = 1; factor < 2 ** 49 && this.position < this.#end; factor *= 128) {
      const byte = this.#file[this.position] ?? 0
      this.position += 1
      value += (byte & 127) * factor
      if (byte < 128) {
        return value
      }
    }
    return undefined
  }

  handle(): Handle | undefined {
    const offset = this.varint()
    const size = this.varint()
    return offset === undefined || size === undefined ? undefined : { offset, size }
  }
}
