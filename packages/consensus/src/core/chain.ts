import type { View } from '@murmuration/interface'
import { homeSetOf, isSameSet, survivorsOf } from './home-set.ts'
import type { Group, HomeSet, Homes } from './home-set.ts'
import type { Mutants } from './mutants.ts'
import type { AskedSet } from './tally.ts'

/** The adopted views from the oldest unsettled one to the newest, as one peer knows them. */
export class Chain {
  readonly views: readonly View[]
  /** The newest view: the fence of this peer. */
  readonly view: View
  readonly #homes: Homes
  readonly #mutants: Mutants
  readonly #sets = new Map<string, readonly AskedSet[]>()
  #all: HomeSet | undefined

  constructor(views: readonly View[], homes: Homes, mutants: Mutants = {}) {
    const view = views.at(-1)
    if (view === undefined) {
      throw new RangeError('a chain has at least one view')
    }
    this.views = views
    this.view = view
    this.#homes = homes
    this.#mutants = mutants
  }

  get number(): number {
    return this.view.number
  }

  /** All data of older views is in the home sets of this one. */
  get settled(): number {
    return this.views[0]?.number ?? this.number
  }

  /** All members of the newest view. */
  get everybody(): HomeSet {
    this.#all ??= homeSetOf(this.view, this.view.members)
    return this.#all
  }

  /** The home set in the newest view. */
  home(group: Group): HomeSet {
    return this.#homes(this.view, group)
  }

  /** The home set in an unsettled view. */
  homeIn(number: number, group: Group): HomeSet | undefined {
    const view = this.views[number - this.settled]
    return view === undefined ? undefined : this.#homes(view, group)
  }

  /** The different home sets of the views from `since` on, the newest view's last. */
  homesSince(since: number, group: Group): readonly AskedSet[] {
    const key = `${since}/${group}`
    let sets = this.#sets.get(key)
    if (sets === undefined) {
      sets = this.#collect(since, group)
      this.#sets.set(key, sets)
    }
    return sets
  }

  #collect(since: number, group: Group): readonly AskedSet[] {
    const sets: AskedSet[] = []
    for (const view of this.views) {
      if (view.number >= since) {
        const whole = this.#homes(view, group)
        const isNewest = view === this.view
        const set = isNewest ? whole : survivorsOf(whole, this.view, this.#mutants)
        const known = sets.findIndex((other) => isSameSet(other, set))
        const [same] = known < 0 ? [] : sets.splice(known, 1)
        sets.push(same ?? { ...set, from: view.number })
      }
    }
    return sets
  }
}

/** Whose promises are needed: majorities of all home sets that may hold something. */
export function setsToAsk(
  chain: Chain,
  group: Group,
  since: number,
  mutants: Mutants
): readonly AskedSet[] {
  if (mutants.naiveSwitch === true || mutants.newestSetOnly === true) {
    return chain.homesSince(chain.number, group)
  }
  const from = mutants.previousViewOnly === true ? Math.max(since, chain.number - 1) : since
  return chain.homesSince(from, group)
}
