import type { Platform } from '@murmuration/cluster'
import { createSimulation } from '@murmuration/testkit'
import { expect, it } from 'vitest'
import { createSimulatedCluster } from '../src/index.ts'
import type { SimulatedCluster } from '../src/index.ts'
import { tagged } from './callers.ts'

const name = (at: number): string => `p${10 + at}`

interface Crowd {
  readonly cluster: SimulatedCluster
  /** Messages of motion, by all peers. */
  readonly asked: () => number
}

/** One peer, with or without agents, and many that join it at once. */
async function crowdOf(count: number, agents: number): Promise<Crowd> {
  let asked = 0
  const adapt = (platform: Platform): Platform => {
    const { rpc } = platform
    const call: typeof rpc.call = (to, method, ...rest) => {
      if (method.startsWith('placement.')) asked++
      return rpc.call(to, method, ...rest)
    }
    const counted = new Proxy(rpc, {
      get: (target, key): unknown => {
        if (key === 'call') return call
        const value: unknown = Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      }
    })
    return { ...platform, rpc: counted }
  }
  const simulation = createSimulation({ seed: 3 })
  const cluster = await createSimulatedCluster({
    simulation,
    peers: [name(0)],
    agents: [tagged],
    adapt
  })
  for (let at = 0; at < agents; at++) {
    await simulation.wait(cluster.peer(name(0)).agent(tagged, `k${at}`).call('add', 'x'))
  }
  if (agents > 0) await simulation.run(13_000)
  const names = Array.from({ length: count }, (_, at) => name(at))
  await simulation.wait(Promise.all(names.slice(1).map((each) => cluster.start(each))))
  await cluster.ready(names)
  return { cluster, asked: () => asked }
}

it.each([4, 16])(
  '%i peers that start together own by weight when they are ready: no steps, no messages',
  async (count) => {
    const { cluster, asked } = await crowdOf(count, 0)
    const { view } = cluster.peer(name(0))
    const owned = new Set(
      Array.from({ length: 1_000 }, (_, at) =>
        cluster.peer(name(1)).placement.ownerOf(tagged.id(`k${at}`))
      )
    )
    expect(owned.size).toBe(count)
    // Joins come in batches.
    expect(view?.number).toBeLessThanOrEqual(8)
    await cluster.simulation.run(20_000)
    expect(cluster.peer(name(0)).view?.number).toBe(view?.number)
    expect(asked()).toBe(0)
  }
)

it.each([4, 16])('%i peers that join one with agents need one step for all', async (count) => {
  const { cluster, asked } = await crowdOf(count, 40)
  const first = cluster.peer(name(0))
  const isThere = (): boolean => first.placement.motion.peers().length === 0
  expect(await cluster.simulation.until(isThere, 20_000)).toBe(true)
  // The view with the agents, the joins in batches, and one step.
  expect(first.view?.number).toBeLessThanOrEqual(10)
  // All are asked what they have, once or twice more where some come in later, and the one that has
  // agents whether they may move to each other.
  expect(asked()).toBeLessThanOrEqual(4 * count)
  await cluster.simulation.run(20_000)
  expect(asked()).toBeLessThanOrEqual(4 * count)
})
