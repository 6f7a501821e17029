import { counter, lww, map } from '@murmuration/crdt'
import type { Clock, Rpc, RpcHandler } from '@murmuration/interface'
import { createMemoryStore } from '@murmuration/storage'
import { FakeMembership, Views } from './fake-membership.ts'
import { StateService } from '../src/state.ts'
const handlers = new Map<string, Map<string, RpcHandler>>()
function rpcOf(peer: string): Rpc {
  const own = new Map<string, RpcHandler>()
  handlers.set(peer, own)
  return {
    peer,
    handle: (m, h) => void own.set(m, h),
    handleStream() {},
    unhandle() {},
    start() {},
    stop() {},
    call: async (to, m, bytes) => {
      await new Promise((r) => setImmediate(r))
      const h = handlers.get(to)!.get(m)!
      const out = await h(bytes, { peer, signal: new AbortController().signal, remainingMs: 5000 })
      await new Promise((r) => setImmediate(r))
      return out
    },
    async *stream() {}
  }
}
const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule: (d, t) => {
    const h = setTimeout(t, d)
    return () => clearTimeout(h)
  }
}
const views = new Views()
const names = ['a', 'b', 'c']
views.add(names.map((peer) => ({ peer, incarnation: peer })))
const states = await Promise.all(
  names.map(async (peer) => {
    const m = new FakeMembership({
      peer,
      views,
      clock,
      disk: { incarnation: peer, boot: 1, view: 1, settled: 1, settledHeard: 1 }
    })
    const s = new StateService(
      {
        rpc: rpcOf(peer),
        membership: m,
        store: createMemoryStore(),
        clock,
        random: { next: Math.random, bytes: (n) => new Uint8Array(n) }
      },
      {},
      {}
    )
    await s.start()
    return { peer, s }
  })
)
const schema = { n: counter(), last: lww<number>(), byName: map(lww<number>()) }
const docs = Number(process.argv[2] ?? 1),
  total = Number(process.argv[3] ?? 20000),
  inflight = Number(process.argv[4] ?? 256),
  keyed = process.argv[5] === 'keyed'
const owned = await Promise.all(
  Array.from({ length: docs }, async (_, i) => {
    const record = { id: `t/d/${i}`, placement: 'hash' as const, replicas: 3 }
    const owner = states[0]!.s.placement()!.ownerOf(record)!.peer
    return states.find((x) => x.peer === owner)!.s.own(record)
  })
)
let done = 0,
  next = 0
const seqs = new Map<number, number>()
const t = performance.now()
const cpu0 = process.cpuUsage()
const lat: number[] = []
await Promise.all(
  Array.from({ length: inflight }, async (_, lane) => {
    let seq = 0
    while (next < total) {
      const i = next++
      const o = owned[i % docs]!
      const { draft, operations } = o.document.draft(schema)
      draft.n.increment()
      draft.last.set(i)
      draft.byName.get('k' + (i % 20)).set(i)
      const t0 = performance.now()
      await o.commit(
        operations,
        keyed ? { key: { session: 'lane' + lane, sequence: seq, lowest: seq } } : {}
      )
      seq++
      lat.push(performance.now() - t0)
      done++
    }
  })
)
const ms = performance.now() - t
const cpu = process.cpuUsage(cpu0)
console.log('cpu us per commit, 3 peers:', ((cpu.user + cpu.system) / total).toFixed(0))
lat.sort((a, b) => a - b)
console.log({
  docs,
  total,
  inflight,
  keyed,
  perSecond: Math.round((total / ms) * 1000),
  p50: lat[lat.length >> 1]!.toFixed(2),
  p99: lat[Math.floor(lat.length * 0.99)]!.toFixed(2),
  stats: states.map((x) => JSON.stringify(x.s.stats()))
})
process.exit(0)
