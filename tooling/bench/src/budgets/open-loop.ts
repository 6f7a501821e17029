import { ExactTimer, isDue, monotonicMs } from './exact-timer.ts'

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
  const times: number[] = []
  const running: Promise<void>[] = []
  let failed = 0
  const begin = (index: number, dueMs: number): void =>
    void running.push(
      operation(index).then(
        () => void times.push(monotonicMs() - dueMs),
        () => void failed++
      )
    )
  await timetable(total, 1_000 / perSecond, begin)
  await Promise.all(running)
  const sorted = Float64Array.from(times).toSorted()
  const at = (share: number): number => sorted[Math.floor(share * sorted.length)] ?? Number.NaN
  return { count: times.length, failed, p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

/** Calls `begin` for each of `total` indices at its time; resolves after the last one. */
async function timetable(
  total: number,
  intervalMs: number,
  begin: (index: number, dueMs: number) => void
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let index = 0
  const timer = await ExactTimer.start(() => {
    for (; index < total && isDue(dueMs()); index++) begin(index, dueMs())
    if (index < total) timer.set(dueMs())
    else resolve()
  })
  const begunMs = monotonicMs()
  const dueMs = (): number => begunMs + (index + 1) * intervalMs
  timer.set(dueMs())
  await promise
  await timer.close()
}
