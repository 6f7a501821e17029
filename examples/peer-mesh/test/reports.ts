import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect } from 'vitest'
import { expectedOf, makeFeed, units } from './expected.ts'
import { runMesh } from './run-mesh.ts'

/** For feeds and reports of one file of tests; gone with them. */
export const folder = mkdtempSync(join(tmpdir(), 'mesh-test-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
export function fileOf(text: string): string {
  const path = join(folder, `feed-${files++}.ndjson`)
  writeFileSync(path, text)
  return path
}

interface ReadReport {
  readonly peers: number
  readonly devices: Record<
    string,
    { count: number; sum: string; min: string; max: string; last: string }
  >
  readonly updates: { acknowledged: number; retried: number; rejected: number }
  readonly calls: { count: number; p50: number; p95: number; p99: number }
  readonly failovers: { peer: number; detectedMs: number | null; servedAgainMs: number | null }[]
  readonly errors: { line?: number; reason: string }[]
}

/** Reads a report with every number of a device but its count as it is written. */
export function readReport(path: string): ReadReport {
  const exact = new Set(['sum', 'min', 'max', 'last'])
  const keep = (key: string, value: unknown, context?: { source: string }): unknown =>
    exact.has(key) && typeof value === 'number' ? context?.source : value
  return JSON.parse(readFileSync(path, 'utf8'), keep)
}

export function expectExact(report: ReadReport, feed: string, times = 1n): void {
  const wrong: string[] = []
  const expected = expectedOf(feed)
  for (const [id, { count, sum, min, max, last }] of expected) {
    const got = report.devices[id]
    const same =
      got !== undefined &&
      BigInt(got.count) === BigInt(count) * times &&
      units(got.sum) === sum * times &&
      units(got.min) === min &&
      units(got.max) === max &&
      units(got.last) === last.value
    if (!same) wrong.push(`${id}: ${JSON.stringify(got)} instead of ${count}, ${sum} …`)
  }
  expect(wrong).toEqual([])
  expect(Object.keys(report.devices)).toHaveLength(expected.size)
}

/** Kills one peer of five in the middle of a feed, and expects every number as the feed says. */
export async function expectNothingLost(peer: number): Promise<void> {
  const feed = makeFeed(1_000, 60, peer)
  const report = join(folder, `kill-${peer}.json`)
  const run = await runMesh(['--feed', fileOf(feed), '--kill', `${peer}@50%`, '--report', report])
  expect(run.code, run.stderr).toBe(0)
  const read = readReport(report)
  expectExact(read, feed)
  expect(read.updates.acknowledged).toBe(1_000)
  expect(read.failovers).toHaveLength(1)
  const [failover] = read.failovers
  expect(failover?.peer).toBe(peer)
  expect(failover?.servedAgainMs).toBeLessThan(5_000)
}
