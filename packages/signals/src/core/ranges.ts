/** A run of sequence numbers, both ends included. */
export interface Range {
  readonly from: number
  readonly to: number
}

/** A set of whole numbers, kept as rising ranges that do not touch. */
export class Ranges {
  #ranges: Range[]

  constructor(ranges: readonly Range[] = []) {
    this.#ranges = []
    for (const { from, to } of ranges) {
      this.add(from, to)
    }
  }

  get count(): number {
    return this.#ranges.length
  }

  list(): readonly Range[] {
    return this.#ranges
  }

  has(number: number): boolean {
    return this.#find(number) !== undefined
  }

  covers(from: number, to: number): boolean {
    const range = this.#find(from)
    return range !== undefined && range.to >= to
  }

  /** The lowest number from there on that is not in the set. */
  nextMissing(from: number): number {
    const range = this.#find(from)
    return range === undefined ? from : range.to + 1
  }

  /** The lowest number from there on that is in the set. */
  nextPresent(from: number): number | undefined {
    const range = this.#ranges[this.#index(from)]
    return range === undefined ? undefined : Math.max(from, range.from)
  }

  add(from: number, to: number): void {
    const last = this.#ranges.at(-1)
    // Sequences nearly always rise.
    if (last === undefined || from > last.to + 1) {
      this.#ranges.push({ from, to })
      return
    }
    const start = this.#index(from - 1)
    let end = start
    let low = from
    let high = to
    for (;;) {
      const range = this.#ranges[end]
      if (range === undefined || range.from > to + 1) {
        break
      }
      low = Math.min(low, range.from)
      high = Math.max(high, range.to)
      end += 1
    }
    this.#ranges.splice(start, end - start, { from: low, to: high })
  }

  addAll(other: readonly Range[]): void {
    for (const { from, to } of other) {
      this.add(from, to)
    }
  }

  remove(from: number, to: number): void {
    this.#ranges = this.#ranges.flatMap((range) =>
      range.to < from || range.from > to
        ? [range]
        : [
            { from: range.from, to: from - 1 },
            { from: to + 1, to: range.to }
          ].filter((part) => part.from <= part.to)
    )
  }

  /** What of a run is not in the set. */
  holes(from: number, to: number): Range[] {
    const holes: Range[] = []
    let next = from
    for (let at = this.#index(from); next <= to; at += 1) {
      const range = this.#ranges[at]
      const end = range === undefined ? to : Math.min(to, range.from - 1)
      if (end >= next) {
        holes.push({ from: next, to: end })
      }
      next = range === undefined ? to + 1 : range.to + 1
    }
    return holes
  }

  /** Index of the first range that ends at or after the number. */
  #index(number: number): number {
    let low = 0
    let high = this.#ranges.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#ranges[middle]?.to ?? Infinity) < number) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }

  #find(number: number): Range | undefined {
    const range = this.#ranges[this.#index(number)]
    return range !== undefined && range.from <= number ? range : undefined
  }
}
