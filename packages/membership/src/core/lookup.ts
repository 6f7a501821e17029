import type { Member, View } from '@murmuration/interface'

const known = new WeakMap<View, ReadonlyMap<string, number>>()

function positionsOf(view: View): ReadonlyMap<string, number> {
  const before = known.get(view)
  if (before !== undefined) {
    return before
  }
  const positions = new Map(view.members.map(({ peer }, position) => [peer, position]))
  known.set(view, positions)
  return positions
}

/** A member by its PeerId: each message asks for one, among up to a thousand. */
export function memberOf(view: View | undefined, peer: string): Member | undefined {
  const position = view && positionsOf(view).get(peer)
  return position === undefined ? undefined : view?.members[position]
}

/** Where a member stands in the order of its view; -1 where it does not. */
export function positionOf(view: View | undefined, peer: string): number {
  return (view && positionsOf(view).get(peer)) ?? -1
}
