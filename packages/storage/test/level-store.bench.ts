/**
 * Latency of synced writes of 200-byte values, alone and 64 in one turn, and the time to verify a
 * store when it is opened. Run with `node packages/storage/test/level-store.bench.ts`.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLevelStore } from '../src/index.ts'

const path = await mkdtemp(join(tmpdir(), 'murmuration-bench-'))
let store = await openLevelStore({ path })
const value = new Uint8Array(200).map((_, index) => index * 31)
let next = 0

async function put(): Promise<void> {
  next += 1
  await store.write([{ key: `key-${next}`, value }], { sync: true })
}

async function measure(name: string, rounds: number, round: () => Promise<unknown>): Promise<void> {
  const times: number[] = []
  for (let index = 0; index < rounds; index += 1) {
    const start = performance.now()
    await round()
    times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  const at = (share: number): string => (times[Math.floor(share * rounds)] ?? 0).toFixed(3)
  console.log(`${name}: p50 ${at(0.5)} p95 ${at(0.95)} p99 ${at(0.99)} ms`)
}

await measure('warm-up', 200, put)
await measure('one synced put', 2000, put)
await measure('64 synced puts in one turn', 500, () => Promise.all(Array.from({ length: 64 }, put)))
await measure('get', 2000, () => store.get(`key-${1 + (next % 1000)}`))
const start = performance.now()
const puts = 200_000
for (let done = 0; done < puts; done += 1000) {
  await Promise.all(Array.from({ length: 1000 }, put))
}
const seconds = (performance.now() - start) / 1000
console.log(`synced puts, 1000 in a turn: ${Math.round(puts / seconds)} per second`)
await store.close()
const opening = performance.now()
store = await openLevelStore({ path })
console.log(`open with ${next} entries: ${(performance.now() - opening).toFixed(0)} ms`)
await store.close()
const second = performance.now()
store = await openLevelStore({ path, verify: 'log' })
console.log(`the same, verifying the log only: ${(performance.now() - second).toFixed(0)} ms`)
await store.close()
await rm(path, { recursive: true })
