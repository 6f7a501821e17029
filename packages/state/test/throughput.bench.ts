/**
 * Commits of three peers in one process, with stores in memory and calls in process: what the
 * package itself costs. `node test/throughput.bench.ts [documents] [commits] [in flight]`
 */
import { counter, lww, map } from '@murmuration/crdt'
import type { Clock, Random, Rpc, RpcHandler } from '@murmuration/interface'
import { createMemoryStore } from '@murmuration/storage'
import { createState } from '../src/index.ts'
import { FakeMembership, Views } from './fake-membership.ts'

const [documents = 10, total = 20_000, inFlight = 256] = process.argv.slice(2).map(Number)
const schema = { n: counter(), last: lww<number>(), byName: map(lww<number>()) }
const names = ['a', 'b', 'c']
const handlers = new Map<string, Map<string, RpcHandler>>()
const views = new Views()

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule: (delayMs, task) => {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  }
}
const random: Random = { next: () => Math.random(), bytes: (length) => new Uint8Array(length) }

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

function rpcOf(peer: string): Rpc {
  const own = new Map<string, RpcHandler>()
  handlers.set(peer, own)
  return {
    peer,
    handle: (method, handler) => void own.set(method, handler),
    handleStream: () => {},
    unhandle: () => {},
    start: () => {},
    stop: () => {},
    call: async (to, method, bytes) => {
      await turn()
      const { signal } = new AbortController()
      const answer = await handlers.get(to)?.get(method)?.(bytes, {
        peer,
        signal,
        remainingMs: 5000
      })
      await turn()
      return answer ?? new Uint8Array(0)
    },
    stream: async function* () {
      yield* []
    }
  }
}

views.add(names.map((peer) => ({ peer, incarnation: peer })))
const states = await Promise.all(
  names.map(async (peer) => {
    const disk = { incarnation: peer, boot: 1, view: 1, settled: 1, settledHeard: 1 }
    const membership = new FakeMembership({ peer, views, clock, disk })
    const store = createMemoryStore()
    const state = createState({ rpc: rpcOf(peer), membership, store, clock, random })
    await state.start()
    return { peer, state }
  })
)
const owned = await Promise.all(
  Array.from({ length: documents }, async (_, at) => {
    const record = { id: `test/doc/${at}`, placement: 'hash', replicas: 3 } as const
    const owner = states[0]?.state.placement()?.ownerOf(record)?.peer
    return states.find(({ peer }) => peer === owner)!.state.own(record)
  })
)

let next = 0
const begun = performance.now()
const cpu = process.cpuUsage()
const waits: number[] = []
await Promise.all(
  Array.from({ length: inFlight }, async () => {
    while (next < total) {
      const at = next++
      const document = owned[at % documents]!
      const { draft, operations } = document.document.draft(schema)
      draft.n.increment()
      draft.last.set(at)
      draft.byName.get(`k${at % 20}`).set(at)
      const from = performance.now()
      await document.commit(operations)
      waits.push(performance.now() - from)
    }
  })
)
const ms = performance.now() - begun
const { user, system } = process.cpuUsage(cpu)
waits.sort((a, b) => a - b)
console.log({
  documents,
  inFlight,
  commitsPerSecond: Math.round((total / ms) * 1000),
  cpuMicrosecondsPerCommitOfAllPeers: Math.round((user + system) / total),
  p50Ms: Number(waits[Math.floor(waits.length / 2)]?.toFixed(2)),
  p99Ms: Number(waits[Math.floor(waits.length * 0.99)]?.toFixed(2))
})
process.exit(0)
