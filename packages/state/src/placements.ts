import type { AgentRecord, Member, View } from '@murmuration/interface'
import { createPlacement, pinnedPeer } from '@murmuration/placement'
import type { Placement } from '@murmuration/placement'
import { edgeIncarnation } from './core/homes.ts'
import type { Homes } from './core/homes.ts'

interface Cached {
  readonly placement: Placement
  readonly homes: Homes
}

const cache = new WeakMap<View, Cached>()

function cached(view: View): Cached {
  let found = cache.get(view)
  if (found === undefined) {
    const placement = createPlacement(view)
    const homes: Homes = {
      homeOf: (agent) => placement.homeOf(agent),
      ownerOf: (agent) => placement.ownerOf(agent) ?? placement.homeOf(agent)[0]
    }
    found = { placement, homes }
    cache.set(view, found)
  }
  return found
}

/** The placement of a view, made once for each view object. */
export function placementOf(view: View): Placement {
  return cached(view).placement
}

/**
 * Who keeps documents. Differs from the placement where an agent is pinned to a peer that is not in
 * the view: then the first replica keeps its copies complete, without serving it.
 */
export function homesOf(view: View): Homes {
  return cached(view).homes
}

/** The peer outside the view to which an agent is pinned: an edge peer, if it is any. */
export function edgeOf(view: View, agent: AgentRecord): string | undefined {
  const peer = pinnedPeer(agent)
  return peer === undefined || placementOf(view).ownerOf(agent) !== undefined ? undefined : peer
}

/** As an edge peer sees it: what is pinned to it is its own. */
export function homesOfEdge(peer: string): (view: View) => Homes {
  const self: Member = {
    peer,
    incarnation: edgeIncarnation,
    addresses: [],
    labels: {},
    weight: 1,
    since: 0
  }
  return (view) => {
    const homes = homesOf(view)
    return {
      homeOf: (agent) => homes.homeOf(agent),
      ownerOf: (agent) => (edgeOf(view, agent) === peer ? self : homes.ownerOf(agent))
    }
  }
}
