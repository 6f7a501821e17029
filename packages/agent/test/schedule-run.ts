import { counter } from '@murmuration/crdt'
import { defineAgent } from '@murmuration/agent'
import type { Agents } from '@murmuration/agent'
import { createState } from '@murmuration/state'
import type { State } from '@murmuration/state'
import { slotOf } from '@murmuration/placement'
import { integerBetween } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import { z } from 'zod'
import { FakeMembership, Views } from '../../state/test/fake-membership.ts'
import type { Adopted } from '../../state/test/fake-membership.ts'
import { pick } from '../../state/test/world.ts'
import { ClusterAgents } from '../src/agents.ts'
import type { Mutants } from '../src/core/mutants.ts'
import { ticksOf } from '../src/core/schedule.ts'

const names = ['p0', 'p1', 'p2']
const keys = ['a', 'b']
const faultsMs = 4_000

const clock = defineAgent({
  type: 'clock',
  state: { ticks: counter() },
  actions: {
    touch: {
      input: z.null(),
      output: z.null(),
      run: ({ state }) => (state.ticks.increment(0), null)
    },
    tick: {
      input: z.null(),
      output: z.null(),
      run: ({ state }) => (state.ticks.increment(1), null)
    }
  },
  schedules: { steady: { every: '1s', action: 'tick', missed: 'all' } }
})

interface Peer {
  readonly name: string
  readonly disk: Adopted
  membership: FakeMembership | undefined
  state: State | undefined
  agents: Agents | undefined
}

/** One run: peers that own schedules crash, come back and leave views; then every tick was served once. */
export async function runSchedules(simulation: Simulation, mutants: Mutants): Promise<void> {
  await new ScheduleRun(simulation, mutants).go()
}

class ScheduleRun {
  readonly #simulation: Simulation
  readonly #mutants: Mutants
  readonly #views = new Views()
  readonly #peers: Peer[] = names.map((name) => ({
    name,
    disk: { incarnation: `${name}i0`, boot: 0, view: 0, settled: 1, settledHeard: 1 },
    membership: undefined,
    state: undefined,
    agents: undefined
  }))

  constructor(simulation: Simulation, mutants: Mutants) {
    this.#simulation = simulation
    this.#mutants = mutants
    this.#views.onSettled(() => {
      const { settled } = this.#views
      this.#tell((peer) => peer.membership?.learnSettled(settled))
    })
  }

  async go(): Promise<void> {
    this.#decide(this.#peers)
    for (const peer of this.#peers) await this.#start(peer)
    await this.#simulation.run(300)
    const began = this.#wallClock()
    await Promise.all(keys.map((key) => this.#touch(key)))
    await this.#simulation.run(400)
    const known = this.#wallClock()
    for (const end = this.#simulation.now + faultsMs; this.#simulation.now < end;) {
      await this.#fault()
    }
    this.#simulation.conditions({ loss: 0, duplication: 0, reordering: 0 })
    for (const peer of this.#peers) {
      if (!this.#simulation.isRunning(peer.name)) await this.#start(peer)
    }
    this.#decide(this.#peers)
    await this.#simulation.run(2_500)
    for (const key of keys) await this.#check(key, began, known)
  }

  async #fault(): Promise<void> {
    const { random } = this.#simulation
    this.#simulation.conditions({
      loss: pick(random, [0, 0.02, 0.1]),
      duplication: pick(random, [0, 0.1]),
      delayMs: pick(random, [
        [0.2, 2],
        [1, 40]
      ] as const)
    })
    await this.#simulation.run(integerBetween(random, 100, 700))
    const victim = pick(random, this.#peers)
    if (!this.#simulation.isRunning(victim.name)) return
    this.#simulation.crash(victim.name)
    Object.assign(victim, { membership: undefined, state: undefined, agents: undefined })
    await this.#simulation.run(integerBetween(random, 20, 300))
    // Its peers may go on without it, or it is back before they notice.
    if (random.next() < 0.7) this.#decide(this.#peers.filter((peer) => peer !== victim))
    await this.#simulation.run(integerBetween(random, 100, 1_500))
    await this.#start(victim)
    if (this.#views.newest?.members.length !== names.length) this.#decide(this.#peers)
    await this.#simulation.run(integerBetween(random, 300, 1_000))
  }

  async #start(peer: Peer): Promise<void> {
    const node = this.#simulation.node(peer.name)
    peer.disk.boot++
    const membership = new FakeMembership({
      peer: peer.name,
      views: this.#views,
      disk: peer.disk,
      clock: node.clock
    })
    const parts = { rpc: node.rpc, membership, clock: node.clock, random: node.random }
    const state = createState(
      { ...parts, store: node.store },
      { ownTimeoutMs: 400, commitTimeoutMs: 400, requestTimeoutMs: 150, compareMs: 1_000 }
    )
    const agents = new ClusterAgents({ ...parts, state }, { types: [clock] }, this.#mutants)
    Object.assign(peer, { membership, state, agents })
    await this.#simulation.wait(Promise.resolve(state.start()))
    agents.start()
    const { number = 0 } = this.#views.newest ?? {}
    node.clock.schedule(1, () => {
      membership.learn(number)
      membership.learnSettled(this.#views.settled)
    })
  }

  #decide(members: readonly Peer[]): void {
    const view = this.#views.add(
      members.map(({ name, disk }) => ({ peer: name, incarnation: disk.incarnation }))
    )
    this.#simulation.log(`view ${view.number}: ${members.map(({ name }) => name).join(' ')}`)
    this.#tell((peer) => peer.membership?.learn(view.number))
  }

  #tell(task: (peer: Peer) => void): void {
    for (const peer of this.#peers) {
      this.#simulation.after(integerBetween(this.#simulation.random, 1, 80), () => task(peer))
    }
  }

  async #touch(key: string): Promise<void> {
    const agents = this.#peers[0]?.agents
    await this.#simulation.wait(agents?.agent(clock, key).call('touch', null))
  }

  #wallClock(): number {
    return this.#simulation.node('p0').clock.now()
  }

  async #check(key: string, began: number, known: number): Promise<void> {
    const id = clock.id(key)
    const ticks = ticksOf('steady', { every: '1s' }, slotOf(id, 2 ** 16) / 2 ** 16)
    // A tick at the edges may be in or out: the agent was new, or it is being served now.
    const now = this.#wallClock()
    const atLeast = countOf(ticks, known, now - 500)
    const atMost = countOf(ticks, began, now)
    const reading = this.#peers[0]?.agents?.agent(clock, key).state()
    const served = (await this.#simulation.wait(reading))?.value.ticks ?? 0
    if (served < atLeast || served > atMost) {
      throw new Error(`${id}: ${served} ticks served, of ${atLeast} to ${atMost}`)
    }
  }
}

function countOf(ticks: ReturnType<typeof ticksOf>, from: number, to: number): number {
  let count = 0
  for (let tick = ticks.after(from); tick !== undefined && tick * 1_000 <= to;) {
    count++
    tick = ticks.after(tick * 1_000)
  }
  return count
}
