import { InvalidParametersError } from '@murmuration/interface'
import type { Clock, Random } from '@murmuration/interface'
import { LocalTime } from './local-time.ts'
import { SimulatedNetwork } from './network.ts'
import type { NetworkConditions } from './network.ts'
import { SimulatedProcess } from './process.ts'
import { createRandom } from './random.ts'
import { Scheduler } from './scheduler.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import type { UnsyncedFate } from './simulated-disk.ts'
import { SimulatedLinks } from './simulated-links.ts'
import { SimulatedRpc } from './simulated-rpc.ts'
import type { CrashOptions, Simulation, SimulationInit, SimulatedNode } from './index.ts'

/** Lines of trace that are kept; the oldest ones go first. */
const traceLinesMax = 20_000
/** Quartz drifts by thousandths of a percent; protocols allow for a few percent. */
const driftMax = 0.5

/** What stays of a node from life to life. */
interface Machine {
  readonly disk: SimulatedDisk
  readonly random: Random
  readonly time: LocalTime
  life: number
  process: SimulatedProcess | undefined
  node: SimulatedNode | undefined
  rpc: SimulatedRpc | undefined
}

export class DeterministicSimulation implements Simulation {
  readonly seed: number
  readonly random: Random
  readonly trace: string[] = []
  readonly #scheduler = new Scheduler()
  readonly #network: SimulatedNetwork
  readonly #machines = new Map<string, Machine>()
  readonly #init: SimulationInit

  constructor(init: SimulationInit) {
    this.seed = init.seed
    this.#init = init
    this.random = createRandom(init.seed, 'test')
    const network = createRandom(init.seed, 'network')
    this.#network = new SimulatedNetwork(this.#scheduler, network, (line) => this.#log(line))
    this.conditions(init.network ?? {})
  }

  get now(): number {
    return this.#scheduler.now
  }

  log(line: string): void {
    this.#log(() => line)
  }

  conditions(conditions: Partial<NetworkConditions>): void {
    Object.assign(this.#network.conditions, conditions)
  }

  node(name: string): SimulatedNode {
    const machine = this.#machine(name)
    return machine.node ?? this.#boot(name, machine)
  }

  isRunning(name: string): boolean {
    return this.#machines.get(name)?.process?.alive === true
  }

  crash(name: string, options: CrashOptions = {}): void {
    const machine = this.#machine(name)
    if (machine.process === undefined) {
      return
    }
    this.#log(() => `${name} crashes${options.machine === true ? ' with its machine' : ''}`)
    this.#network.detach(machine.process, options.machine === true)
    const fate: UnsyncedFate = options.unsynced ?? 'some'
    machine.disk.crash(fate)
    machine.process = undefined
    machine.node = undefined
    machine.rpc = undefined
  }

  wipe(name: string): void {
    if (this.isRunning(name)) {
      throw new InvalidParametersError(`${name} is running: crash it before its disk is wiped`)
    }
    this.#log(() => `the disk of ${name} is wiped`)
    this.#machine(name).disk.wipe()
  }

  failWrites(name: string, failing: boolean): void {
    this.#machine(name).disk.failing = failing
  }

  skew(name: string, skewMs: number): void {
    this.#machine(name).time.skewMs = skewMs
  }

  drift(name: string, parts: number): void {
    if (!(Math.abs(parts) <= driftMax)) {
      throw new InvalidParametersError(`a clock drifts by ${driftMax} at most, not ${parts}`)
    }
    this.#log(() => `the clock of ${name} drifts by ${parts}`)
    this.#machine(name).time.rate = 1 + parts
  }

  limitDisk(name: string, bytesMax: number): void {
    this.#log(() => `the disk of ${name} holds ${bytesMax} bytes`)
    this.#machine(name).disk.bytesMax = bytesMax
  }

  flipBit(name: string, key?: string): string | undefined {
    const damaged = this.#machine(name).disk.damage(key)
    this.#log(() => `the value of ${damaged} on the disk of ${name} is damaged`)
    return damaged
  }

  pause(name: string): void {
    this.#log(() => `${name} is paused`)
    this.#machine(name).process?.pause()
  }

  resume(name: string): void {
    this.#log(() => `${name} goes on`)
    this.#machine(name).process?.resume()
  }

  block(from: string, to: string): void {
    this.#log(() => `messages from ${from} to ${to} are dropped`)
    this.#network.block(from, to)
  }

  unblock(from: string, to: string): void {
    this.#network.unblock(from, to)
  }

  blockAll(from: readonly string[], to: readonly string[]): void {
    this.#log(() => `messages from ${from.join(' ')} to ${to.join(' ')} are dropped`)
    for (const name of from) {
      for (const other of to.filter((one) => one !== name)) {
        this.#network.block(name, other)
      }
    }
  }

  majoritiesRing(names: readonly string[]): void {
    this.#log(() => `each of ${names.join(' ')} sees its nearest majority only`)
    const reach = Math.ceil(Math.floor(names.length / 2) / 2)
    for (const [at, name] of names.entries()) {
      for (const [place, other] of names.entries()) {
        const apart = Math.abs(at - place)
        if (Math.min(apart, names.length - apart) > reach) {
          this.#network.block(name, other)
        }
      }
    }
  }

  split(...sides: readonly (readonly string[])[]): void {
    this.#log(() => `split ${sides.map((side) => side.join(' ')).join(' | ')}`)
    for (const [index, side] of sides.entries()) {
      const others = sides.filter((_, position) => position !== index).flat()
      for (const name of side) {
        for (const other of others) {
          this.#network.block(name, other)
        }
      }
    }
  }

  heal(): void {
    this.#log(() => 'the network is whole')
    this.#network.unblockAll()
  }

  disconnect(a: string, b: string): void {
    this.#network.disconnect(a, b)
  }

  after(delayMs: number, task: () => void): () => void {
    const event = this.#scheduler.schedule(delayMs, task)
    return () => {
      event.cancelled = true
    }
  }

  async run(durationMs: number): Promise<void> {
    await this.#scheduler.runUntil(this.now + durationMs)
  }

  until(done: () => boolean, withinMs: number): Promise<boolean> {
    return this.#scheduler.runUntil(this.now + withinMs, done)
  }

  async wait<T>(promise: Promise<T> | T, withinMs = 60_000): Promise<T> {
    let settled: { readonly value: T } | { readonly error: unknown } | undefined
    Promise.resolve(promise).then(
      (value) => {
        settled = { value }
      },
      (error: unknown) => {
        settled = { error }
      }
    )
    await this.until(() => settled !== undefined, withinMs)
    if (settled === undefined) {
      throw new Error(`not settled within ${withinMs} ms of virtual time (seed ${this.seed})`)
    }
    if ('error' in settled) {
      throw settled.error
    }
    return settled.value
  }

  #machine(name: string): Machine {
    const known = this.#machines.get(name)
    if (known !== undefined) {
      return known
    }
    const random = createRandom(this.seed, `disk of ${name}`)
    const machine: Machine = {
      disk: new SimulatedDisk(random, this.#init.diskMs ?? [0.05, 0.3]),
      random,
      time: new LocalTime(() => this.#scheduler.now),
      life: 0,
      process: undefined,
      node: undefined,
      rpc: undefined
    }
    this.#machines.set(name, machine)
    return machine
  }

  #boot(name: string, machine: Machine): SimulatedNode {
    machine.life++
    const process = new SimulatedProcess(name, machine.life, this.#scheduler)
    const find = (peer: string): SimulatedRpc | undefined => this.#machines.get(peer)?.rpc
    const rpc = new SimulatedRpc(process, this.#network, find)
    const links = new SimulatedLinks(process, this.#network)
    machine.process = process
    machine.rpc = rpc
    machine.node = {
      name,
      life: machine.life,
      clock: process.clock(machine.time),
      random: createRandom(this.seed, `${name}/${machine.life}`),
      rpc,
      links,
      store: machine.disk.open(process, () => this.#scheduler.now)
    }
    this.#log(() => `${name} starts, life ${machine.life}`)
    this.#network.attach({
      process,
      connected: (peer) => {
        links.safeDispatchEvent('connected', { detail: { peer } })
      },
      disconnected: (peer) => {
        rpc.disconnected(peer)
        links.safeDispatchEvent('disconnected', { detail: { peer } })
      }
    })
    return machine.node
  }

  #log(line: () => string): void {
    if (this.#init.trace !== true) {
      return
    }
    this.trace.push(`${this.now.toFixed(2).padStart(10)} ${line()}`)
    if (this.trace.length > traceLinesMax) {
      this.trace.splice(0, traceLinesMax / 2)
    }
  }
}

/** The clock of a test itself: it dies with no node. */
export function testClock(simulation: Simulation): Clock {
  return {
    now: () => 1_700_000_000_000 + simulation.now,
    monotonic: () => simulation.now,
    schedule: (delayMs, task) => simulation.after(delayMs, task)
  }
}
