import { defineAgent } from '@murmuration/agent'
import { counter } from '@murmuration/crdt'
import { createSimulation } from '@murmuration/testkit'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createSimulatedCluster } from '../src/index.ts'

const peers = ['a', 'b', 'c', 'd']
const leaseMs = 1500

/** Handlers wait here when they are told to. */
let gate: Promise<void> | undefined
let begun = 0
const meter = defineAgent({
  type: 'meter',
  state: { total: counter() },
  actions: {
    add: {
      input: z.number(),
      output: z.number(),
      async run({ input, state }) {
        begun++
        await gate
        state.total.increment(input)
        return state.total.value
      }
    },
    read: {
      input: z.null(),
      output: z.number(),
      run: ({ state }) => state.total.value
    }
  }
})
const id = meter.id('x')

async function form(seed: number) {
  const simulation = createSimulation({ seed })
  const cluster = await createSimulatedCluster({ simulation, peers, agents: [meter] })
  const owner = cluster.peer('a').placement.ownerOf(id) ?? ''
  const others = peers.filter((name) => name !== owner)
  const [other = '', next = ''] = others
  const ref = (name: string) => cluster.peer(name).agent(meter, 'x')
  await simulation.wait(ref(other).call('add', 1))
  /** Milliseconds until the agent answers through a peer. */
  const untilAnswered = async (name: string): Promise<number> => {
    const from = simulation.now
    await simulation.wait(ref(name).call('read', null, { timeoutMs: 30_000 }))
    return simulation.now - from
  }
  return { simulation, cluster, owner, other, next, others, ref, untilAnswered }
}

describe('an owner that was stopped past its lease', () => {
  it('is refused what it wants to write when it wakes, and the write counts once', async () => {
    const { simulation, cluster, owner, other, next, ref } = await form(1)
    const release = Promise.withResolvers<void>()
    gate = release.promise
    const refusals: unknown[] = []
    const late = ref(owner).call('add', 10, {
      timeoutMs: 30_000,
      onRetry: (cause) => refusals.push(cause)
    })
    await simulation.run(50)
    simulation.pause(owner)
    await simulation.wait(cluster.peer(other).placement.move(id, next))
    gate = undefined
    // The replicas have given their copies, and the lease of the former owner has not ended.
    await simulation.run(100)
    const moving = { status: 'migrating', from: owner, to: next, freshness: 'fresh' }
    expect(await simulation.wait(cluster.peer(other).registry.find(id))).toEqual(moving)
    expect(await simulation.wait(cluster.peer(next).registry.find(id))).toEqual(moving)
    expect(await simulation.wait(ref(next).call('add', 100, { timeoutMs: 10_000 }))).toBe(101)
    expect((await simulation.wait(cluster.peer(next).registry.find(id))).status).toBe('local')
    simulation.resume(owner)
    // The handler ends before any message has told its peer of the other owner.
    release.resolve()
    expect(await simulation.wait(late)).toBe(111)
    expect(refusals[0]).toMatchObject({ name: 'FencedError', outcomeUnknown: false })
    for (const name of peers) {
      expect((await simulation.wait(ref(name).state())).value.total).toBe(111)
    }
  })

  it('begins no handler before it holds a lease again', async () => {
    const { simulation, owner, ref } = await form(2)
    simulation.pause(owner)
    await simulation.run(leaseMs + 500)
    begun = 0
    simulation.resume(owner)
    const answer = ref(owner).call('add', 1)
    await Promise.resolve()
    expect(begun).toBe(0)
    expect(await simulation.wait(answer)).toBe(2)
    expect(begun).toBe(1)
  })

  it('holds calls while it is cut off, and does what it was asked when that ends', async () => {
    const { simulation, owner, others, ref } = await form(3)
    simulation.split([owner], others)
    await simulation.run(leaseMs + 100)
    begun = 0
    const answer = ref(owner).call('add', 1, { timeoutMs: 10_000 })
    await simulation.run(1000)
    expect(begun).toBe(0)
    simulation.heal()
    expect(await simulation.wait(answer)).toBe(2)
  })
})

describe('an agent is served again', () => {
  it('after the death of its owner as soon as that one’s lease has ended, and not before', async () => {
    const { simulation, cluster, owner, other, untilAnswered } = await form(4)
    cluster.crash(owner)
    const tookMs = await untilAnswered(other)
    expect(tookMs).toBeGreaterThan(leaseMs - 500)
    expect(tookMs).toBeLessThan(3000)
    await simulation.run(0)
  })

  it('at once after a move, and after its owner has left', async () => {
    const { simulation, cluster, owner, other, next, untilAnswered } = await form(5)
    await simulation.wait(cluster.peer(other).placement.move(id, next))
    expect(await untilAnswered(other)).toBeLessThan(200)
    await simulation.wait(cluster.peer(owner).placement.move(id, owner))
    expect(await untilAnswered(other)).toBeLessThan(200)
    const leaving = cluster.peer(owner).drain()
    const isOut = (): boolean =>
      cluster
        .peer(other)
        .members()
        .every(({ peer }) => peer !== owner)
    expect(await simulation.until(isOut, 5000)).toBe(true)
    const from = simulation.now
    expect(await untilAnswered(other)).toBeLessThan(200)
    await simulation.wait(leaving)
    // The view without it is settled without a wait for its lease.
    expect(simulation.now - from).toBeLessThan(1500)
  })
})
