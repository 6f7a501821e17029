import { defineAgent } from '@murmuration/agent'
import { createCluster } from '@murmuration/cluster'
import { counter } from '@murmuration/crdt'
import { z } from 'zod'
import { openLoop } from '../budgets/open-loop.ts'
import { serveCommands } from './control.ts'
import type { Answer, Command } from './control.ts'

/** One member of a measured cluster; without a folder it keeps everything in memory. */
export interface ScalingPeerArguments {
  readonly bootstrap: readonly string[]
  readonly dataDir?: string
}

export interface ScalingPeerReady {
  readonly pid: number
  readonly peerId: string
  readonly addresses: readonly string[]
  readonly controlPort: number
}

const meter = defineAgent({
  type: 'meter',
  state: { total: counter() },
  actions: {
    read: { input: z.number(), output: z.number(), run: ({ input }) => input },
    add: {
      input: z.number(),
      output: z.number(),
      run({ input, state }) {
        state.total.increment(input)
        return state.total.value
      }
    }
  }
})

const init = JSON.parse(process.argv[2] ?? '{}') as ScalingPeerArguments // written by the bench
const cluster = await createCluster({
  name: 'scaling',
  secret: 'a secret for this bench alone',
  agents: [meter],
  listen: ['/ip4/127.0.0.1/tcp/0'],
  bootstrap: init.bootstrap,
  ...(init.dataDir === undefined ? {} : { dataDir: init.dataDir })
})
await cluster.ready()
cluster.signals.subscribe('scaled.*', () => undefined)

/** Keys of agents that other peers own: what is local costs next to nothing at any size. */
function remoteKeys(): string[] {
  const keys = Array.from({ length: 400 }, (_, at) => `k${at}`)
  return keys.filter((key) => cluster.placement.ownerOf(meter.id(key)) !== cluster.peerId)
}

function others(): string[] {
  return cluster
    .members()
    .map(({ peer }) => peer)
    .filter((peer) => peer !== cluster.peerId)
}

function operationOf(name: string): (index: number) => Promise<unknown> {
  const keys = remoteKeys()
  const peers = others()
  const keyOf = (index: number): string => keys[index % keys.length] ?? ''
  switch (name) {
    case 'call':
      return (index) => cluster.agent(meter, keyOf(index)).call('read', index)
    case 'update':
      return (index) => cluster.agent(meter, keyOf(index)).call('add', 1)
    case 'targeted signal':
      return (index) =>
        cluster.signals.publish(
          { type: 'scaled.targeted', data: index },
          { route: { targeted: [peers[index % peers.length] ?? ''] } }
        )
    default:
      return (index) =>
        cluster.signals.publish(
          { type: 'scaled.shard', data: index },
          { route: { shard: keyOf(index) } }
        )
  }
}

function percentiles(times: readonly number[]): Pick<Answer, 'p50' | 'p95'> {
  const sorted = Float64Array.from(times).toSorted()
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0
  return { p50: at(0.5), p95: at(0.95) }
}

/** Claims, so many at a time, each timed by itself. */
async function claims(
  prefix: string,
  count: number,
  width: number
): Promise<Omit<Answer, 'cpuUs'>> {
  const keys = Array.from({ length: count }, (_, at) => `${prefix}${at}`).filter(
    (key) => cluster.placement.ownerOf(meter.id(key)) === cluster.peerId
  )
  const times: number[] = []
  let failed = 0
  const work = async (): Promise<void> => {
    for (let key = keys.pop(); key !== undefined; key = keys.pop()) {
      const began = performance.now()
      const { status } = await cluster.registry.claim(meter.record(key))
      if (status === 'claimed') times.push(performance.now() - began)
      else failed++
    }
  }
  await Promise.all(Array.from({ length: width }, work))
  return { done: times.length, failed, ...percentiles(times) }
}

async function finds(prefix: string, count: number): Promise<Omit<Answer, 'cpuUs'>> {
  const ids = Array.from({ length: count }, (_, at) => meter.id(`${prefix}${at}`)).filter(
    (id) => cluster.placement.ownerOf(id) !== cluster.peerId
  )
  const times: number[] = []
  let failed = 0
  for (const id of ids) {
    const began = performance.now()
    const { status } = await cluster.registry.find(id)
    times.push(performance.now() - began)
    if (status !== 'remote') failed++
  }
  const [id = ''] = ids
  const rounds = 300_000
  const rates: number[] = []
  for (let pass = 0; pass < 5; pass++) {
    const began = process.threadCpuUsage()
    for (let round = 0; round < rounds; round++) await cluster.registry.find(id)
    const { user, system } = process.threadCpuUsage(began)
    rates.push((rounds * 1e6) / (user + system))
  }
  return { done: times.length, failed, ...percentiles(times), cachedPerSecond: Math.max(...rates) }
}

/** The agent whose next answer is waited for. */
let used = ''
let rounds = 0

async function use(owner: string, members: number): Promise<Omit<Answer, 'cpuUs'>> {
  const isWhole = (): boolean => {
    const { view, settled } = cluster.membership
    return view?.members.length === members && settled === view.number
  }
  rounds++
  while (!isWhole()) await new Promise((resolve) => setTimeout(resolve, 50))
  const key = Array.from({ length: 400 }, (_, at) => `${rounds}-${at}`).find(
    (one) => cluster.placement.ownerOf(meter.id(one)) === owner
  )
  used = key ?? used
  await cluster.agent(meter, used).call('add', 1)
  return { done: 1, failed: key === undefined ? 1 : 0, p50: 0, p95: 0 }
}

async function answered(): Promise<Omit<Answer, 'cpuUs'>> {
  const began = performance.now()
  let failed = 0
  for (;;) {
    try {
      await cluster.agent(meter, used).call('add', 1, { timeoutMs: 20_000 })
      const tookMs = performance.now() - began
      return { done: 1, failed, p50: tookMs, p95: tookMs }
    } catch {
      failed++
    }
  }
}

async function serve(command: Command): Promise<Omit<Answer, 'cpuUs'>> {
  switch (command.kind) {
    case 'cpu':
      return { done: 0, failed: 0, p50: 0, p95: 0 }
    case 'claims':
      return claims(command.prefix, command.count, command.width)
    case 'finds':
      return finds(command.prefix, command.count)
    case 'use':
      return use(command.owner, command.members)
    case 'answered':
      return answered()
    case 'load': {
      const { operation, perSecond, seconds } = command
      const { count, failed, p50, p95 } = await openLoop(operationOf(operation), perSecond, seconds)
      return { done: count, failed, p50, p95 }
    }
    case 'stop':
      process.exit(0)
  }
}

const controlPort = await serveCommands(async (command) => {
  const answer = await serve(command)
  const { user, system } = process.cpuUsage()
  return { ...answer, cpuUs: user + system }
})
const ready: ScalingPeerReady = {
  pid: process.pid,
  peerId: cluster.peerId,
  addresses: cluster.addresses,
  controlPort
}
process.send?.(ready)
process.on('disconnect', () => process.exit(0))
