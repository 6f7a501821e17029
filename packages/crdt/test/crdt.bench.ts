import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { Document } from '../src/index.ts'
import { createDocument, decodeDocument, limits } from '../src/index.ts'

/*
 * Figures of this package, as one line of JSON each. Run: node packages/crdt/test/crdt.bench.ts
 * Rates are per second of processor time of this process, garbage collection on other threads
 * included, so that other work on the machine hardly counts; the best of five rounds.
 */

function best(rounds: number, run: () => number): number {
  // Harmonic mean of all rounds but the first, which warms up: clocks of processor time are coarse.
  let seconds = 0
  run()
  for (let round = 0; round < rounds; round++) seconds += 1 / run()
  return rounds / seconds
}

function rate(count: number, run: () => void): number {
  const start = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(start)
  return count / ((user + system) / 1e6)
}

const names = Array.from({ length: 20 }, (_, i) => `key${i}`)

function write(document: Document, writer: string, i: number, tick: number): Uint8Array {
  const field = names[i % 20] ?? ''
  const value = i % 2 === 0 ? i : `value ${i % 100}`
  const options = { writer, stamp: { time: 1.8e12, tick } }
  return document.execute([{ field, name: 'lww.set', args: [value] }], options).delta
}

function print(figures: Record<string, number | string>): void {
  console.log(JSON.stringify(figures))
}

// Creation: 20 fields by one update, as when an agent is born.
const birth = names.map((field, i) => ({ field, name: 'lww.set', args: [i] }))
const stamp = { time: 1.8e12, tick: 0 }
const kept: Document[] = []
const before = process.memoryUsage.rss()
const created = best(5, () => {
  kept.length = 0
  return rate(10_000, () => {
    for (let i = 0; i < 10_000; i++) {
      const document = createDocument()
      document.execute(birth, { writer: 'writer01', stamp })
      kept.push(document)
    }
  })
})
globalThis.gc?.()
const after = process.memoryUsage.rss()
print({
  what: 'create a document of 20 fields',
  microseconds: Math.round((1e6 / created) * 10) / 10,
  rssKiB: Math.round((after - before) / 10_000 / 102.4) / 10,
  bytes: kept[0]?.encode().length ?? 0
})

const deltas: Uint8Array[][] = []
const updates = best(5, () => {
  deltas.length = 0
  const documents = kept.slice(0, 500).map((document) => document.clone())
  return rate(10_000, () => {
    for (const document of documents) {
      const own: Uint8Array[] = []
      for (let i = 0; i < 20; i++) own.push(write(document, 'writer01', i, i))
      deltas.push(own)
    }
  })
})
const applies = best(5, () => {
  const documents = kept.slice(0, 500).map((document) => document.clone())
  return rate(10_000, () => {
    for (const [i, own] of deltas.entries()) for (const delta of own) documents[i]?.apply(delta)
  })
})
const sizes = deltas.flat().map(({ length }) => length)
print({
  what: 'single-field updates, 500 documents x 20',
  updatesPerSecond: Math.round(updates),
  appliesPerSecond: Math.round(applies),
  bytesMean: Math.round((sizes.reduce((a, b) => a + b, 0) / sizes.length) * 10) / 10,
  bytesMax: Math.max(...sizes)
})

for (const writers of [1, 2, 100]) {
  const document = createDocument()
  const log: Uint8Array[] = []
  for (let i = 0; i < 10_000; i++) log.push(write(document, `writer${i % writers}`, i, i))
  const bytes = document.encode()
  const loads = best(5, () =>
    rate(100, () => {
      for (let i = 0; i < 100; i++) decodeDocument(bytes)
    })
  )
  const long = best(3, () => {
    const target = createDocument()
    return rate(log.length, () => {
      for (const delta of log) target.apply(delta)
    })
  })
  print({
    what: `10,000 updates to 20 keys by ${writers} writers`,
    bytes: bytes.length,
    loadMicroseconds: Math.round(1e6 / loads),
    appliesPerSecond: Math.round(long)
  })
}

const counterDocument = createDocument()
const increments = best(5, () =>
  rate(20_000, () => {
    for (let i = 0; i < 20_000; i++) {
      const operation = { field: 'n', name: 'counter.increment', args: [1] }
      counterDocument.execute([operation], { writer: 'writer01', stamp })
    }
  })
)
const pushed = createDocument()
const pushes = rate(5_000, () => {
  for (let i = 0; i < 5_000; i++) {
    const operation = { field: 'l', name: 'list.push', args: [i] }
    pushed.execute([operation], { writer: 'writer01', stamp })
  }
})
print({
  what: 'other types',
  incrementsPerSecond: Math.round(increments),
  pushesPerSecond: Math.round(pushes),
  bytesPerListElement: Math.round((pushed.encode().length / 5_000) * 10) / 10
})

// The built package, without its types; comments stay in it, so this is an upper bound.
const dist = fileURLToPath(new URL('../dist/', import.meta.url))
let code = ''
try {
  for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.js')) code += readFileSync(`${dist}${name}`, 'utf8')
  }
  print({ what: 'built package', bytes: code.length, gzip: gzipSync(code).length })
} catch (error) {
  print({ what: 'built package', error: String(error), documentBytesMax: limits.documentBytesMax })
}
