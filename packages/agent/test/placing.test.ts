import { describe, expect, it, onTestFinished } from 'vitest'
import { counter } from '@murmuration/crdt'
import { createAgents, defineAgent, selectPeerForAgent } from '@murmuration/agent'
import type { AgentType, MachineLoad, PeerLoad } from '@murmuration/agent'
import type { View } from '@murmuration/interface'
import { z } from 'zod'
import { FakeCluster, viewOf } from './fake-cluster.ts'
import { outcomeOf } from './outcome.ts'

const idle: MachineLoad = { cpu: 0.1, memory: 0.2, lagMs: 1 }
const loadOf = (peer: string, init: Partial<PeerLoad> = {}): PeerLoad => ({
  peer,
  labels: {},
  agents: 10,
  agentsMax: 1_000,
  free: {},
  ...idle,
  ...init
})
const none = { labels: {}, resources: {} }

describe('selectPeerForAgent', () => {
  it('takes the least loaded, by whatever a peer has least of', () => {
    const loads = [
      loadOf('a', { cpu: 0.9 }),
      loadOf('b', { lagMs: 150 }),
      loadOf('c', { memory: 0.5 })
    ]
    expect(selectPeerForAgent(none, loads)?.peer).toBe('c')
  })

  it('keeps the preferred one unless another is clearly less loaded', () => {
    const loads = [loadOf('a', { cpu: 0.3 }), loadOf('b', { cpu: 0.2 })]
    expect(selectPeerForAgent(none, loads, 'a')?.peer).toBe('a')
    expect(selectPeerForAgent(none, [loadOf('a', { cpu: 0.6 }), loads[1]!], 'a')?.peer).toBe('b')
  })

  it('looks only at those with the labels, the resources and the room', () => {
    const loads = [
      loadOf('a', { labels: { gpu: 'yes' }, free: { slots: 1 } }),
      loadOf('b', { labels: { gpu: 'yes' }, free: { slots: 4 }, cpu: 0.9 }),
      loadOf('c', { free: { slots: 9 } }),
      loadOf('d', { labels: { gpu: 'yes' }, free: { slots: 9 }, agents: 1_000 })
    ]
    const needs = { labels: { gpu: 'yes' }, resources: { slots: 2 } }
    expect(selectPeerForAgent(needs, loads)?.peer).toBe('b')
    expect(selectPeerForAgent({ ...needs, resources: { slots: 5 } }, loads)).toBeUndefined()
  })
})

interface PlacedInit {
  readonly machines?: Readonly<Record<string, MachineLoad>>
  readonly capacity?: Readonly<Record<string, number>>
  readonly activationsMax?: number
}

/** Peers whose agents may be moved by views. */
function placedCluster(type: AgentType, init: PlacedInit = {}): FakeCluster {
  const { machines = {}, ...limits } = init
  const cluster = new FakeCluster(['a', 'b', 'c'], { types: [type], ...limits })
  onTestFinished(() => cluster.stop())
  for (const peer of cluster.peers.values()) {
    void peer.agents.stop()
    const propose = async ({ move = [] }: { move?: View['moved'] }): Promise<View> => {
      const { number, members } = cluster.view
      const view = viewOf(
        number + 1,
        members.map(({ peer: name }) => name)
      )
      cluster.view = { ...view, moved: [...(cluster.view.moved ?? []), ...move] }
      for (const each of cluster.peers.values()) each.adopt(cluster.view)
      return cluster.view
    }
    const machine = (): MachineLoad => machines[peer.name] ?? idle
    const agents = createAgents(
      { ...peer.components, control: { propose }, machine },
      { types: [type], ...limits }
    )
    Object.assign(peer, { agents })
    void agents.start()
  }
  return cluster
}

const parts = {
  state: { n: counter() },
  actions: {
    add: {
      input: z.number(),
      output: z.number(),
      run: ({
        input,
        state
      }: {
        input: number
        state: { n: { increment(by: number): void; value: number } }
      }) => {
        state.n.increment(input)
        return state.n.value
      }
    }
  }
}

describe('an agent that is placed by load', () => {
  const type = defineAgent({ ...parts, type: 'job', placement: 'load' })

  it('starts where hashing puts it, or on a clearly less loaded peer, and is found there', async () => {
    const busy: MachineLoad = { cpu: 0.95, memory: 0.2, lagMs: 1 }
    const cluster = placedCluster(type, { machines: { a: busy, b: busy } })
    for (let key = 0; key < 12; key++) {
      const call = outcomeOf(cluster.on('a').agents.agent(type, `k${key}`).call('add', 1))
      await cluster.clock.advance(1_000)
      expect(call.value).toBe(1)
    }
    expect(cluster.on('c').agents.running()).toHaveLength(12)
    const again = outcomeOf(cluster.on('b').agents.agent(type, 'k3').call('add', 1))
    await cluster.clock.advance(100)
    expect(again.value).toBe(2)
  })

  it('stays where its state is, whatever the load', async () => {
    const machines: Record<string, MachineLoad> = {}
    const cluster = placedCluster(type, { machines })
    outcomeOf(cluster.on('a').agents.agent(type, 'k').call('add', 1))
    await cluster.clock.advance(100)
    const owner = cluster.ownerOf(type.record('k'))
    machines[owner.name] = { cpu: 1, memory: 1, lagMs: 500 }
    owner.agents.end(type.id('k'))
    const again = outcomeOf(cluster.on('a').agents.agent(type, 'k').call('add', 1))
    await cluster.clock.advance(3_000)
    expect(again.value).toBe(2)
    expect(owner.agents.running()).toHaveLength(1)
  })
})

describe('an agent that needs resources', () => {
  const type = defineAgent({ ...parts, type: 'model', resources: { gpu: 1 } })

  it('runs where there is room, and nowhere when there is none', async () => {
    const cluster = placedCluster(type, { capacity: { gpu: 2 } })
    const calls = Array.from({ length: 7 }, (_, key) =>
      outcomeOf(cluster.on('a').agents.agent(type, `k${key}`).call('add', 1, { timeoutMs: 3_000 }))
    )
    for (let step = 0; step < 10; step++) await cluster.clock.advance(1_000)
    const running = [...cluster.peers.values()].map(({ agents }) => agents.running().length)
    expect(running).toEqual([2, 2, 2])
    expect(calls.filter(({ value }) => value === 1)).toHaveLength(6)
    expect(calls.filter(({ error }) => error?.name === 'ClusterAtCapacityError')).toHaveLength(1)
  })
})

describe('an agent that fails', () => {
  const failing = (limits?: { failuresMax: number; withinMs: number }) =>
    defineAgent({
      type: 'shaky',
      state: { n: counter() },
      actions: {
        crash: {
          input: z.null(),
          output: z.null(),
          run: () => {
            throw new RangeError('out of cheese')
          }
        },
        refuse: {
          input: z.null(),
          output: z.null(),
          run: () => {
            throw Object.assign(new Error('not you'), { code: 'ERR_NOT_YOU' })
          }
        },
        fine: { input: z.null(), output: z.number(), run: () => 1 }
      },
      ...(limits === undefined ? {} : { supervision: limits })
    })
  const start = (type: AgentType): FakeCluster => {
    const cluster = new FakeCluster(['a'], { types: [type] })
    onTestFinished(() => cluster.stop())
    return cluster
  }

  it('rests when it failed more often than its type allows, says why, and comes back', async () => {
    const type = failing({ failuresMax: 2, withinMs: 10_000 })
    const cluster = start(type)
    const shaky = cluster.on('a').agents.agent(type, 'k')
    for (let count = 0; count < 3; count++) {
      outcomeOf(shaky.call('crash', null))
      await cluster.clock.advance(20)
    }
    const resting = outcomeOf(shaky.call('fine', null))
    await cluster.clock.advance(20)
    expect(resting.error).toMatchObject({
      name: 'AgentFailedError',
      message: expect.stringContaining('out of cheese')
    })
    expect(cluster.log.some((line) => line.includes('rests'))).toBe(true)
    await cluster.clock.advance(10_000)
    const back = outcomeOf(shaky.call('fine', null))
    await cluster.clock.advance(20)
    expect(back.value).toBe(1)
  })

  it('goes on after errors that are meant for the caller, and without limits', async () => {
    const limited = failing({ failuresMax: 1, withinMs: 10_000 })
    const unlimited = failing()
    for (const [type, action] of [
      [limited, 'refuse'],
      [unlimited, 'crash']
    ] as const) {
      const cluster = start(type)
      const agent = cluster.on('a').agents.agent(type, 'k')
      for (let count = 0; count < 10; count++) {
        outcomeOf(agent.call(action, null))
        await cluster.clock.advance(20)
      }
      const call = outcomeOf(agent.call('fine', null))
      await cluster.clock.advance(20)
      expect(call.value).toBe(1)
    }
  })

  it('shows its last failure, and is well again when it was stopped by hand', async () => {
    const type = failing({ failuresMax: 1, withinMs: 60_000 })
    const cluster = start(type)
    const { agents } = cluster.on('a')
    const shaky = agents.agent(type, 'k')
    outcomeOf(shaky.call('crash', null))
    await cluster.clock.advance(20)
    expect(agents.running()[0]?.lastFailure).toContain('out of cheese')
    outcomeOf(shaky.call('crash', null))
    await cluster.clock.advance(20)
    agents.end(type.id('k'))
    const call = outcomeOf(shaky.call('fine', null))
    await cluster.clock.advance(20)
    expect(call.value).toBe(1)
  })
})
