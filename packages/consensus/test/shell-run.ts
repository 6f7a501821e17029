import { createMembership } from '@murmuration/membership'
import type { RegisterOutcome } from '@murmuration/interface'
import { createHistory, integerBetween, pick } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import { createRegisters } from '../src/index.ts'
import type { RegistersService } from '../src/index.ts'
import { assertRegisters } from './register-history.ts'
import type { RegisterHistory, RegisterInput } from './register-history.ts'

const names = ['a', 'b', 'c', 'd', 'e']
const faultsMs = 12_000
const keys = [
  { id: 'test/list/one', replicas: 3 },
  { id: 'test/list/two', replicas: 3 }
] as const

interface Peer {
  readonly name: string
  membership: ReturnType<typeof createMembership>
  registers: RegistersService
}

/** The whole package on agreed views: real membership, simulated network and disks. */
export class ShellRun {
  readonly #simulation: Simulation
  readonly #peers = new Map<string, Peer>()
  readonly #history: RegisterHistory = createHistory<RegisterInput, string>()
  #faults = true
  #running = 0
  #elements = 0
  #wiped = 0
  committed = 0

  constructor(simulation: Simulation) {
    this.#simulation = simulation
  }

  async run(): Promise<void> {
    const simulation = this.#simulation
    for (const name of names) {
      this.#start(name)
    }
    await this.#untilWhole(30_000)
    const { random } = simulation
    simulation.conditions({
      loss: pick(random, [0, 0.01, 0.05])!,
      duplication: pick(random, [0, 0.05])!,
      reordering: pick(random, [0, 0.3])!,
      delayMs: pick(random, [
        [0.2, 2],
        [1, 20]
      ] as const)!
    })
    for (let client = 0; client < 3; client++) {
      void this.#client()
    }
    this.#nemesis()
    await simulation.run(faultsMs)
    this.#faults = false
    simulation.heal()
    simulation.conditions({ loss: 0, duplication: 0, reordering: 0, delayMs: [0.2, 2] })
    for (const name of names) {
      simulation.resume(name)
      this.#start(name)
    }
    await this.#untilWhole(60_000)
    await simulation.until(() => this.#running === 0, 20_000)
    for (const [at] of keys.entries()) {
      const peer = pick(random, [...this.#peers.values()])!
      await simulation.wait(this.#operate(peer, at, true))
    }
    assertRegisters(this.#history)
  }

  /** Everybody is a member and everything is settled. */
  async #untilWhole(withinMs: number): Promise<void> {
    const isWhole = (): boolean =>
      [...this.#peers.values()].every(
        ({ membership }) =>
          membership.view?.members.length === names.length &&
          membership.settled === membership.view.number
      )
    if (!(await this.#simulation.until(isWhole, withinMs))) {
      const states = [...this.#peers.values()].map(
        ({ membership, name }) => `${name} ${membership.view?.number}/${membership.settled}`
      )
      throw new Error(`the cluster is not whole and settled: ${states.join(', ')}`)
    }
  }

  #start(name: string): void {
    if (this.#simulation.isRunning(name)) {
      return
    }
    const { rpc, store, clock, random, links } = this.#simulation.node(name)
    const membership = createMembership(
      { rpc, store, clock, random, discovery: links },
      { cluster: 'test', found: name === 'a', contacts: () => names, reporters: ['registers'] }
    )
    const registers = createRegisters({ rpc, membership, store, clock, random })
    this.#peers.set(name, { name, membership, registers })
    void Promise.resolve(membership.start()).then(() => registers.start())
  }

  async #client(): Promise<void> {
    this.#running++
    const { random } = this.#simulation
    for (let count = 0; count < 25 && this.#faults; count++) {
      await this.#operate(pick(random, [...this.#peers.values()])!, integerBetween(random, 0, 1))
      await this.#pause(integerBetween(random, 1, 800))
    }
    this.#running--
  }

  async #operate({ name, registers }: Peer, at: number, mustSucceed = false): Promise<void> {
    const key = keys[at]!
    const isRead = mustSucceed || this.#simulation.random.next() < 0.4
    this.#elements++
    const element = `${this.#elements}`
    const apply = (value: string): string =>
      isRead ? value : value === '' ? element : `${value},${element}`
    const pending = this.#history.invoke(name, key.id, { apply })
    const append = (value: Uint8Array | undefined): Uint8Array =>
      new TextEncoder().encode(apply(textOf(value)))
    // A peer that dies never answers.
    const late = new Promise<RegisterOutcome>((resolve) => {
      this.#simulation.after(3000, () => resolve({ status: 'unknown' }))
    })
    const options = { timeoutMs: 1500 }
    const answered = isRead ? registers.read(key, options) : registers.change(key, append, options)
    let outcome: RegisterOutcome
    try {
      outcome = await Promise.race([answered, late])
    } catch {
      // Not started yet: nothing was sent.
      outcome = { status: 'unavailable', reason: 'no-view' }
    }
    this.#simulation.log(`${name} ${isRead ? 'read' : element} of ${key.id}: ${outcome.status}`)
    if (outcome.status === 'committed') {
      this.committed++
      pending.ok(textOf(outcome.previous))
    } else if (mustSucceed) {
      throw new Error(`${key.id} cannot be read after the faults: ${outcome.status}`)
    } else if (outcome.status !== 'unknown' || isRead) {
      pending.failed()
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#simulation.after(ms, resolve)
    })
  }

  #nemesis(): void {
    const simulation = this.#simulation
    if (!this.#faults) {
      return
    }
    const { random } = simulation
    const kind = random.next()
    const name = pick(random, names)!
    if (kind < 0.4) {
      this.#crash(name)
    } else if (kind < 0.6) {
      simulation.pause(name)
      simulation.after(integerBetween(random, 50, 4000), () => simulation.resume(name))
    } else {
      const sides: [string[], string[]] = [[], []]
      names.forEach((one) => sides[random.next() < 0.3 ? 0 : 1].push(one))
      simulation.split(...sides)
      simulation.after(integerBetween(random, 100, 4000), () => simulation.heal())
    }
    simulation.after(integerBetween(random, 200, 4000), () => this.#nemesis())
  }

  #crash(name: string): void {
    const simulation = this.#simulation
    const { random } = simulation
    if (names.some((one) => !simulation.isRunning(one))) {
      return
    }
    const settled = [...this.#peers.values()].every(
      ({ membership }) =>
        membership.view !== undefined && membership.settled === membership.view.number
    )
    simulation.crash(name, { machine: random.next() < 0.5 })
    // One disk at most is lost between two moments at which everything is settled.
    const isWiped = name !== 'a' && this.#wiped === 0 && settled && random.next() < 0.5
    if (isWiped) {
      this.#wiped++
      simulation.wipe(name)
    }
    simulation.after(integerBetween(random, 100, 6000), () => {
      this.#start(name)
    })
  }
}

function textOf(value: Uint8Array | undefined): string {
  return value === undefined ? '' : new TextDecoder().decode(value)
}
