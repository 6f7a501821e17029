import { UnavailableError } from '@murmuration/interface'
import type { AgentRecord, PartitionStatus, ViewProposal } from '@murmuration/interface'
import { createSimulation } from '@murmuration/testkit'
import { expect, it } from 'vitest'
import { FirstAgents } from '../src/first-agents.ts'
import type { FirstAgentsParts } from '../src/first-agents.ts'

class World {
  readonly simulation = createSimulation({ seed: 1 })
  records: AgentRecord[] = []
  status: PartitionStatus = 'whole'
  settled = 4
  inUse: true | undefined
  refuses = false
  members = ['a']
  readonly #watchers = new EventTarget()
  readonly proposals: ViewProposal[] = []

  join(peer: string): void {
    this.members.push(peer)
    this.#watchers.dispatchEvent(new Event('view'))
  }

  start(startMs = 0): FirstAgents {
    const { clock, random } = this.simulation.node('a')
    const membership = {
      propose: async (proposal: ViewProposal) => {
        this.proposals.push(proposal)
        if (this.refuses) throw new UnavailableError('a majority is lost')
        this.inUse = proposal.inUse
      },
      addEventListener: this.#watchers.addEventListener.bind(this.#watchers),
      removeEventListener: this.#watchers.removeEventListener.bind(this.#watchers)
    }
    const parts = {
      membership: Object.defineProperties(membership, {
        view: { get: () => this.view },
        settled: { get: () => this.settled }
      }),
      state: { records: () => this.records },
      partition: Object.defineProperty({}, 'status', { get: () => this.status }),
      clock,
      random
    }
    // Of the rest nothing is used.
    const first = new FirstAgents(parts as unknown as FirstAgentsParts, { startMs })
    first.start()
    return first
  }

  get view(): object {
    return { number: 4, members: this.members.map((peer) => ({ peer })), inUse: this.inUse }
  }
}

const light: AgentRecord = { id: 'default/light/1', placement: 'hash', replicas: 3 }

it('says once that there are agents, when there are some that can move', async () => {
  const world = new World()
  world.start()
  await world.simulation.run(10_000)
  world.records = [{ ...light, placement: 'pinned' }]
  await world.simulation.run(10_000)
  expect(world.proposals).toEqual([])
  world.records = [light]
  await world.simulation.run(10_000)
  expect(world.proposals).toEqual([{ inUse: true }])
})

it('waits for the end of joins and splits, and tries again where nothing is decided', async () => {
  const world = new World()
  world.records = [light]
  world.settled = 3
  world.start()
  await world.simulation.run(10_000)
  world.status = 'minority'
  world.settled = 4
  await world.simulation.run(10_000)
  expect(world.proposals).toEqual([])
  world.status = 'whole'
  world.refuses = true
  await world.simulation.run(10_000)
  expect(world.proposals.length).toBeGreaterThan(5)
  world.refuses = false
  await world.simulation.run(10_000)
  const { length } = world.proposals
  await world.simulation.run(10_000)
  expect(world.proposals).toHaveLength(length)
})

it('waits until nobody has joined for a while', async () => {
  const world = new World()
  const { simulation } = world
  world.records = [light]
  world.start(8_000)
  await simulation.run(6_000)
  world.join('b')
  await simulation.run(7_000)
  world.join('c')
  await simulation.run(7_900)
  expect(world.proposals).toEqual([])
  await simulation.run(2_000)
  expect(world.proposals).toEqual([{ inUse: true }])
})

it('says nothing when it is stopped', async () => {
  const world = new World()
  world.records = [light]
  world.start().stop()
  await world.simulation.run(10_000)
  expect(world.proposals).toEqual([])
})
