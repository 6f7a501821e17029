import type { Member, OwnerShare, View } from '@murmuration/interface'
import { arrived, ownerPartOf, ownerWeightOf, rankingOf, unit } from './owners.ts'

/**
 * How near, as a part of its weight, a member on its way up must be to the last one to go on with it.
 * Who is further has to wait: those that rise together, in proportion, take nothing from each other.
 */
const nearness = 0.01

/** The members that rise next, and until what part of their weights before others rise with them. */
export interface Rise {
  /** PeerIds (text). */
  readonly peers: readonly string[]
  readonly until: number
}

/** Of those that own less than their weight says, and may rise, the last ones. */
export function riseOf(view: View, mayRise: (peer: string) => boolean): Rise {
  const rising = view.members
    .filter((member) => ownerPartOf(member) < 1 && mayRise(member.peer))
    .toSorted((a, b) => ownerPartOf(a) - ownerPartOf(b))
  const least = rising[0] === undefined ? 1 : ownerPartOf(rising[0])
  const isNear = (member: Member): boolean => ownerPartOf(member) <= least + nearness
  const further = rising.find((member) => !isNear(member))
  const until = further === undefined ? 1 : ownerPartOf(further)
  return { peers: rising.filter(isNear).map(({ peer }) => peer), until }
}

/**
 * The part of their weights, 0 to 1, from which on one of these members is the first of a slot, if
 * all of them rise and nothing else changes. Infinity without any.
 */
export function partsFor(view: View, peers: readonly string[]): (slot: number) => number {
  const rising = view.members.filter(({ peer }) => peers.includes(peer))
  const others = view.members.filter(
    (member) => !peers.includes(member.peer) && ownerWeightOf(member) > 0
  )
  const full = rising.map(arrived)

  const ranking = rankingOf([...full, ...others])
  return (slot) => {
    const { first, second } = ranking.leads(slot, full.length)
    return first / second
  }
}

/** The owner weights of members that have come to this part of their weights. */
export function sharesAt(view: View, peers: readonly string[], part: number): OwnerShare[] {
  return view.members
    .filter(({ peer }) => peers.includes(peer))
    .map((member) => {
      const whole = unit * member.weight
      const ownerWeight = Math.max(ownerWeightOf(member), Math.ceil(part * whole))
      return { peer: member.peer, ownerWeight: Math.min(whole, ownerWeight) }
    })
}

/** The view as it would be with these shares, to see who would own what. */
export function withShares(view: View, shares: readonly OwnerShare[]): View {
  const wanted = new Map(shares.map(({ peer, ownerWeight }) => [peer, ownerWeight]))
  const members = view.members.map((member) => {
    const ownerWeight = wanted.get(member.peer)
    return ownerWeight === undefined ? member : { ...member, ownerWeight }
  })
  return { ...view, members }
}

/**
 * The part of their weights to which members rise in one step: so far that at most `agentsMax` agents
 * change their owner, and those of one slot at least. `slots` names the slot of each agent that
 * rising to the end moves, or of those of them that move first, as often as there are such agents.
 */
export function nextPart(
  view: View,
  rise: Rise,
  slots: Iterable<number>,
  agentsMax: number
): number {
  const last = lastStep(slots, partsFor(view, rise.peers), agentsMax)
  return last === undefined ? rise.until : Math.min(rise.until, last * (1 + Number.EPSILON))
}

/**
 * The next owner weight of a member that falls to `target`: so far that at most `agentsMax` agents
 * change their owner, and those of one slot at least.
 */
export function nextFall(
  view: View,
  fall: { readonly peer: string; readonly target: number },
  slots: Iterable<number>,
  agentsMax: number
): number {
  const { peer, target } = fall
  const member = view.members.find((one) => one.peer === peer)
  const whole = unit * (member?.weight ?? 0)
  const partOfSlot = partsFor(view, [peer])
  const last = lastStep(slots, (slot) => -partOfSlot(slot), agentsMax)
  return last === undefined ? target : Math.max(target, Math.ceil(-last * whole) - 1)
}

/** Where the last slot is that one step takes; undefined where it takes them all. */
function lastStep(
  slots: Iterable<number>,
  placeOf: (slot: number) => number,
  agentsMax: number
): number | undefined {
  const counts = new Map<number, number>()
  for (const slot of slots) {
    counts.set(slot, (counts.get(slot) ?? 0) + 1)
  }
  const steps = [...counts]
    .map(([slot, count]) => ({ at: placeOf(slot), count }))
    .toSorted((a, b) => a.at - b.at)
  let taken = 0
  let last: number | undefined
  for (const { at, count } of steps) {
    if (taken > 0 && taken + count > agentsMax) {
      return last
    }
    taken += count
    last = at
  }
  return undefined
}
