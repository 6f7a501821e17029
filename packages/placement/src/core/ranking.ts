import type { Member } from '@murmuration/interface'
import { replicasMax } from '../defaults.ts'
import { negativeLog2 } from './logarithm.ts'
import { mix, peerSeed } from './peer-seed.ts'

/**
 * Ranks members for slots by weighted rendezvous hashing: each pair of slot and member has a
 * random number u, and the member with the highest weight / -ln(u) comes first (Schindelhauer and
 * Schomaker, "Weighted distributed hash tables", 2005). Here the reciprocal is compared, -log2(u) /
 * weight, where the lowest comes first. A member that joins or leaves changes nothing between the
 * others, and its share is its share of all weights.
 */
export class Ranking {
  readonly width: number
  readonly #members: readonly Member[]
  readonly #high: Uint32Array
  readonly #low: Uint32Array
  readonly #weights: Float64Array
  /** Number of the zone of each member. */
  readonly #zones: Uint16Array
  readonly #zoneCount: number
  /** Of the slot that is being ranked, by member. */
  readonly #costs: Float64Array
  readonly #hashHigh: Uint32Array
  readonly #hashLow: Uint32Array
  /** First members of the slot that is being ranked; room for one more than is kept. */
  readonly #first: Uint16Array
  readonly #leaders: Int32Array

  /** Without a label each member is a zone of its own. */
  constructor(members: readonly Member[], zoneLabel: string | undefined) {
    const count = members.length
    this.#members = members
    this.width = Math.min(replicasMax, count)
    this.#high = new Uint32Array(count)
    this.#low = new Uint32Array(count)
    this.#weights = new Float64Array(count)
    this.#zones = new Uint16Array(count)
    this.#costs = new Float64Array(count)
    this.#hashHigh = new Uint32Array(count)
    this.#hashLow = new Uint32Array(count)
    this.#first = new Uint16Array(this.width + 1)
    const zones = new Map<string, number>()
    for (const [index, member] of members.entries()) {
      const seed = peerSeed(member.peer)
      this.#high[index] = seed.high
      this.#low[index] = seed.low
      this.#weights[index] = member.weight
      // Without a label a member is a zone of its own: nothing is known that it shares.
      const label = zoneLabel === undefined ? undefined : member.labels[zoneLabel]
      const zone = label === undefined ? `peer ${member.peer}` : `zone ${label}`
      const number = zones.get(zone) ?? zones.size
      zones.set(zone, number)
      this.#zones[index] = number
    }
    this.#zoneCount = zones.size
    this.#leaders = new Int32Array(zones.size)
  }

  /**
   * Writes the first {@link width} members of a slot to `order`, as indices: first the best member
   * of each zone, then the others, both by rank. So the first is the best of all, and the first R
   * are in as many zones as can be, for every R.
   */
  rank(slot: number, order: Uint16Array): void {
    this.#hash(slot)
    if (this.#zoneCount === this.#members.length) {
      this.#select(order, this.#members.length, (position) => position)
      return
    }
    this.#rankByZone(order)
  }

  /**
   * How good the best of the first `count` members is for a slot, and the best of the others: at
   * first / second of their weights the former would be as good.
   */
  leads(slot: number, count: number): { readonly first: number; readonly second: number } {
    this.#hash(slot)
    let [first, second] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
    for (const [member, cost] of this.#costs.entries()) {
      if (member < count) first = Math.min(first, cost)
      else second = Math.min(second, cost)
    }
    return { first, second }
  }

  #hash(slot: number): void {
    const count = this.#members.length
    const salt = Math.imul(slot + 1, 0x9e37_79b1)
    for (let member = 0; member < count; member += 1) {
      const first = mix((this.#high[member] ?? 0) ^ salt)
      const second = mix((this.#low[member] ?? 0) + first)
      const high = mix(first + second) >>> 0
      const low = mix(second ^ high) >>> 0
      this.#hashHigh[member] = high
      this.#hashLow[member] = low
      this.#costs[member] = negativeLog2(high, low) / (this.#weights[member] ?? 1)
    }
  }

  #rankByZone(order: Uint16Array): void {
    this.#leaders.fill(-1)
    for (let member = 0; member < this.#members.length; member += 1) {
      const zone = this.#zones[member] ?? 0
      const leader = this.#leaders[zone] ?? -1
      if (leader < 0 || this.#isBefore(member, leader)) {
        this.#leaders[zone] = member
      }
    }
    const leading = this.#select(order, this.#zoneCount, (zone) => this.#leaders[zone] ?? 0)
    if (leading === this.width) {
      return
    }
    // At most `leading` of the best `width` members lead a zone: enough others are among them.
    const best = new Uint16Array(this.width)
    this.#select(best, this.#members.length, (position) => position)
    let filled = leading
    for (const member of best) {
      if (filled < this.width && this.#leaders[this.#zones[member] ?? 0] !== member) {
        order[filled] = member
        filled += 1
      }
    }
  }

  /** Writes the best of `count` candidates to `order`, at most {@link width}; returns how many. */
  #select(order: Uint16Array, count: number, candidate: (position: number) => number): number {
    const first = this.#first
    let filled = 0
    for (let position = 0; position < count; position += 1) {
      const member = candidate(position)
      let place = filled
      while (place > 0 && this.#isBefore(member, first[place - 1] ?? 0)) {
        // Beyond the width there is room for one, which is overwritten by the next.
        first[place] = first[place - 1] ?? 0
        place -= 1
      }
      if (place < this.width) {
        first[place] = member
        filled = Math.min(filled + 1, this.width)
      }
    }
    order.set(first.subarray(0, filled))
    return filled
  }

  /** Ties go to the greater hash, then to the lesser PeerId. */
  #isBefore(a: number, b: number): boolean {
    const difference = (this.#costs[a] ?? 0) - (this.#costs[b] ?? 0)
    if (difference !== 0) {
      return difference < 0
    }
    const high = (this.#hashHigh[a] ?? 0) - (this.#hashHigh[b] ?? 0)
    if (high !== 0) {
      return high > 0
    }
    const low = (this.#hashLow[a] ?? 0) - (this.#hashLow[b] ?? 0)
    if (low !== 0) {
      return low > 0
    }
    return (this.#members[a]?.peer ?? '') < (this.#members[b]?.peer ?? '')
  }
}
