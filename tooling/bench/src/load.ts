/** How fast something answered. Times in microseconds. */
export interface Load {
  readonly calls: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly perSecond: number
  /** Processor time of this process per call, in microseconds. */
  readonly cpu: number
}

/** Calls `call` for `seconds`, with `width` calls under way at any time. */
export async function load(
  call: () => Promise<unknown>,
  width: number,
  seconds: number
): Promise<Load> {
  const times: number[] = []
  const cpuBefore = process.cpuUsage()
  const begun = performance.now()
  const end = begun + seconds * 1_000
  const worker = async (): Promise<void> => {
    for (let from = performance.now(); from < end;) {
      await call()
      const to = performance.now()
      times.push(to - from)
      from = to
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
  const elapsed = performance.now() - begun
  const { user, system } = process.cpuUsage(cpuBefore)
  const sorted = Float64Array.from(times).toSorted()
  const at = (share: number): number => 1_000 * (sorted[Math.floor(share * sorted.length)] ?? 0)
  return {
    calls: times.length,
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    perSecond: (1_000 * times.length) / elapsed,
    cpu: (user + system) / times.length
  }
}

/** The middle of `values`. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2
}
