import { defineAgent, Session } from '@murmuration/agent'
import { counter, map } from '@murmuration/crdt'
import type { Epoch, IdempotencyKey } from '@murmuration/interface'
import { integerBetween, pick } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import { z } from 'zod'
import type { Mutants } from '../../state/src/core/mutants.ts'
import { StateService } from '../../state/src/state.ts'
import { createSimulatedCluster } from '../src/index.ts'
import type { SimulatedCluster } from '../src/index.ts'

const members = ['m0', 'm1', 'm2', 'm3']
const edge = 'e0'
/** Another edge peer, which only calls. */
const caller = 'e1'
const faultsMs = 9000
const callTimeoutMs = 3000
const quietMs = 60_000
/** A run lasts a minute or two, after which no clock may be half a second off. */
const driftMax = 0.004

interface Call {
  readonly tag: string
  /** Calls that were acknowledged before this one was sent for the first time. */
  readonly after: number
  isAcknowledged: boolean
}

/** Rules of edge peers that a mutant breaks. */
export interface EdgesMutants extends Mutants {
  /** Lives of the edge peer are told apart by the boots of its disk, which begin anew with a lost one. */
  readonly boots?: boolean
}

export interface EdgesResult {
  readonly acknowledged: number
  readonly effects: number
}

/**
 * An agent that is pinned to an edge peer, which is killed, loses its disk, is stopped and cut off, as
 * members are, and is called through all of them. What was acknowledged is there afterwards and counts
 * once, also where the edge peer and one member lose their disks at one moment; no handler runs under
 * an older epoch than one before it; a call while the edge peer is gone says so.
 */
export async function runEdges(
  simulation: Simulation,
  { boots, ...mutants }: EdgesMutants = {}
): Promise<EdgesResult> {
  for (const name of [...members, edge, caller]) {
    simulation.drift(name, (simulation.random.next() - 0.5) * 2 * driftMax)
  }
  const run = new EdgesRun(simulation)
  const cluster = await createSimulatedCluster({
    simulation,
    peers: members,
    agents: [run.device],
    optionsOf: (name) => (members.includes(name) ? {} : { role: 'edge' }),
    adapt: (platform) => ({
      ...platform,
      openState: (components) => {
        if (platform.peer !== edge) return new StateService(components, {}, {})
        const seat = components.edge
        if (boots === true && seat !== undefined) {
          const { membership } = components
          Object.defineProperty(seat, 'number', { get: () => membership.self.boot })
        }
        return new StateService(components, {}, mutants)
      }
    })
  })
  await run.go(cluster)
  return run.result
}

function older(a: Epoch, b: Epoch): boolean {
  return a.view < b.view || (a.view === b.view && a.boot < b.boot)
}

/** A handler is an effect in the world outside of the cluster: when it runs, it has happened. */
function defineDevice(effect: (epoch: Epoch, what: string) => void) {
  return defineAgent({
    type: 'device',
    placement: 'pinned',
    state: { hits: map(counter()), total: counter() },
    actions: {
      add: {
        input: z.string(),
        output: z.number(),
        run: ({ input, state, epoch }) => {
          effect(epoch, `the handler for ${input}`)
          state.hits.get(input).increment()
          state.total.increment()
          return state.total.value
        }
      }
    }
  })
}

class EdgesRun {
  readonly device: ReturnType<typeof defineDevice>
  readonly #calls: Call[] = []
  readonly #simulation: Simulation
  readonly #session: Session
  readonly #paused = new Set<string>()
  #cluster: SimulatedCluster | undefined
  #epoch: Epoch = { view: 0, boot: 0 }
  #hasFaults = true
  #violation: Error | undefined
  #effects = 0

  constructor(simulation: Simulation) {
    this.#simulation = simulation
    this.#session = new Session(`client of seed ${simulation.seed}`)
    this.device = defineDevice((epoch, what) => this.#effect(epoch, what))
  }

  get result(): EdgesResult {
    const acknowledged = this.#calls.filter((call) => call.isAcknowledged).length
    return { acknowledged, effects: this.#effects }
  }

  async go(cluster: SimulatedCluster): Promise<void> {
    this.#cluster = cluster
    await this.#simulation.wait(Promise.all([edge, caller].map((name) => cluster.start(name))))
    this.#client()
    this.#nemesis()
    await this.#simulation.run(faultsMs / 2)
    await this.#disaster()
    this.#hasFaults = true
    this.#nemesis()
    await this.#simulation.run(faultsMs / 2)
    await this.#recover()
    await this.#finish()
    await this.#isGone()
    if (this.#violation !== undefined) throw this.#violation
  }

  get #there(): SimulatedCluster {
    if (this.#cluster === undefined) throw new Error('the cluster has not begun')
    return this.#cluster
  }

  #effect(epoch: Epoch, what: string): void {
    this.#effects++
    if (older(epoch, this.#epoch)) {
      const [was, is] = [epoch, this.#epoch].map(({ view, boot }) => `${view}.${boot}`)
      this.#violation ??= new Error(`${what} ran under ${was}, after another under ${is}`)
    } else {
      this.#epoch = { ...epoch }
    }
  }

  #client(): void {
    const { random } = this.#simulation
    const after = this.result.acknowledged
    const call = { tag: `t${this.#calls.length}`, after, isAcknowledged: false }
    this.#calls.push(call)
    this.#send(call, this.#session.open())
    if (this.#calls.length < 60) {
      this.#simulation.after(integerBetween(random, 50, 300), () => this.#client())
    }
  }

  /** Through a random peer, again and again until it is answered. */
  #send(call: Call, key: IdempotencyKey): void {
    const { random } = this.#simulation
    const again = (): void => {
      this.#simulation.after(integerBetween(random, 20, 400), () => this.#send(call, key))
    }
    const from = pick(random, this.#there.running)
    if (from === undefined) return again()
    const idempotencyKey = this.#session.refresh(key)
    let isSettled = false
    const settle = (then: () => void): void => {
      if (!isSettled) {
        isSettled = true
        stop()
        then()
      }
    }
    // A caller that dies never hears of its call, and one that is paused hears late.
    const stop = this.#simulation.after(callTimeoutMs * 4, () => settle(again))
    this.#there
      .peer(from)
      .agent(this.device, edge)
      .call('add', call.tag, { timeoutMs: callTimeoutMs, idempotencyKey })
      .then(
        (total) => {
          settle(() => {
            this.#simulation.log(`${call.tag} through ${from} is ${total}`)
            call.isAcknowledged = true
            if (total <= call.after) {
              this.#violation ??= new Error(
                `${call.tag} counts ${total}, after ${call.after} were acknowledged`
              )
            }
            this.#session.confirm(key.sequence)
          })
        },
        (error: unknown) => {
          this.#simulation.log(`${call.tag} through ${from} fails: ${String(error)}`)
          settle(again)
        }
      )
  }

  #nemesis(): void {
    const { random } = this.#simulation
    if (!this.#hasFaults) return
    const kind = random.next()
    if (kind < 0.3) {
      this.#crash(edge, random.next() < 0.5)
    } else if (kind < 0.5) {
      this.#crash(pick(random, members) ?? 'm0', false)
    } else if (kind < 0.65) {
      this.#pause(pick(random, [edge, edge, ...members]) ?? edge)
    } else {
      const all = [...members, edge, caller]
      const side = all.filter(() => random.next() < 0.4)
      this.#simulation.split(
        side,
        all.filter((one) => !side.includes(one))
      )
      this.#simulation.after(integerBetween(random, 100, 3000), () => this.#simulation.heal())
    }
    this.#simulation.after(integerBetween(random, 200, 1500), () => this.#nemesis())
  }

  /** The edge peer may die at any time, and of the members one at a time. */
  #crash(name: string, wiped: boolean): void {
    const down = members.filter((member) => !this.#there.isRunning(member))
    if (name !== edge && down.length > 0) return
    if (!this.#there.isRunning(name)) return
    const { random } = this.#simulation
    this.#paused.delete(name)
    this.#there.crash(name, { machine: random.next() < 0.3, wiped })
    this.#simulation.after(integerBetween(random, 100, 3000), () => this.#restart(name))
  }

  #restart(name: string): void {
    // It may be crashed again before it has come up.
    if (!this.#simulation.isRunning(name)) this.#there.start(name).catch(() => {})
  }

  #pause(name: string): void {
    this.#paused.add(name)
    this.#simulation.pause(name)
    this.#simulation.after(integerBetween(this.#simulation.random, 50, 9000), () => {
      if (this.#paused.delete(name)) this.#simulation.resume(name)
    })
  }

  /** When all is well, the edge peer and one member lose their disks at one moment. */
  async #disaster(): Promise<void> {
    await this.#recover()
    this.#there.crash(edge, { wiped: true })
    this.#there.crash(pick(this.#simulation.random, members) ?? 'm0', { wiped: true })
    await this.#recover()
  }

  async #recover(): Promise<void> {
    this.#hasFaults = false
    // What the nemesis has set in motion comes to its end.
    await this.#simulation.run(100)
    this.#simulation.heal()
    for (const name of [...members, edge, caller]) {
      if (this.#paused.delete(name)) this.#simulation.resume(name)
      this.#restart(name)
    }
    await this.#there.ready(members, quietMs)
    const isBack = (): boolean => [edge, caller].every((name) => this.#there.isRunning(name))
    if (!(await this.#simulation.until(isBack, quietMs)))
      throw new Error('an edge peer is not back')
  }

  async #finish(): Promise<void> {
    const isDone = (): boolean =>
      this.#calls.length >= 60 && this.#calls.every(({ isAcknowledged }) => isAcknowledged)
    if (!(await this.#simulation.until(isDone, quietMs))) {
      const open = this.#calls.find(({ isAcknowledged }) => !isAcknowledged)
      throw this.#violation ?? new Error(`${open?.tag} was never answered`)
    }
    for (const name of [...members, edge, caller]) {
      const ref = this.#there.peer(name).agent(this.device, edge)
      const { value } = await this.#simulation.wait(ref.state())
      for (const { tag } of this.#calls) {
        const count = value.hits[tag] ?? 0
        if (count !== 1) throw new Error(`${name} says that ${tag} counted ${count} times`)
      }
      if (value.total !== this.#calls.length) throw new Error(`the total is ${value.total}`)
    }
  }

  /** It is gone: calls say so, nobody else owns its agent, and it serves again when it is back. */
  async #isGone(): Promise<void> {
    const id = this.device.id(edge)
    this.#there.crash(edge)
    await this.#simulation.run(1000)
    const effects = this.#effects
    for (const name of [...members, caller]) {
      const peer = this.#there.peer(name)
      const call = peer.agent(this.device, edge).call('add', 'late', { timeoutMs: 1500 })
      const failed = await this.#simulation.wait(call.catch((error: unknown) => error))
      const found = await this.#simulation.wait(peer.registry.find(id))
      // Who asks through a member may be left with a question that nobody has answered yet.
      const names = ['UnavailableError', 'PeerUnavailableError']
      if (name === caller) names.push('DeadlineExceededError')
      const isTold = failed instanceof Error && names.includes(failed.name)
      if (!isTold) throw new Error(`a call through ${name} ends with ${String(failed)}`)
      if (found.status !== 'not-found') throw new Error(`${name} finds ${JSON.stringify(found)}`)
    }
    if (this.#effects !== effects) throw new Error('a handler ran though its peer was gone')
    await this.#simulation.wait(this.#there.start(edge))
    const ref = this.#there.peer('m0').agent(this.device, edge)
    const total = await this.#simulation.wait(ref.call('add', 'back', { timeoutMs: 20_000 }))
    if (total !== this.#calls.length + 1) throw new Error(`${total} are there after its return`)
    const found = await this.#simulation.wait(this.#there.peer('m1').registry.find(id))
    if (found.status !== 'remote' || found.peer !== edge) {
      throw new Error(`its agent is found as ${JSON.stringify(found)}`)
    }
  }
}
