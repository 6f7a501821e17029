import type { Member, View } from '@murmuration/interface'
import { acceptorsMax } from '../defaults.ts'
import { rank } from './rank.ts'

const known = new WeakMap<View, readonly Member[]>()

/**
 * The members that decide the next view, and on whom the verdict in a split is counted: all up to
 * 21; above, 21 by hashing, one zone after the other. Pure: equal on all peers.
 */
export function acceptorsOf(view: View): readonly Member[] {
  const before = known.get(view)
  if (before !== undefined) {
    return before
  }
  const acceptors = view.members.length <= acceptorsMax ? view.members : chooseAcceptors(view)
  known.set(view, acceptors)
  return acceptors
}

/**
 * Whether these peers can decide the view after this one: more than half of the weight of its
 * acceptors. With an even number of acceptors the tie-breaker of the view weighs 2.
 */
export function isMajority(view: View, peers: ReadonlySet<string>): boolean {
  const acceptors = acceptorsOf(view)
  const even = acceptors.length % 2 === 0
  let total = 0
  let present = 0
  for (const { peer } of acceptors) {
    const weight = even && peer === view.tieBreaker ? 2 : 1
    total += weight
    present += peers.has(peer) ? weight : 0
  }
  return 2 * present > total
}

function chooseAcceptors(view: View): readonly Member[] {
  const zones = new Map<string, Member[]>()
  for (const member of view.members) {
    const zone = member.labels[view.placement.zoneLabel] ?? ''
    const others = zones.get(zone)
    if (others === undefined) {
      zones.set(zone, [member])
    } else {
      others.push(member)
    }
  }
  const columns = [...zones]
    .map(([zone, members]) => ({ zone, members: byRank('acceptor', members) }))
    .toSorted((a, b) => compareRanked('zone', a.zone, b.zone))
  const chosen: Member[] = []
  for (let row = 0; chosen.length < acceptorsMax; row++) {
    for (const { members } of columns) {
      const member = members[row]
      if (member !== undefined && chosen.length < acceptorsMax) {
        chosen.push(member)
      }
    }
  }
  return chosen
}

function byRank(salt: string, members: readonly Member[]): Member[] {
  return members.toSorted((a, b) => compareRanked(salt, a.peer, b.peer))
}

/** Orders texts by hash, equal hashes by text: the same on every machine. */
export function compareRanked(salt: string, a: string, b: string): number {
  return rank(salt, a) - rank(salt, b) || (a < b ? -1 : a > b ? 1 : 0)
}
