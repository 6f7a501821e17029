import { at, createMesh, stopAll, until } from './nodes.ts'

// Five nodes in one process, TLS, 200 bytes of data. Prints milliseconds and signals per second.
const nodes = await createMesh(5)
const publisher = at(nodes, 0).services.signals
const data = new Uint8Array(200)
let arrived = 0
const latencies: number[] = []
let sentAt = 0
for (const node of nodes.slice(1)) {
  node.services.signals.subscribe(
    'bench.*',
    () => {
      arrived += 1
      latencies.push(performance.now() - sentAt)
    },
    { queueMax: 65_536 }
  )
}
for (let round = 0; round < 500; round += 1) {
  if (round === 100) {
    latencies.length = 0
  }
  arrived = 0
  sentAt = performance.now()
  await publisher.publish({ type: 'bench.sequential', data })
  await until('arrival', () => arrived === 4)
}
const sorted = latencies.toSorted((a, b) => a - b)
const percentile = (share: number): string =>
  at(sorted, Math.floor(sorted.length * share)).toFixed(2)
console.log(
  `one at a time, publish to handler: p50 ${percentile(0.5)} p95 ${percentile(0.95)} ` +
    `p99 ${percentile(0.99)} ms, n=${sorted.length}`
)
const count = 20_000
arrived = 0
const started = performance.now()
for (let sent = 0; sent < count; sent += 1000) {
  await Promise.all(
    Array.from({ length: 1000 }, () => publisher.publish({ type: 'bench.burst', data }))
  )
}
await until('arrival', () => arrived === 4 * count)
const seconds = (performance.now() - started) / 1000
const batches = publisher.counters()['batch-sent'] ?? 0
console.log(
  `bursts of 1000: ${Math.round(count / seconds)} signals/s published, ` +
    `${Math.round((4 * count) / seconds)} deliveries/s, ${batches} signed messages in all`
)
await stopAll(nodes)
