import { describe, expect, it, onTestFinished } from 'vitest'
import { counter } from '@murmuration/crdt'
import { defineAgent } from '@murmuration/agent'
import type { AgentType, MissedTicks } from '@murmuration/agent'
import { z } from 'zod'
import { FakeCluster } from './fake-cluster.ts'

const HOUR = 3_600_000
const none = { input: z.null(), output: z.null() }

/** An agent that counts its ticks, and notes where they were served. */
function clockOf(init: { missed?: MissedTicks; keys?: string[]; fail?: boolean } = {}) {
  const served: string[] = []
  const { missed, keys, fail = false } = init
  const type = defineAgent({
    type: 'clock',
    state: { ticks: counter() },
    actions: {
      tick: {
        ...none,
        run({ state, id }) {
          served.push(id)
          if (fail) throw new Error('not today')
          state.ticks.increment(1)
          return null
        }
      },
      look: { ...none, run: ({ id }) => (served.push(id), null) },
      touch: { ...none, run: ({ state }) => (state.ticks.increment(0), null) }
    },
    schedules: {
      hourly: {
        every: '1h',
        action: 'tick',
        ...(missed === undefined ? {} : { missed }),
        ...(keys === undefined ? {} : { keys })
      }
    }
  })
  return { type, served }
}

function clusterOf(type: AgentType, peers = ['a', 'b', 'c']): FakeCluster {
  const cluster = new FakeCluster(peers, { types: [type], idleMs: 60_000 })
  onTestFinished(() => cluster.stop())
  return cluster
}

/** Makes the agent exist, so that it has schedules. */
async function create(cluster: FakeCluster, type: AgentType, key = 'k'): Promise<void> {
  const call = cluster.on('a').agents.agent(type, key).call('touch', null)
  await cluster.clock.advance(100)
  await call
  await cluster.clock.advance(100)
}

async function ticksOf(cluster: FakeCluster, type: AgentType, key = 'k'): Promise<unknown> {
  const reading = cluster.on('a').agents.agent(type, key).state()
  await cluster.clock.advance(1_000)
  return ((await reading).value as { ticks: number }).ticks
}

describe('a schedule', () => {
  it('fires once each tick, on the peer that owns the agent, and also when the agent is passive', async () => {
    const { type, served } = clockOf()
    const cluster = clusterOf(type)
    await create(cluster, type)
    for (let hour = 1; hour <= 5; hour++) {
      await cluster.clock.advance(HOUR)
      expect(served).toHaveLength(hour)
    }
    expect(await ticksOf(cluster, type)).toBe(5)
    const owner = cluster.ownerOf(type.record('k'))
    expect(owner.agents.scheduled()).toMatchObject([{ id: type.id('k'), name: 'hourly' }])
    for (const other of cluster.othersThan(owner)) expect(other.agents.scheduled()).toEqual([])
  })

  it('has missed nothing when its agent is new', async () => {
    const { type, served } = clockOf({ missed: 'all' })
    const cluster = clusterOf(type)
    await cluster.clock.advance(10 * HOUR)
    await create(cluster, type)
    expect(served).toHaveLength(0)
  })

  it('goes on under the next owner, without a tick twice or none', async () => {
    const { type } = clockOf({ missed: 'all' })
    const cluster = clusterOf(type)
    await create(cluster, type)
    await cluster.clock.advance(3 * HOUR)
    const owner = cluster.ownerOf(type.record('k')).name
    cluster.kill(owner)
    const left = ['a', 'b', 'c'].filter((name) => name !== owner)
    cluster.decide(left)
    await cluster.clock.advance(3 * HOUR)
    const reading = cluster
      .on(left[0] ?? '')
      .agents.agent(type, 'k')
      .state()
    await cluster.clock.advance(1_000)
    expect((await reading).value.ticks).toBe(6)
  })

  it.each([
    ['once' as const, 1],
    ['all' as const, 4],
    ['skip' as const, 0]
  ])('makes up for missed ticks as `%s` says', async (missed, expected) => {
    const { type, served } = clockOf({ missed })
    const cluster = clusterOf(type)
    await create(cluster, type)
    const all = ['a', 'b', 'c']
    for (const name of all) await cluster.on(name).agents.stop()
    // Late enough that the last tick is not just due, whatever the phase of the agent.
    const before = served.length
    await cluster.clock.advance(4 * HOUR)
    for (const name of all) await cluster.on(name).agents.start()
    await cluster.clock.advance(5_000)
    expect(served.length - before).toBe(expected)
    expect(await ticksOf(cluster, type)).toBe(expected)
  })

  it('starts the agents that it names', async () => {
    const { type, served } = clockOf({ keys: ['janitor'] })
    const cluster = clusterOf(type)
    await cluster.clock.advance(2 * HOUR + 1_000)
    expect(served).toEqual([type.id('janitor'), type.id('janitor')])
    expect(await ticksOf(cluster, type, 'janitor')).toBe(2)
  })

  it('waits while its agent is paused, and fires when that ends', async () => {
    const { type, served } = clockOf()
    const cluster = clusterOf(type)
    await create(cluster, type)
    for (const peer of cluster.peers.values()) peer.partition.set(true)
    await cluster.clock.advance(3 * HOUR)
    expect(served).toHaveLength(0)
    for (const peer of cluster.peers.values()) peer.partition.set(false)
    await cluster.clock.advance(2_000)
    expect(served).toHaveLength(1)
  })

  it('comes again after a tick whose handler failed, and the log says why', async () => {
    const { type, served } = clockOf({ fail: true })
    const cluster = clusterOf(type)
    await create(cluster, type)
    await cluster.clock.advance(2 * HOUR)
    expect(served).toHaveLength(2)
    expect(cluster.log.filter((line) => line.includes('not today'))).toHaveLength(2)
  })

  it('counts a tick as served although its handler changed nothing', async () => {
    const served: string[] = []
    const type = defineAgent({
      type: 'quiet',
      state: { ticks: counter() },
      actions: {
        look: { ...none, run: ({ id }) => (served.push(id), null) },
        touch: { ...none, run: ({ state }) => (state.ticks.increment(1), null) }
      },
      schedules: { hourly: { every: '1h', action: 'look' } }
    })
    const cluster = clusterOf(type)
    await create(cluster, type)
    await cluster.clock.advance(HOUR)
    expect(served).toHaveLength(1)
    const owner = cluster.ownerOf(type.record('k'))
    await owner.agents.stop()
    await owner.agents.start()
    await cluster.clock.advance(2_000)
    expect(served).toHaveLength(1)
  })

  it('spreads many agents over the interval', async () => {
    const { type, served } = clockOf()
    const cluster = clusterOf(type)
    for (let key = 0; key < 40; key++) await create(cluster, type, `k${key}`)
    await cluster.clock.advance(HOUR / 2)
    expect(served.length).toBeGreaterThan(8)
    expect(served.length).toBeLessThan(32)
    await cluster.clock.advance(HOUR / 2)
    expect(new Set(served).size).toBe(40)
  })
})
