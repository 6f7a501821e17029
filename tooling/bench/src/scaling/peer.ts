import { defineAgent } from '@murmuration/agent'
import { createCluster } from '@murmuration/cluster'
import { counter } from '@murmuration/crdt'
import { z } from 'zod'
import { openLoop } from '../budgets/open-loop.ts'
import { serveCommands } from './control.ts'

/** One member of the measured cluster, in memory: what is counted is time of the processor. */
export interface ScalingPeerArguments {
  readonly bootstrap: readonly string[]
  readonly members: number
}

export interface ScalingPeerReady {
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
  bootstrap: init.bootstrap
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

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage()
  return user + system
}

const controlPort = await serveCommands(async (command) => {
  if (command.kind === 'cpu') return { cpuUs: cpuUs(), done: 0, failed: 0, p95: 0 }
  const { operation, perSecond, seconds } = command
  const { count, failed, p95 } = await openLoop(operationOf(operation), perSecond, seconds)
  return { cpuUs: cpuUs(), done: count, failed, p95 }
})
const ready: ScalingPeerReady = { addresses: cluster.addresses, controlPort }
process.send?.(ready)
process.on('disconnect', () => process.exit(0))
