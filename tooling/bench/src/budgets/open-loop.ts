/** Latencies of operations that were begun on a timetable, in milliseconds. */
export interface OpenLoop {
  readonly count: number
  readonly failed: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

/**
 * Begins an operation each `1 / perSecond` seconds whether or not earlier ones have ended, and measures
 * from the moment it was due, not from when it was begun: a stall shows in every operation that it
 * delays (no coordinated omission).
 */
export async function openLoop(
  operation: (index: number) => Promise<unknown>,
  perSecond: number,
  seconds: number
): Promise<OpenLoop> {
  const total = Math.round(perSecond * seconds)
  const begun = performance.now()
  const times: number[] = []
  const running: Promise<void>[] = []
  let failed = 0
  for (let index = 0; index < total; index++) {
    const due = begun + (index * 1_000) / perSecond
    await untilDue(due)
    running.push(
      operation(index).then(
        () => void times.push(performance.now() - due),
        () => void failed++
      )
    )
  }
  await Promise.all(running)
  const sorted = Float64Array.from(times).toSorted()
  const at = (share: number): number => sorted[Math.floor(share * sorted.length)] ?? Number.NaN
  return { count: times.length, failed, p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

/** Timers are up to a millisecond late, which would count as latency: the end of a wait is spun. */
async function untilDue(due: number): Promise<void> {
  const early = due - performance.now() - 2
  if (early > 0) await new Promise((resolve) => setTimeout(resolve, early))
  while (performance.now() < due) await new Promise((resolve) => setImmediate(resolve))
}
