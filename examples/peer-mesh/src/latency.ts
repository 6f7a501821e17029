/** The latest latencies, for quantiles of the last so many calls. */
export class Latencies {
  readonly #samplesMax: number
  readonly #samples: number[] = []
  #next = 0
  count = 0

  constructor(samplesMax: number) {
    this.#samplesMax = samplesMax
  }

  add(ms: number): void {
    this.count++
    this.#samples[this.#next] = ms
    this.#next = (this.#next + 1) % this.#samplesMax
  }

  /** Milliseconds, with three decimals; 0 where there is no sample. */
  quantiles<const T extends readonly number[]>(shares: T): { [K in keyof T]: number } {
    const ordered = this.#samples.toSorted((a, b) => a - b)
    const at = (share: number): number => {
      const index = Math.min(ordered.length - 1, Math.floor(ordered.length * share))
      return Math.round((ordered[index] ?? 0) * 1_000) / 1_000
    }
    return shares.map(at) as { [K in keyof T]: number } // map keeps the length of the tuple
  }
}
