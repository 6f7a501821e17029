import { at, createMesh, stopAll, until } from './nodes.ts'
const nodes = await createMesh(5)
const publisher = at(nodes, 0).services.signals
const data = new Uint8Array(200)
let arrived = 0
for (const node of nodes.slice(1))
  node.services.signals.subscribe(
    'bench.*',
    () => {
      arrived += 1
    },
    { queueMax: 65_536 }
  )
await publisher.publish({ type: 'bench.x', data })
await until('arrival', () => arrived === 4)
for (let r = 0; r < 500; r++) {
  arrived = 0
  await publisher.publish({ type: 'bench.x', data })
  await until('a', () => arrived === 4)
}
const count = 20_000
arrived = 0
const started = performance.now()
const iv = setInterval(() => console.log(Math.round(performance.now() - started), arrived), 1000)
for (let sent = 0; sent < count; sent += 1000) {
  await Promise.all(
    Array.from({ length: 1000 }, () => publisher.publish({ type: 'bench.burst', data }))
  )
}
console.log('published', performance.now() - started)
await until('arrival', () => arrived === 4 * count, 8000).catch(() => console.log('stalled'))
clearInterval(iv)
for (const n of nodes) {
  console.log('node', n.peerId.toString().slice(-4), n.services.signals.counters())
  for (const c of n.getConnections())
    for (const s of c.streams as any[])
      if (s.protocol.includes('meshsub'))
        console.log(
          ' ',
          c.remotePeer.toString().slice(-4),
          s.direction,
          s.status,
          'ws',
          s.writeStatus,
          'rs',
          s.readStatus,
          'rws',
          s.remoteWriteStatus,
          'rrs',
          s.remoteReadStatus,
          'wb',
          s.writeBuffer?.byteLength,
          'rb',
          s.readBuffer?.byteLength,
          'needsDrain',
          s.writableNeedsDrain,
          'sendWin',
          s.sendWindowCapacity,
          'recvWin',
          s.recvWindowCapacity,
          s.recvWindow,
          'paused',
          s.state
        )
}
await stopAll(nodes)
process.exit(0)
