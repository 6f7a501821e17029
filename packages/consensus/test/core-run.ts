import { createHistory } from '@murmuration/testkit'
import type { PendingOperation, Simulation } from '@murmuration/testkit'
import type { RegisterOutcome } from '@murmuration/interface'
import type { Mutants } from '../src/core/mutants.ts'
import { CoreWorld } from './core-world.ts'
import type { Conditions, Peer } from './core-world.ts'
import { assertRegisters } from './register-history.ts'
import type { RegisterHistory, RegisterInput } from './register-history.ts'

const faultsMs = 1600
const operationMs = 400

/** What a run of the cores did, for tests that would show nothing without traffic. */
export interface CoreRunResult {
  readonly committed: number
  readonly unknown: number
  readonly unavailable: number
  readonly views: number
  readonly events: number
}

/** How hostile a run is, and what it looks for. Undefined parts are drawn at random. */
export interface CoreRunInit {
  readonly mutants?: Mutants
  /** Deletions beside changes. */
  readonly deletions?: boolean
  /** New views during traffic. */
  readonly viewChanges?: boolean
  readonly operations?: number
  /** Faults at the worst moments: part of the accepts that only one acceptor gets. */
  readonly strikes?: number
  readonly replicas?: number
  /** Part of the crashes that damage a record. */
  readonly damage?: number
  /** Fixed conditions of network, disks and news. */
  readonly conditions?: Partial<Conditions>
  /** Part of the faults that are a loss of power for everybody. */
  readonly powerCuts?: number
  /** Part of the reads after which everybody loses power at once. */
  readonly cutsAfterReads?: number
  /** Part of the changes whose caller takes the register for new; there are more registers then. */
  readonly firsts?: number
  /** Part of the faults that are a crash. */
  readonly crashes?: number
}

interface Register {
  readonly name: string
  values: number
}

/** An operation under way. */
interface Call {
  readonly input: RegisterInput
  readonly pending: PendingOperation<string>
}

/** One run: clients change registers through crashes, pauses, splits, wiped disks and new views. */
export class CoreRun {
  readonly #world: CoreWorld
  readonly #init: CoreRunInit
  readonly #registers: readonly Register[]
  #faults = true
  #issued = 0
  #open = 0
  readonly #history: RegisterHistory = createHistory<RegisterInput, string>()
  readonly #counts = { committed: 0, unknown: 0, unavailable: 0 }
  readonly #strikes: number
  readonly #deletions: boolean

  constructor(simulation: Pick<Simulation, 'random' | 'log' | 'trace'>, init: CoreRunInit = {}) {
    // Lines are only made where they are kept.
    simulation.log('a run of the cores')
    const isTraced = simulation.trace.length > 0
    const random = (): number => simulation.random.next()
    const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!
    const drawn = pick([3, 3, 3, 3, 3, 3, 2, 4, 5])
    const replicas = init.replicas ?? drawn
    const names = Array.from(
      { length: (random() < 0.8 ? 1 : 2) + ((init.firsts ?? 0) > 0 ? 4 : 0) },
      (_, index) => `00000/${replicas}//k${index}`
    )
    this.#world = new CoreWorld({
      random,
      mutants: init.mutants ?? {},
      count: replicas === 5 || random() < 0.3 ? 6 : 5,
      names,
      log: isTraced ? (line) => simulation.log(`${this.#world.now.toFixed(2)} ${line()}`) : () => {}
    })
    this.#init = init
    this.#registers = names.map((name) => ({ name, values: 0 }))
    this.#strikes = init.strikes ?? pick([0, 0, 0.1, 0.3])
    this.#deletions = init.deletions ?? random() < 0.3
  }

  run(): CoreRunResult {
    const world = this.#world
    this.#prepare()
    for (let client = 0; client < 4; client++) {
      world.timeline.after(world.random() * 5, () => this.#client())
    }
    world.timeline.after(10, () => this.#nemesis())
    // With nothing under way faults would find nothing.
    const total = this.#init.operations ?? 40
    world.timeline.runUntil(faultsMs, () => this.#issued >= total && this.#open === 0)
    this.#recover()
    assertRegisters(this.#history)
    return { ...this.#counts, views: world.views.length, events: world.timeline.events }
  }

  #prepare(): void {
    const world = this.#world
    const { conditions } = world
    conditions.loss = world.pick([0, 0.02, 0.1, 0.25])
    conditions.duplication = world.pick([0, 0.05, 0.2])
    conditions.slow = world.pick([0, 0.05, 0.2])
    conditions.diskMs = world.pick([0.3, 0.3, 4])
    conditions.newsMs = world.pick([60, 200, 500])
    Object.assign(conditions, this.#init.conditions)
    if (world.chance(0.4)) {
      world.pick(world.peers).lag = 8
    }
    if (this.#strikes > 0) {
      let victims = 0
      world.onSend = (from, to, request) => {
        // Of one accept only one acceptor hears, and sometimes its proposer is gone then.
        if (!this.#faults || !('value' in request) || from === to) {
          return false
        }
        if (victims > 0) {
          victims--
          return true
        }
        if (world.chance(this.#strikes / 3)) {
          victims = 1
          const { life } = from
          world.timeline.after(world.random() * 8, () => {
            if (from.life === life && world.chance(0.3)) {
              this.#crash(from)
            }
          })
          return true
        }
        return false
      }
    }
    const members = world.peers.slice(0, world.peers.length - world.between(0, 2))
    world.newView(members)
    world.peers.forEach((peer) => world.start(peer))
  }

  /** One operation after the other, each at some peer. */
  #client(): void {
    if (this.#issued >= (this.#init.operations ?? 40) || !this.#faults) {
      return
    }
    this.#issued++
    const world = this.#world
    this.#operate(world.pick(world.peers), world.pick(this.#registers), () => {
      world.timeline.after(world.random() * 12, () => this.#client())
    })
  }

  #operate(peer: Peer, register: Register, done: () => void): void {
    const world = this.#world
    const kind = world.random()
    let change: ((value: Uint8Array | undefined) => Uint8Array | undefined) | undefined
    let apply = (value: string): string => value
    if (kind < 0.4) {
      change = undefined
    } else if (kind < 0.5) {
      // A compare-and-set that misses, and must be agreed all the same.
      change = (value) => value
    } else if (this.#deletions && kind < 0.65) {
      change = () => undefined
      apply = () => ''
    } else {
      register.values++
      const element = register.values
      change = (value) => Uint8Array.of(...(value ?? []), element)
      apply = (value) => (value === '' ? String(element) : `${value},${element}`)
    }
    const isRead = change === undefined
    const input: RegisterInput = { apply }
    const pending = this.#history.invoke(peer.name, register.name, input)
    let isOver = false
    const { firsts = 0 } = this.#init
    const isNew = firsts > 0 && world.chance(firsts)
    const ended = (outcome: RegisterOutcome): void => {
      if (isOver) {
        return
      }
      isOver = true
      this.#open--
      this.#record(register, { input, pending }, outcome)
      if (isRead && outcome.status === 'committed') {
        this.#cutAfterRead()
      }
      done()
    }
    const operation = world.propose(peer, register.name, change, ended, isNew)
    if (operation === undefined) {
      pending.failed()
      done()
      return
    }
    this.#open++
    world.log(() => `${peer.name} ${isRead ? 'read' : apply('…')} of ${register.name}`)
    const { life } = peer
    world.timeline.after(operationMs, () => {
      if (peer.life === life) {
        operation.giveUp()
      }
      if (!isOver) {
        // Its peer died: nobody will ever tell.
        isOver = true
        this.#open--
        this.#record(register, { input, pending }, { status: 'unknown' })
        done()
      }
    })
  }

  #record(register: Register, { input: { apply }, pending }: Call, outcome: RegisterOutcome): void {
    this.#counts[outcome.status]++
    this.#world.log(
      () =>
        `${register.name} ${apply('…')}: ${outcome.status} ${outcome.status === 'committed' ? (outcome.previous?.join(',') ?? '') : ''}`
    )
    if (outcome.status === 'committed') {
      pending.ok(outcome.previous?.join(',') ?? '')
    } else if (outcome.status !== 'unknown' || apply('…') === '…') {
      // It had no effect: also where nobody knows how it ended, if it would leave the value alone.
      pending.failed()
    }
  }

  #nemesis(): void {
    const world = this.#world
    if (!this.#faults) {
      return
    }
    const kind = world.random()
    world.erase(world.pick(world.peers))
    if (world.chance(this.#init.powerCuts ?? 0.04)) {
      this.#cutPower()
    } else if (world.chance(this.#init.crashes ?? 0)) {
      this.#crash(world.pick(world.peers))
    } else if (kind < 0.25) {
      this.#cut()
    } else if (kind < 0.45) {
      this.#crash(world.pick(world.peers))
    } else if (kind < 0.55) {
      world.pick(world.peers).pausedUntil = world.now + world.random() * 150
    } else if (kind < 0.85 && this.#init.viewChanges !== false) {
      this.#changeView()
    } else if (kind > 0.97) {
      world.stray(world.pick(world.peers))
    }
    world.timeline.after(10 + world.random() * 90, () => this.#nemesis())
  }

  /** One-way and two-way cuts, of one peer or between two sides. */
  #cut(): void {
    const world = this.#world
    const count = world.peers.length
    const sides = world.peers.map(() => world.chance(0.5))
    const isOneWay = world.chance(0.3)
    for (let from = 0; from < count; from++) {
      for (let to = 0; to < count; to++) {
        const isCut = sides[from] !== sides[to] && (!isOneWay || sides[from] === true)
        world.blocked[from * count + to] = isCut && world.chance(0.9) ? 1 : 0
      }
    }
    world.log(() => `cut ${sides.map(Number).join('')}${isOneWay ? ' one way' : ''}`)
    world.timeline.after(20 + world.random() * 150, () => world.blocked.fill(0))
  }

  /** What a read has told is on disk, however soon the power fails. */
  #cutAfterRead(): void {
    const { cutsAfterReads = 0 } = this.#init
    if (cutsAfterReads > 0 && this.#faults && this.#world.chance(cutsAfterReads)) {
      this.#cutPower()
    }
  }

  /** Everybody is gone at once, with all that is not on disk. */
  #cutPower(): void {
    const world = this.#world
    for (const peer of world.peers) {
      if (peer.life !== undefined) {
        world.crash(peer)
        world.timeline.after(8 + world.random() * 10, () => this.#restart(peer))
      }
    }
  }

  #crash(peer: Peer): void {
    const world = this.#world
    if (
      !this.#faults ||
      peer.life === undefined ||
      world.peers.filter(({ life }) => life === undefined).length > 1
    ) {
      return
    }
    world.crash(peer)
    const kind = world.random()
    world.timeline.after(5, () => {
      if (kind < 0.25 && kind < 1 - (this.#init.damage ?? 0) && world.mayLose(peer)) {
        world.wipe(peer)
      } else if (kind > 1 - (this.#init.damage ?? 0.1) && world.mayLose(peer)) {
        world.damage(peer, world.pick(world.names))
      }
    })
    world.timeline.after(8 + world.random() * 120, () => this.#restart(peer))
  }

  #restart(peer: Peer): void {
    if (peer.life === undefined) {
      this.#world.start(peer)
    }
  }

  #members(): Peer[] {
    const members = this.#world.views.at(-1)?.members ?? []
    return this.#world.peers.filter(({ name }) => members.some((member) => member.peer === name))
  }

  #changeView(): void {
    const world = this.#world
    if (world.views.length - world.settled >= 6) {
      return
    }
    const members = this.#members()
    const peer = world.pick(world.peers)
    const kind = world.random()
    if (!members.includes(peer)) {
      world.newView([...members, peer])
    } else if (members.length > 3 && kind < 0.7) {
      world.newView(members.filter((one) => one !== peer))
    } else {
      world.newView(members)
    }
  }

  /** Without faults everything becomes settled and every register can be read and changed. */
  #recover(): void {
    const world = this.#world
    this.#faults = false
    world.blocked.fill(0)
    Object.assign(world.conditions, { loss: 0, duplication: 0, slow: 0, newsMs: 20, diskMs: 0.3 })
    for (const peer of world.peers) {
      peer.pausedUntil = 0
      peer.lag = 1
    }
    world.timeline.runUntil(world.now + 130)
    world.peers.forEach((peer) => this.#restart(peer))
    world.newView(world.peers)
    const isSettled = (): boolean => this.#open === 0 && world.settled === world.views.length
    world.timeline.runUntil(world.now + 4000, isSettled)
    if (!isSettled()) {
      throw new Error(
        `no progress: view ${world.settled} of ${world.views.length} is settled, ${this.#open} operations wait`
      )
    }
    world.timeline.runUntil(world.now + 60)
    for (const register of this.#registers) {
      for (const isRead of [true, false, true]) {
        this.#probe(register, isRead)
      }
    }
  }

  #probe(register: Register, isRead: boolean): void {
    const world = this.#world
    let outcome: RegisterOutcome | undefined
    const peer = world.pick(world.peers)
    const input: RegisterInput = { apply: (value) => value }
    const pending = this.#history.invoke(peer.name, register.name, input)
    world.propose(peer, register.name, isRead ? undefined : (value) => value, (result) => {
      outcome = result
    })
    world.timeline.runUntil(world.now + 1000, () => outcome !== undefined)
    if (outcome?.status !== 'committed') {
      throw new Error(`${register.name} cannot be used after the faults: ${outcome?.status}`)
    }
    this.#record(register, { input, pending }, outcome)
  }
}
