import type { Member, View } from '@murmuration/interface'
import { Ranking } from './ranking.ts'

/** Thousandths of a weight of one. */
export const unit = 1000

/** Whether a member of the view runs more or fewer agents than its weight says. */
export function isInMotion({ members }: View): boolean {
  return members.some(({ ownerWeight }) => ownerWeight !== undefined)
}

/** By what weight a member owns agents, in thousandths. */
export function ownerWeightOf({ ownerWeight, weight }: Member): number {
  return ownerWeight ?? unit * weight
}

/** The same as a part of its weight: 1 where it is not on its way. */
export function ownerPartOf(member: Member): number {
  return ownerWeightOf(member) / (unit * member.weight)
}

/** The member as it is at the end of its way. */
export function arrived(member: Member): Member {
  const { ownerWeight: _, ...record } = member
  return record
}

/** Ranks members by the weights by which they own agents; who has none is left out. */
export class OwnerRanking {
  readonly #members: readonly Member[]
  readonly #ranking: Ranking
  /** The first of each slot: 0 until it was asked for, then its index and one. */
  readonly #first: Uint16Array
  readonly #order: Uint16Array

  constructor(members: readonly Member[], slots: number) {
    this.#members = members.filter((member) => ownerWeightOf(member) > 0)
    this.#ranking = rankingOf(this.#members)
    this.#first = new Uint16Array(slots)
    this.#order = new Uint16Array(this.#ranking.width)
  }

  /** Undefined where nobody owns anything: then everybody does, by weight. */
  firstOf(slot: number): Member | undefined {
    if (this.#members.length === 0) {
      return undefined
    }
    let first = this.#first[slot] ?? 0
    if (first === 0) {
      this.#ranking.rank(slot, this.#order)
      first = (this.#order[0] ?? 0) + 1
      this.#first[slot] = first
    }
    return this.#members[first - 1]
  }
}

/** Without zones: the best in rank is the same one with them. */
export function rankingOf(members: readonly Member[]): Ranking {
  const weighed = members.map((member) => ({ ...member, weight: ownerWeightOf(member) / unit }))
  return new Ranking(weighed, undefined)
}
