import type { RegisterOutcome, StoreLife } from '@murmuration/interface'
import { createHistory } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import { compareBallots } from '../src/core/ballot.ts'
import type { Mutants } from '../src/core/mutants.ts'
import type { Accepted } from '../src/core/requests.ts'
import { CoreWorld } from './core-world.ts'
import type { Peer } from './core-world.ts'
import { assertRegisters } from './register-history.ts'
import type { RegisterHistory, RegisterInput } from './register-history.ts'

const trafficMs = 400
const operationMs = 300

/**
 * A majority of a home set loses its disks at once. Until an operator gives them up nothing is
 * settled and no register answers; afterwards every register goes on from the newest value that a
 * survivor has, and from no other one.
 */
export class AbandonRun {
  readonly #world: CoreWorld
  readonly #name: string
  #values = 0
  #open = 0
  #isBusy = true

  constructor(simulation: Pick<Simulation, 'random'>, mutants: Mutants = {}) {
    const random = (): number => simulation.random.next()
    const replicas = random() < 0.5 ? 3 : 5
    this.#name = `00000/${replicas}//k0`
    this.#world = new CoreWorld({
      random,
      mutants,
      count: replicas + 3,
      names: [this.#name],
      log: () => {}
    })
  }

  run(): void {
    const world = this.#world
    world.conditions.loss = world.pick([0.1, 0.3])
    const home = world.peers.slice(0, world.peers.length - 3)
    world.newView(world.peers, home)
    world.peers.forEach((peer) => world.start(peer))
    for (let client = 0; client < 3; client++) {
      this.#client()
    }
    world.timeline.runUntil(trafficMs)
    this.#isBusy = false
    world.timeline.runUntil(world.now + 3 * operationMs, () => this.#open === 0)
    const lost = world.shuffled(home).slice(0, (home.length + 1) / 2)
    const lives = lost.map((peer) => this.#lose(peer))
    const survivors = world.peers.filter((peer) => !lost.includes(peer))
    world.conditions.loss = 0
    // Where no survivor of the old home set is in the new one, only a question brings its value there.
    const next = world.chance(0.5) ? world.peers.filter((peer) => !home.includes(peer)) : undefined
    world.newView(survivors, next)
    this.#expectStuck(survivors)
    const best = this.#newest(survivors.filter((peer) => home.includes(peer)))
    // Majorities form without those who are slow, and nobody says that they have the newest value.
    Object.assign(world.conditions, { slow: 0.3, slowMs: 50 })
    world.newView(survivors, next, lives)
    this.#expectValue(survivors, best)
  }

  #client(): void {
    const world = this.#world
    if (!this.#isBusy) {
      return
    }
    this.#values++
    const element = this.#values
    this.#open++
    const done = (): void => {
      this.#open--
      world.timeline.after(world.random() * 12, () => this.#client())
    }
    this.#operate(world.pick(world.peers), element, done)
  }

  /** An element is added, or, where there is none, the value is read. */
  #operate(
    peer: Peer,
    element: number | undefined,
    done: (outcome: RegisterOutcome) => void
  ): void {
    const world = this.#world
    const change = (value: Uint8Array | undefined): Uint8Array => {
      return Uint8Array.of(...(value ?? []), element ?? 0)
    }
    let isOver = false
    const once = (outcome: RegisterOutcome): void => {
      if (!isOver) {
        isOver = true
        done(outcome)
      }
    }
    const operation = world.propose(
      peer,
      this.#name,
      element === undefined ? undefined : change,
      once
    )
    world.timeline.after(operationMs, () => {
      operation?.giveUp()
      once({ status: 'unknown' })
    })
  }

  #lose(peer: Peer): StoreLife {
    const life = { peer: peer.name, incarnation: peer.disk.incarnation }
    this.#world.crash(peer)
    this.#world.wipe(peer)
    return life
  }

  #newest(peers: readonly Peer[]): string {
    let best: Accepted | undefined
    for (const { disk } of peers) {
      const accepted = disk.records.get(this.#name)?.accepted
      const isBetter =
        accepted !== undefined &&
        (best === undefined || compareBallots(accepted.ballot, best.ballot) > 0)
      best = isBetter ? accepted : best
    }
    return best?.value?.join(',') ?? ''
  }

  #expectStuck(survivors: readonly Peer[]): void {
    const world = this.#world
    let outcome: RegisterOutcome | undefined
    this.#operate(world.pick(survivors), undefined, (found) => {
      outcome = found
    })
    world.timeline.runUntil(world.now + 2 * operationMs)
    if (world.settled > 1) {
      throw new Error('a view was settled without a majority of the home set before it')
    }
    if (outcome?.status === 'committed') {
      throw new Error('a register answered without a majority of its former home set')
    }
  }

  /** All read and change at once: they go on from one value, and the view becomes settled. */
  #expectValue(survivors: readonly Peer[], best: string): void {
    const world = this.#world
    const history: RegisterHistory = createHistory<RegisterInput, string>()
    // What is there from now on begins with it.
    history.invoke('before', this.#name, { apply: () => best }).ok('')
    let open = survivors.length
    for (const [at, peer] of survivors.entries()) {
      const element = at % 2 === 0 ? 100 + at : undefined
      const apply = (value: string): string => {
        return element === undefined ? value : value === '' ? `${element}` : `${value},${element}`
      }
      const start = (): void => {
        const pending = history.invoke(peer.name, this.#name, { apply })
        this.#operate(peer, element, (outcome) => {
          open--
          if (outcome.status === 'committed') {
            pending.ok(outcome.previous?.join(',') ?? '')
          } else if (outcome.status === 'unavailable' || element === undefined) {
            pending.failed()
          }
        })
      }
      // After everybody has heard of the view, which takes as long as news may take.
      world.timeline.after(2 * world.conditions.newsMs + world.random() * 20, start)
    }
    const isDone = (): boolean => open === 0 && world.settled === world.views.length
    world.timeline.runUntil(world.now + 4000, isDone)
    if (!isDone()) {
      throw new Error(`no progress: view ${world.settled} of ${world.views.length} is settled`)
    }
    if (
      history.operations.every(({ client, outcome }) => {
        return client === 'before' || outcome.status !== 'ok'
      })
    ) {
      throw new Error('no register answers although its lost disks were given up')
    }
    assertRegisters(history)
  }
}
