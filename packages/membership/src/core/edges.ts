import type { View } from '@murmuration/interface'
import { fullMeshMax, ringCount } from '../defaults.ts'
import { compareRanked } from './quorum.ts'

/** Who watches whom in one view. */
export interface Edges {
  /** The members that this one sends heartbeats to and judges. */
  watchedBy(peer: string): readonly string[]
  /** The members that judge this one: one per ring, so a name may stand there twice. */
  observersOf(peer: string): readonly string[]
}

const known = new WeakMap<View, Edges>()

/**
 * Everybody watches everybody up to 11 members. Above, the members stand on 10 rings, each in its
 * own order by hash, and watch their successors: a graph in which no small cut isolates many
 * (Rapid, Suresh et al., USENIX ATC 2018).
 */
export function edgesOf(view: View): Edges {
  const before = known.get(view)
  if (before !== undefined) {
    return before
  }
  const peers = view.members.map(({ peer }) => peer)
  const edges = peers.length <= fullMeshMax ? meshOf(peers) : ringsOf(peers)
  known.set(view, edges)
  return edges
}

function meshOf(peers: readonly string[]): Edges {
  const others = (peer: string): readonly string[] => peers.filter((other) => other !== peer)
  return { watchedBy: others, observersOf: others }
}

function ringsOf(peers: readonly string[]): Edges {
  const watched = new Map<string, Set<string>>(peers.map((peer) => [peer, new Set()]))
  const observers = new Map<string, string[]>(peers.map((peer) => [peer, []]))
  for (let ring = 0; ring < ringCount; ring++) {
    const order = peers.toSorted((a, b) => compareRanked(`ring ${ring}`, a, b))
    for (const [index, peer] of order.entries()) {
      const next = order[(index + 1) % order.length] ?? peer
      watched.get(peer)?.add(next)
      observers.get(next)?.push(peer)
    }
  }
  return {
    watchedBy: (peer) => [...(watched.get(peer) ?? [])],
    observersOf: (peer) => observers.get(peer) ?? []
  }
}
