import type { Random } from '@murmuration/interface'
import type { SimulatedProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'

/** How the simulated network treats messages; all of it may change during a run. */
export interface NetworkConditions {
  /**
   * Shortest and longest time of a message on its way, in milliseconds; most take little more than
   * the shortest. @default [0.2, 4]
   */
  delayMs: readonly [number, number]
  /** Part of the messages that never arrive, 0 to 1. @default 0 */
  loss: number
  /** Part of the messages that arrive twice, 0 to 1. @default 0 */
  duplication: number
  /** Part of the messages that later ones may overtake, 0 to 1. @default 0 */
  reordering: number
}

/** What dialling a peer finds. `refused`: its machine is up and nothing listens there. */
export type DialResult = 'reachable' | 'refused' | 'silent'

/** What a node hears of its connections. */
export interface Endpoint {
  readonly process: SimulatedProcess
  connected(peer: string): void
  disconnected(peer: string): void
}

/** One connection. It is closed for each side when that side notices. */
interface Link {
  readonly sides: readonly [SimulatedProcess, SimulatedProcess]
  readonly closedFor: Set<SimulatedProcess>
}

/** Messages between processes, over connections that break. */
export class SimulatedNetwork {
  readonly conditions: NetworkConditions = {
    delayMs: [0.2, 4],
    loss: 0,
    duplication: 0,
    reordering: 0
  }
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly #trace: (line: () => string) => void
  readonly #endpoints = new Map<string, Endpoint>()
  readonly #links = new Map<string, Link>()
  readonly #blocked = new Set<string>()
  readonly #machinesDown = new Set<string>()
  /** When the last message in order of one direction arrives. */
  readonly #lastArrival = new Map<string, number>()

  constructor(scheduler: Scheduler, random: Random, trace: (line: () => string) => void) {
    this.#scheduler = scheduler
    this.#random = random
    this.#trace = trace
  }

  attach(endpoint: Endpoint): void {
    const { name } = endpoint.process
    this.#endpoints.set(name, endpoint)
    this.#machinesDown.delete(name)
    // A machine that is back answers old connections with a reset.
    for (const link of this.#links.values()) {
      if (link.sides.some((side) => side.name === name && side !== endpoint.process)) {
        this.#close(link)
      }
    }
  }

  /** Ends a process. Its machine closes the connections, unless the whole machine is gone. */
  detach(process: SimulatedProcess, machineDown: boolean): void {
    process.die()
    if (machineDown) {
      this.#machinesDown.add(process.name)
      return
    }
    for (const link of this.#links.values()) {
      if (link.sides.includes(process)) {
        this.#close(link)
      }
    }
  }

  /** Drops all messages from one node to another without closing anything. */
  block(from: string, to: string): void {
    this.#blocked.add(arrow(from, to))
  }

  unblock(from: string, to: string): void {
    this.#blocked.delete(arrow(from, to))
  }

  unblockAll(): void {
    this.#blocked.clear()
  }

  /** Closes the connection of two nodes; both hear of it and may connect again. */
  disconnect(a: string, b: string): void {
    const link = this.#links.get(pair(a, b))
    if (link !== undefined) {
      this.#close(link)
    }
  }

  isConnected(process: SimulatedProcess, peer: string): boolean {
    const link = this.#links.get(pair(process.name, peer))
    return link !== undefined && link.sides.includes(process) && !link.closedFor.has(process)
  }

  connectedOf(process: SimulatedProcess): string[] {
    return [...this.#endpoints.keys()]
      .filter((name) => name !== process.name && this.isConnected(process, name))
      .toSorted()
  }

  /** Opens a connection where there is none. */
  connect(from: SimulatedProcess, to: string): DialResult {
    if (!from.alive) {
      // Its node may run again, with a connection of its own that must not be replaced.
      return 'silent'
    }
    if (this.isConnected(from, to)) {
      return 'reachable'
    }
    const found = this.dial(from.name, to)
    const target = this.#endpoints.get(to)
    if (found !== 'reachable' || target === undefined) {
      return found
    }
    this.#links.set(pair(from.name, to), {
      sides: [from, target.process],
      closedFor: new Set()
    })
    this.#trace(() => `${from.name} connects to ${to}`)
    const own = this.#endpoints.get(from.name)
    from.post(0, 'message', () => own?.connected(to))
    target.process.post(this.#delay(), 'message', () => target.connected(from.name))
    return 'reachable'
  }

  /** What a new connection to this node would find. */
  dial(from: string, to: string): DialResult {
    const cut = this.#blocked.has(arrow(from, to)) || this.#blocked.has(arrow(to, from))
    if (cut || this.#machinesDown.has(to)) {
      return 'silent'
    }
    const target = this.#endpoints.get(to)
    if (target === undefined || !target.process.alive) {
      return 'refused'
    }
    return target.process.paused ? 'silent' : 'reachable'
  }

  /** A time that one message takes now. */
  delay(): number {
    return this.#delay()
  }

  /**
   * Sends over the open connection: `deliver` runs in the other process, once, twice or never. The
   * text is for the trace.
   */
  send(from: SimulatedProcess, to: string, what: string, deliver: () => void): void {
    const link = this.#links.get(pair(from.name, to))
    const target = link?.sides.find((side) => side !== from)
    if (link === undefined || target === undefined || !from.alive || link.closedFor.has(from)) {
      return
    }
    const way = arrow(from.name, to)
    if (this.#blocked.has(way) || this.#random.next() < this.conditions.loss) {
      this.#trace(() => `${way} ${what} is lost`)
      return
    }
    const copies = this.#random.next() < this.conditions.duplication ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      let arrival = this.#scheduler.now + this.#delay()
      if (this.#random.next() >= this.conditions.reordering) {
        arrival = Math.max(arrival, this.#lastArrival.get(way) ?? 0)
        this.#lastArrival.set(way, arrival)
      }
      target.post(arrival - this.#scheduler.now, 'message', () => {
        if (!link.closedFor.has(target)) {
          this.#trace(() => `${way} ${what}`)
          deliver()
        }
      })
    }
  }

  /** Most messages are fast and a few are slow, as on real networks. */
  #delay(): number {
    const [low, high] = this.conditions.delayMs
    return low + this.#random.next() ** 3 * (high - low)
  }

  #close(link: Link): void {
    const [a, b] = link.sides
    for (const [side, other] of [
      [a, b],
      [b, a]
    ] as const) {
      side.post(this.conditions.delayMs[0], 'message', () => {
        if (link.closedFor.has(side)) {
          return
        }
        link.closedFor.add(side)
        this.#trace(() => `${side.name} loses its connection to ${other.name}`)
        const current = this.#links.get(pair(a.name, b.name))
        if (current === link || current === undefined) {
          this.#endpoints.get(side.name)?.disconnected(other.name)
        }
      })
    }
  }
}

function arrow(from: string, to: string): string {
  return `${from}→${to}`
}

function pair(a: string, b: string): string {
  return a < b ? `${a}—${b}` : `${b}—${a}`
}
