/**
 * Registers of three peers in one process, with stores in memory and calls in process: what the package
 * itself costs. `node test/throughput.bench.ts [registers] [operations] [in flight]`
 */
import type { Member, Membership, Rpc, RpcHandler, View } from '@murmuration/interface'
import { createMemoryStore } from '@murmuration/storage'
import { systemClock as clock, systemRandom as random } from '@murmuration/system'
import { createRegisters } from '../src/index.ts'

const [registersCount = 64, total = 20_000, inFlight = 64] = process.argv.slice(2).map(Number)
const names = ['a', 'b', 'c']
const handlers = new Map<string, Map<string, RpcHandler>>()
const view: View = {
  cluster: 'bench',
  number: 1,
  members: names.map((peer): Member => {
    return { peer, incarnation: peer, addresses: [], labels: {}, weight: 100, since: 1 }
  }),
  tieBreaker: 'a',
  placement: { hash: 'sha256-hrw-1', slots: 16384, zoneLabel: 'zone' }
}

const views = [view]

/** One view for ever. The part of a membership that registers use. */
function membershipOf(peer: string): Membership {
  const part = {
    self: { peer, incarnation: peer, boot: 1 },
    view,
    settled: 1,
    unsettledViews: () => views,
    addEventListener: () => {},
    removeEventListener: () => {}
  }
  // Nothing else of it is called while no view changes.
  return part as unknown as Membership
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

function rpcOf(peer: string): Rpc {
  const own = new Map<string, RpcHandler>()
  handlers.set(peer, own)
  const { signal } = new AbortController()
  return {
    peer,
    handle: (method, handler) => void own.set(method, handler),
    handleStream: () => {},
    unhandle: () => {},
    start: () => {},
    stop: () => {},
    call: async (to, method, bytes) => {
      await turn()
      const handler = handlers.get(to)?.get(method)
      const answer = await handler?.(bytes, { peer, signal, remainingMs: 5000 })
      await turn()
      return answer ?? new Uint8Array(0)
    },
    stream: async function* () {
      yield* []
    }
  }
}

const peers = await Promise.all(
  names.map(async (name) => {
    const registers = createRegisters({
      rpc: rpcOf(name),
      membership: membershipOf(name),
      store: createMemoryStore(),
      clock,
      random
    })
    await registers.start()
    return registers
  })
)
const [proposer] = peers
if (proposer === undefined) throw new Error('no peers')
const value = new Uint8Array(200)

async function measure(what: string, isChange: boolean): Promise<void> {
  let next = 0
  const waits: number[] = []
  const begun = performance.now()
  const cpu = process.cpuUsage()
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (next < total) {
        const key = { id: `bench/register/${next++ % registersCount}`, replicas: 3 }
        const from = performance.now()
        const outcome = isChange
          ? await proposer!.change(key, () => value)
          : await proposer!.read(key)
        if (outcome.status !== 'committed') throw new Error(outcome.status)
        waits.push(performance.now() - from)
      }
    })
  )
  const ms = performance.now() - begun
  const { user, system } = process.cpuUsage(cpu)
  const sorted = waits.toSorted((a, b) => a - b)
  console.log(what, {
    perSecond: Math.round((total / ms) * 1000),
    cpuMicrosecondsOfAllPeers: Math.round((user + system) / total),
    p50Ms: Number(sorted[Math.floor(sorted.length / 2)]?.toFixed(2)),
    p99Ms: Number(sorted[Math.floor(sorted.length * 0.99)]?.toFixed(2))
  })
}

await measure('changes', true)
await measure('changes', true)
await measure('reads', false)
process.exit(0)
