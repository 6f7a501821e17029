import { integer, list, message, object, optional, text } from '@murmuration/codec'
import type { Branch, Member, SplitSituation, View } from '@murmuration/interface'

const name = text({ max: 256 })

/** What the steward of a side tells its members: the branch that they are in now. */
export const branchProposal = message({
  cluster: name,
  view: integer({ min: 0 }),
  id: name,
  began: integer({ min: 0 }),
  /** Agent types that the steward takes: by its word, so that all agree while types are rolled out. */
  stewarded: optional(list(text({ max: 512 }), { max: 1_024 })),
  members: list(object({ peer: name, incarnation: name }), { max: 1_024 })
})

/**
 * The members of the side on which this peer is, where that side cannot decide the next view and its
 * links have come to rest; undefined where there is no such side.
 */
export function sideOf(situation: SplitSituation | undefined): readonly Member[] | undefined {
  if (situation === undefined || situation.isUnstable || situation.others.size === 0) {
    return undefined
  }
  const { self, side, view } = situation
  if (!side.has(self)) return undefined
  return view.members.filter(({ peer }) => side.has(peer))
}

/** Whether these are the very lives of peers that are named. */
export function isSameSide(
  members: readonly Member[],
  named: readonly Pick<Member, 'peer' | 'incarnation'>[]
): boolean {
  return (
    members.length === named.length &&
    members.every(({ peer, incarnation }) =>
      named.some((other) => other.peer === peer && other.incarnation === incarnation)
    )
  )
}

/** A view as one side has it: without the members of the others, and what was moved to them. */
export function restrict(view: View, members: readonly Member[], branch: Branch): View {
  const inside = new Set(members.map(({ peer, incarnation }) => `${peer}#${incarnation}`))
  const left = view.members.filter(({ peer, incarnation }) => inside.has(`${peer}#${incarnation}`))
  const peers = new Set(left.map(({ peer }) => peer))
  const moved = view.moved?.filter(({ peer }) => peers.has(peer)) ?? []
  const { moved: _all, ...rest } = view
  return {
    ...rest,
    members: left,
    tieBreaker: peers.has(view.tieBreaker) ? view.tieBreaker : (left[0]?.peer ?? view.tieBreaker),
    ...(moved.length === 0 ? {} : { moved }),
    branch
  }
}
