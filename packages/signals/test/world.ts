import type { Signal, SignalRoute } from '@murmuration/interface'
import { integerBetween } from '@murmuration/testkit'
import type { SimulatedNode, Simulation } from '@murmuration/testkit'
import type { Mutants } from '../src/core/mutants.ts'
import type { SignalBus } from '../src/index.ts'
import { createMutatedSignals } from '../src/signals.ts'
import { fakeSigner } from './fakes.ts'
import { SimGossip } from './sim-gossip.ts'

/** What is written into every signal: who published it, and as which one of its stream. */
export interface Payload {
  /** First segment, and who alone it is for. */
  readonly stream: string
  readonly author: string
  readonly life: number
  readonly number: number
  readonly poison: boolean
}

/** A durable subscription of a run. */
export interface Wanted {
  readonly name: string
  readonly group: boolean
  readonly pattern: string
  readonly peers: readonly string[]
  /** Whether it has been subscribed, so that everything accepted from then on is for it. */
  ready: boolean
  /** Accepted before that, which it must not get. */
  readonly before: Set<string>
}

/** One life of a peer. */
export interface Life {
  readonly node: SimulatedNode
  readonly bus: SignalBus
  /** Resolves when its subscriptions are there. */
  ready: boolean
  /** Number of the last publication by stream. */
  readonly next: Map<string, number>
}

/** A handler that has returned. */
interface Handling {
  readonly id: string
  readonly subscription: string
  readonly peer: string
  readonly life: number
  readonly at: number
  readonly payload: Payload
}

/** How soon after a handler has returned that is durable, at the slowest. */
const progressMs = 60

/** The peer that alone subscribes to a topic, by first segment. */
const targets: Readonly<Record<string, string>> = { alert: 'c' }

/** How soon after it was told of a dead letter is in the list, at the slowest. */
const letterMs = 60

/** Peers with a bus each, what they were promised, and what became of it. */
export class World {
  readonly simulation: Simulation
  readonly gossip: SimGossip
  readonly names: readonly string[]
  readonly lives = new Map<string, Life>()
  readonly subscriptions: readonly Wanted[]
  readonly violations: string[] = []
  readonly handled: Handling[] = []
  /** Dead letters that are kept with a reason: whose, and the id. */
  readonly dead = new Set<string>()
  readonly accepted: { readonly signal: Signal<Payload>; readonly wanted: readonly Wanted[] }[] = []
  /** When lives of peers ended, by `peer life`. */
  readonly #ends = new Map<string, number>()
  readonly #mutants: Mutants
  members: readonly string[]

  constructor(
    simulation: Simulation,
    names: readonly string[],
    subscriptions: readonly Wanted[],
    mutants: Mutants,
    named = false
  ) {
    this.simulation = simulation
    this.gossip = new SimGossip(simulation)
    this.gossip.named = named
    this.names = names
    this.members = names
    this.subscriptions = subscriptions
    this.#mutants = mutants
  }

  start(name: string): void {
    const node = this.simulation.node(name)
    const { clock, random, rpc, store } = node
    const bus = createMutatedSignals(
      {
        peer: name,
        clock,
        random,
        rpc,
        store,
        signer: fakeSigner(name, clock),
        gossip: this.gossip.join(node),
        view: () => this.members,
        defer: (task) => void clock.schedule(0, task)
      },
      {},
      this.#mutants
    )
    const life: Life = { node, bus, ready: false, next: new Map() }
    this.lives.set(name, life)
    // Told before it is written: what counts is what the list has.
    const look = (): void =>
      void clock.schedule(letterMs, () => {
        this.#readLetters(bus).catch((error: unknown) => this.fail(`${name}: ${String(error)}`))
      })
    bus.events.addEventListener('dead-letter', look)
    this.#begin(life).catch((error: unknown) => this.fail(`${name}: ${String(error)}`))
  }

  crash(name: string, unsynced: 'lost' | 'some' | 'torn'): void {
    const life = this.lives.get(name)
    if (life === undefined || !this.simulation.isRunning(name)) {
      return
    }
    this.#ends.set(`${name} ${life.node.life}`, this.simulation.now)
    this.simulation.crash(name, { unsynced })
  }

  fail(what: string): void {
    this.simulation.log(`!! ${what}`)
    this.violations.push(what)
  }

  alive(): Life[] {
    return [...this.lives.values()].filter(({ node }) => this.simulation.isRunning(node.name))
  }

  /** Publishes at least once; repeats it under the same id where it was not accepted, sometimes. */
  async publish(life: Life, type: string, poison: boolean): Promise<void> {
    const { bus, node } = life
    const topic = type.split('.')[0] ?? ''
    const target = targets[topic]
    const count = (name: string): number => life.next.get(name) ?? 0
    // In turn to all, and to the one peer that listens.
    const targeted = target !== undefined && count(`${topic} ${target}`) < count(topic)
    const stream = targeted ? `${topic} ${target}` : topic
    const number = count(stream) + 1
    life.next.set(stream, number)
    const payload: Payload = { stream, author: node.name, life: node.life, number, poison }
    const wanted = this.subscriptions.filter(({ ready }) => ready)
    const subject = `s${integerBetween(this.simulation.random, 0, 3)}`
    const input = {
      type,
      subject,
      data: payload,
      id: `${node.name}/${node.life}/${stream}/${type}/${number}`
    }
    const route: SignalRoute = targeted ? { targeted: [target] } : 'cluster'
    const options = { delivery: 'at-least-once', timeoutMs: 1500, route } as const
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      const result = await bus.publish(input, options).catch(() => undefined)
      if (result?.accepted === true) {
        this.simulation.log(`accepted ${input.id} (${result.copies} copies)`)
        const signal = { specversion: '1.0', source: '', ...input } as Signal<Payload>
        this.accepted.push({ signal, wanted })
      }
      // The answer may have been lost on the way to whoever asked: the same is published again.
      if (result?.accepted === true && this.simulation.random.next() < 0.8) {
        return
      }
    }
  }

  /** Promises that are not kept yet. */
  open(): string[] {
    const handled = new Set(this.handled.map(({ id, subscription }) => `${subscription} ${id}`))
    const open: string[] = []
    for (const { signal, wanted } of this.accepted) {
      for (const { group, name, pattern, peers } of wanted) {
        if (!signal.type.startsWith(pattern.slice(0, pattern.indexOf('.') + 1))) {
          continue
        }
        const keys = group ? [name] : peers.map((peer) => `${peer}/${name}`)
        for (const key of keys) {
          if (!handled.has(`${key} ${signal.id}`) && !this.dead.has(`${key} ${signal.id}`)) {
            open.push(`${key} ${signal.id}`)
          }
        }
      }
    }
    return open
  }

  async #begin(life: Life): Promise<void> {
    const { bus, node } = life
    await bus.start()
    await this.#readLetters(bus)
    for (const wanted of this.subscriptions) {
      if (wanted.peers.includes(node.name)) {
        await this.#subscribe(life, wanted)
      }
    }
    life.ready = true
    const ready = (name: string): boolean => this.lives.get(name)?.ready === true
    for (const wanted of this.subscriptions) {
      if (!wanted.ready && wanted.peers.every(ready)) {
        for (const { signal } of this.accepted) {
          wanted.before.add(signal.id)
        }
        wanted.ready = true
      }
    }
  }

  /** A dead letter stands for a signal only with the peer that was to have it, or the group. */
  async #readLetters({ deadLetters }: SignalBus): Promise<void> {
    for (const { peer, reason, signal, subscription } of await deadLetters.list()) {
      const key = peer === undefined ? subscription : `${peer}/${subscription}`
      if (reason === '') {
        this.fail(`the dead letter of ${key} for ${signal.id} has no reason`)
      }
      this.dead.add(`${key} ${signal.id}`)
    }
  }

  async #subscribe(life: Life, wanted: Wanted): Promise<void> {
    const { bus, node } = life
    const { group, name, pattern } = wanted
    const key = group ? name : `${node.name}/${name}`
    const early = wanted.ready ? new Set<string>() : new Set(this.accepted.map((a) => a.signal.id))
    let last = new Map<string, number>()
    for (;;) {
      try {
        await bus.subscribeDurably(
          pattern,
          async (signal) => {
            const { random } = node
            const delay = random.next() < 0.3 ? random.next() * 20 : 0
            await new Promise<void>((resolve) => node.clock.schedule(delay, resolve))
            const payload = signal.data as Payload
            if (payload.poison || random.next() < 0.1) {
              throw new Error('not now')
            }
            const { id } = signal
            const { life: number, name: peer } = node
            const at = this.simulation.now
            this.#check({ id, subscription: key, peer, life: number, at, payload }, last, early)
          },
          { name, group, attemptsMax: 4, timeoutMs: 2000 }
        )
        return
      } catch (error) {
        if (!this.simulation.isRunning(node.name)) {
          return
        }
        this.simulation.log(`${node.name} cannot subscribe: ${String(error)}`)
        last = new Map()
      }
    }
  }

  #check(handling: Handling, last: Map<string, number>, early: ReadonlySet<string>): void {
    const { id, payload, peer, subscription } = handling
    this.simulation.log(`${peer} handles ${id} for ${subscription}`)
    const stream = `${payload.author} ${payload.life} ${payload.stream}`
    if (payload.number <= (last.get(stream) ?? 0)) {
      this.fail(`${subscription} of ${peer} got ${id} out of order, after ${last.get(stream)}`)
    }
    last.set(stream, payload.number)
    if (early.has(id)) {
      this.fail(`${subscription} got ${id}, which is older than itself`)
    }
    for (const before of this.handled) {
      if (before.id === id && before.subscription === subscription) {
        const end = this.#ends.get(`${before.peer} ${before.life}`) ?? Infinity
        if (end - before.at > progressMs) {
          this.fail(`${subscription} got ${id} twice`)
        }
      }
    }
    this.handled.push(handling)
  }
}
