import { createRegisters } from '@murmuration/consensus'
import { isFactual } from '@murmuration/interface'
import { createMembership } from '@murmuration/membership'
import { assertLinearizable, createHistory, listModel } from '@murmuration/testkit'
import type { History, ListInput, ListOutput, Simulation } from '@murmuration/testkit'
import type { StrongResult } from '../src/index.ts'
import type { Mutants } from '../src/core/mutants.ts'
import { StateService } from '../src/state.ts'
import { pick } from './world.ts'

const NAMES = ['a', 'b', 'c', 'd']
const IDS = ['test/strong/x', 'test/strong/y']
const CLIENTS = 3
const OPERATIONS = 8
/** A peer that dies never answers. */
const ANSWER_MS = 2_500

export interface StrongRunInit {
  readonly mutants?: Mutants
}

interface Peer {
  readonly name: string
  readonly state: StateService
  readonly size: () => number
}

/**
 * Clients append to lists in the strong state of agents, by read-modify-write from any peer, while
 * peers crash, freeze and come back, messages are lost and agents move with the views. The history
 * must be linearizable, and each append must be there once.
 */
export async function runStrong(simulation: Simulation, init: StrongRunInit = {}): Promise<void> {
  await new StrongRun(simulation, init.mutants ?? {}).run()
}

class StrongRun {
  readonly #simulation: Simulation
  readonly #mutants: Mutants
  readonly #peers = new Map<string, Peer>()
  readonly #history: History<ListInput, ListOutput>

  constructor(simulation: Simulation, mutants: Mutants) {
    this.#simulation = simulation
    this.#mutants = mutants
    this.#history = createHistory(() => simulation.now)
  }

  async run(): Promise<void> {
    const simulation = this.#simulation
    for (const name of NAMES) {
      this.#start(name)
      await simulation.run(200)
    }
    const whole = await simulation.until(
      () => [...this.#peers.values()].every(({ size }) => size() === NAMES.length),
      30_000
    )
    if (!whole) throw new Error('the peers did not come together')
    const { random } = simulation
    simulation.conditions({ loss: random.next() < 0.5 ? 0 : random.next() * 0.05 })
    const clients = Promise.all(Array.from({ length: CLIENTS }, (_, at) => this.#client(`c${at}`)))
    const faults = this.#faults()
    await simulation.wait(Promise.all([clients, faults]), 300_000)
    simulation.heal()
    simulation.conditions({ loss: 0 })
    for (const name of NAMES) {
      simulation.resume(name)
      if (!simulation.isRunning(name)) this.#start(name)
    }
    await simulation.wait(this.#readAll(), 120_000)
    assertLinearizable(this.#history.operations, listModel)
  }

  #start(name: string): void {
    const { rpc, store, clock, random, links } = this.#simulation.node(name)
    const membership = createMembership(
      { rpc, store, clock, random, discovery: links },
      {
        cluster: 'test',
        found: name === 'a',
        contacts: () => NAMES,
        reporters: ['state', 'registers']
      }
    )
    const registers = createRegisters({ rpc, membership, store, clock, random })
    const components = { rpc, membership, store, clock, random, registers }
    const state = new StateService(components, { requestTimeoutMs: 500 }, this.#mutants)
    const size = (): number => membership.view?.members.length ?? 0
    this.#peers.set(name, { name, state, size })
    void Promise.resolve(membership.start()).then(async () => {
      await state.start()
      await registers.start()
    })
  }

  async #faults(): Promise<void> {
    const simulation = this.#simulation
    const { random } = simulation
    for (let fault = 0; fault < 3; fault++) {
      await this.#wait(200 + random.next() * 2_000)
      const name = pick(random, NAMES)
      if (random.next() < 0.6) {
        simulation.crash(name, { machine: random.next() < 0.5 })
        await this.#wait(random.next() * 4_000)
        this.#start(name)
      } else if (random.next() < 0.5) {
        simulation.pause(name)
        await this.#wait(500 + random.next() * 8_000)
        simulation.resume(name)
      } else {
        simulation.split(
          [name],
          NAMES.filter((other) => other !== name)
        )
        await this.#wait(500 + random.next() * 8_000)
        simulation.heal()
      }
    }
  }

  async #client(session: string): Promise<void> {
    const { random } = this.#simulation
    for (let sequence = 1; sequence <= OPERATIONS; sequence++) {
      const id = pick(random, IDS)
      await (random.next() < 0.3
        ? this.#read(session, id)
        : this.#append(session, id, `${session}.${sequence}`, sequence))
      await this.#wait(random.next() * 300)
    }
  }

  async #read(client: string, id: string): Promise<void> {
    const operation = this.#history.invoke(client, id, { kind: 'read' })
    const found = await this.#persist(id, (peer) => peer.state.strong.read(record(id)))
    if (found === undefined) operation.failed()
    else operation.ok({ list: listOf(found.value) })
  }

  async #append(session: string, id: string, element: string, sequence: number): Promise<void> {
    const operation = this.#history.invoke(session, id, { kind: 'append', element })
    const key = { session, sequence, lowest: sequence }
    const first = await this.#persist(id, (peer) => peer.state.strong.read(record(id)))
    if (first === undefined) return operation.failed()
    /** What the list would be, by the version that it was computed from. */
    const tried = new Map([[first.version, [...listOf(first.value), element]]])
    let expected = first.version
    for (let run = 0; run < 20; run++) {
      const change = { key, expected, value: tried.get(expected) }
      const result = await this.#persist<StrongResult>(id, (peer) =>
        peer.state.strong.update(record(id), change)
      )
      if (result === undefined) return
      if (result.status === 'applied') {
        const list = tried.get(result.version - 1)
        return operation.ok(list === undefined ? {} : { list })
      }
      expected = result.version
      tried.set(expected, [...listOf(result.value), element])
    }
  }

  /** Asks any peer, again and again; undefined when that is given up. */
  async #persist<T>(id: string, ask: (peer: Peer) => Promise<T>): Promise<T | undefined> {
    const simulation = this.#simulation
    for (let attempt = 0; attempt < 40; attempt++) {
      const running = [...this.#peers.values()].filter(({ name }) => simulation.isRunning(name))
      const asked = ask(pick(simulation.random, running)).catch((error: unknown) => {
        // Nobody will ever know: the checker takes it for one that may take effect at any time.
        if (isFactual(error) && error.name === 'KeyExpiredError') return 'lost' as const
        return 'again' as const
      })
      const late = this.#wait(ANSWER_MS).then(() => 'again' as const)
      const answer = await Promise.race([asked, late])
      if (answer === 'lost') return undefined
      if (answer !== 'again') return answer
      await this.#wait(50 + simulation.random.next() * 200)
    }
    simulation.log(`${id}: given up`)
    return undefined
  }

  async #readAll(): Promise<void> {
    for (const id of IDS) await this.#read('last', id)
  }

  #wait(durationMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#simulation.after(durationMs, resolve)
    })
  }
}

function record(id: string) {
  return { id, placement: 'hash', replicas: 3 } as const
}

function listOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : []
}
