import type { Member, MovedAgents, View, ViewProposal } from '@murmuration/interface'

/** Where each moved agent is, by its key. */
export function placesOf(moved: readonly MovedAgents[] = []): Map<string, string> {
  return new Map(moved.flatMap(({ peer, keys }) => keys.map((key) => [key, peer] as const)))
}

/** The view with these moves: itself, if it has them. Moves to strangers are none. */
export function withMoves(view: View, move: ViewProposal['move']): View {
  if (move === undefined) {
    return view
  }
  const before = placesOf(view.moved)
  const after = new Map(before)
  for (const [key, peer] of placesOf(move)) {
    if (peer === '') {
      after.delete(key)
    } else if (view.members.some((member) => member.peer === peer)) {
      after.set(key, peer)
    }
  }
  const isSame =
    after.size === before.size && [...after].every(([key, peer]) => before.get(key) === peer)
  return isSame ? view : { ...view, moved: groupsOf(after) }
}

/** What is left of moves when some members have gone: their agents go where hashing puts them. */
export function movesAmong(view: View, members: readonly Member[]): Pick<View, 'moved'> {
  const present = new Set(members.map(({ peer }) => peer))
  const moved = view.moved?.filter(({ peer }) => present.has(peer)) ?? []
  return moved.length === 0 ? {} : { moved }
}

/** In one order on every peer, so that equal moves are equal views. */
function groupsOf(places: ReadonlyMap<string, string>): readonly MovedAgents[] {
  const groups = new Map<string, string[]>()
  for (const [key, peer] of places) {
    const keys = groups.get(peer) ?? []
    groups.set(peer, keys)
    keys.push(key)
  }
  return [...groups]
    .map(([peer, keys]) => ({ peer, keys: keys.toSorted(compare) }))
    .toSorted((a, b) => compare(a.peer, b.peer))
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
