import { decode, encode } from '@murmuration/codec'
import { createSimulation } from '@murmuration/testkit'
import type { CrashOptions, Simulation, SimulationInit } from '@murmuration/testkit'
import type { Clock, Reachability, View } from '@murmuration/interface'
import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'
import { standardRules } from '../src/core/rules.ts'
import type { Rules } from '../src/core/rules.ts'
import type { JoiningMembership, MembershipInit } from '../src/index.ts'
import { MembershipService } from '../src/membership.ts'

/** What one life of a node did. */
export interface Life {
  readonly name: string
  readonly membership: JoiningMembership
  readonly views: View[]
  readonly settled: number[]
  readonly reachability: { readonly peer: string; readonly reachability: Reachability }[]
}

export interface ClusterInit extends Partial<SimulationInit> {
  /** Where the members run. @default a new one, made of these options */
  readonly simulation?: Simulation
  readonly rules?: Rules
  /** Reports each view as settled as soon as it is adopted. @default true */
  readonly settles?: boolean
  /** How fast the clock of a node goes; 1 is right. @default 1 for all */
  readonly paceOf?: (name: string) => number
}

/** Simulated members, and the checks that hold at all times. */
export class Cluster {
  readonly simulation: Simulation
  readonly lives = new Map<string, Life>()
  /** Every view that anybody ever showed, by lineage-free number: there must be one of each. */
  readonly #decided = new Map<number, string>()
  readonly #highest = new Map<string, number>()
  readonly #rules: Rules
  readonly #settles: boolean
  readonly #paceOf: (name: string) => number
  readonly #names = new Set<string>()
  #lineage = ''
  #failure: string | undefined

  constructor(init: ClusterInit = {}) {
    this.simulation = init.simulation ?? createSimulation({ seed: 1, ...init })
    this.#rules = init.rules ?? standardRules
    this.#settles = init.settles ?? true
    this.#paceOf = init.paceOf ?? (() => 1)
  }

  /** Starts a node that asks all nodes there ever were. The first one founds the cluster. */
  start(name: string, init: Partial<MembershipInit> = {}): Life {
    const isFirst = this.#names.size === 0
    this.#names.add(name)
    const { random, rpc, links, store, ...node } = this.simulation.node(name)
    const clock = drifting(node.clock, this.#paceOf(name))
    const contacts = (): readonly string[] => [...this.#names].filter((other) => other !== name)
    const membership = new MembershipService(
      { clock, random, rpc, store, discovery: links },
      { cluster: 'test', found: isFirst, contacts, ...init },
      this.#rules
    )
    const life: Life = { name, membership, views: [], settled: [], reachability: [] }
    this.lives.set(name, life)
    membership.addEventListener('view', ({ detail }) => {
      life.views.push(detail.view)
      this.#check(name, detail.view)
      if (this.#settles) {
        clock.schedule(5, () => {
          // It may be removed or stopped by now.
          if (membership.view?.number === detail.view.number) {
            membership.reportSettled(detail.view.number)
          }
        })
      }
    })
    membership.addEventListener('settled', ({ detail }) => life.settled.push(detail.settled))
    membership.addEventListener('reachability', ({ detail }) => life.reachability.push(detail))
    const resume = (): void => {
      if (membership.view !== undefined) {
        this.#check(name, membership.view)
        if (this.#settles) {
          membership.reportSettled(membership.view.number)
        }
      }
    }
    // A test that expects a failure awaits `start` itself.
    membership.start().then(resume, () => {})
    return life
  }

  /** A cluster of so many nodes named a, b, c …, all in one view. */
  async form(count: number): Promise<readonly string[]> {
    const names = namesOf(count)
    for (const name of names) {
      this.start(name)
    }
    await this.agree(names)
    return names
  }

  crash(name: string, options: CrashOptions = {}): void {
    this.simulation.crash(name, options)
    this.lives.delete(name)
  }

  of(name: string): JoiningMembership {
    const life = this.lives.get(name)
    if (life === undefined) {
      throw new Error(`${name} is down`)
    }
    return life.membership
  }

  /** The name of this line of views, after the founder of the first one. */
  get lineage(): string {
    return this.#lineage
  }

  members(name: string): readonly string[] {
    return this.of(name).view?.members.map(({ peer }) => peer) ?? []
  }

  isAgreed(names: readonly string[]): boolean {
    const expected = [...names].toSorted().join(' ')
    const numbers = new Set(names.map((name) => this.of(name).view?.number))
    return numbers.size === 1 && names.every((name) => this.members(name).join(' ') === expected)
  }

  /** The same, and all of them are up. */
  isAgreedOf(names: readonly string[]): boolean {
    return names.every((name) => this.lives.has(name)) && this.isAgreed(names)
  }

  /** Runs until exactly these nodes are the members of one view on all of them. */
  async agree(names: readonly string[], withinMs = 20_000): Promise<number> {
    const before = this.simulation.now
    if (!(await this.simulation.until(() => this.isAgreed(names), withinMs))) {
      const shown = names.map((name) => {
        return `${name}: ${this.of(name).view?.number} [${this.members(name).join(' ')}]`
      })
      throw new Error(
        `seed ${this.simulation.seed}: ${names.join(' ')} do not agree\n${shown.join('\n')}`
      )
    }
    return this.simulation.now - before
  }

  /** I4: one view per number; numbers never go down on one node, not even over restarts. */
  #check(name: string, view: View): void {
    const members = view.members.map(({ peer }) => peer).join(' ')
    this.simulation.log(`${name} adopts view ${view.number}: ${members}`)
    const text = toString(encode(view), 'base16')
    const before = this.#decided.get(view.number) ?? text
    this.#decided.set(view.number, before)
    if (view.number === 1) {
      const [founder] = view.members
      this.#lineage = `${founder?.peer}#${founder?.incarnation}`
    }
    if (before !== text) {
      const shown = JSON.stringify(decode(fromString(before, 'base16')))
      this.#failure ??= `two views ${view.number}:\n${shown}\n${JSON.stringify(view)}`
    }
    const highest = this.#highest.get(name) ?? 0
    if (view.number < highest) {
      this.#failure ??= `${name} went from view ${highest} back to ${view.number}`
    }
    this.#highest.set(name, Math.max(highest, view.number))
  }

  /** A wiped node has no past. */
  wipe(name: string): void {
    this.simulation.wipe(name)
    this.#highest.delete(name)
  }

  /**
   * I8: whoever may be replaced does not act. A peer that came back holds a lease again, as another
   * tenure, which those who did not see it come back do not know.
   */
  checkLeases(): void {
    const lives = [...this.lives.values()].filter(({ name }) => this.simulation.isRunning(name))
    for (const { name, membership: holder } of lives) {
      if (holder.view === undefined || !holder.lease.held) {
        continue
      }
      const own = holder.view.members.find(({ peer }) => peer === name)
      for (const { name: by, membership: other } of lives) {
        const knows = (own?.since ?? 0) <= (other.view?.number ?? 0)
        if (knows && other.mayReplace(holder.self)) {
          const { remainingMs } = holder.lease
          this.#failure ??=
            `${by} may replace ${name}, which holds its lease for ${remainingMs.toFixed(0)} ms more ` +
            `in view ${holder.view.number}`
        }
      }
    }
  }

  /** Throws what an event handler found, which could not throw it itself. */
  assertSound(): void {
    if (this.#failure !== undefined) {
      throw new Error(`seed ${this.simulation.seed}: ${this.#failure}`)
    }
  }
}

/** A clock that goes faster or slower than the right one, all of it. */
function drifting(clock: Clock, pace: number): Clock {
  if (pace === 1) {
    return clock
  }
  return {
    now: () => clock.now() * pace,
    monotonic: () => clock.monotonic() * pace,
    schedule: (delayMs, task) => clock.schedule(delayMs / pace, task)
  }
}

export function namesOf(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => String.fromCharCode(97 + index))
}
