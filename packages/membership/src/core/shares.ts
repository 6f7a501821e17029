import type { Member, OwnerShare, View } from '@murmuration/interface'
import type { Candidate } from './messages.ts'

/** Thousandths of a weight of one. */
const unit = 1000

/**
 * The share of agents of a member whose record comes or changes: it stays what it was, and 0 for one
 * that is new, so that agents go to it later and bit by bit. Who starts again before it was missed is
 * not new: its agents are where they were, and would move twice. Where that is not asked for, or
 * there is nothing to move, it is what the weight says: members that start together need no steps.
 */
export function withoutStep(
  { inUse }: View,
  present: Member | undefined,
  { gradual, weight }: Candidate
): Pick<Member, 'ownerWeight'> {
  if (gradual !== true || inUse !== true) {
    return {}
  }
  return shareOf(weight, present === undefined ? 0 : ownerWeightOf(present))
}

/** The view with the mark that there are agents: itself, if it has that, or if nobody says so. */
export function withUse(view: View, inUse: true | undefined): View {
  return inUse === undefined || view.inUse === true ? view : { ...view, inUse }
}

/** The view with these shares: itself, if it has them. Those of strangers are none. */
export function withShares(view: View, shares: readonly OwnerShare[] = []): View {
  const wanted = new Map(shares.map(({ peer, ownerWeight }) => [peer, ownerWeight]))
  const isSame = view.members.every((member) => {
    const share = wanted.get(member.peer)
    return share === undefined || share === ownerWeightOf(member)
  })
  if (isSame) {
    return view
  }
  const members = view.members.map((member): Member => {
    const { ownerWeight: _, ...record } = member
    const share = wanted.get(member.peer) ?? ownerWeightOf(member)
    return { ...record, ...shareOf(member.weight, share) }
  })
  return { ...view, members }
}

/** Whether exactly these members own agents, by exactly these weights. */
export function isAmong(view: View, shares: readonly OwnerShare[] | undefined): boolean {
  if (shares === undefined) {
    return true
  }
  const wanted = new Map(shares.map(({ peer, ownerWeight }) => [peer, ownerWeight]))
  return (
    wanted.size === view.members.length &&
    view.members.every((member) => wanted.get(member.peer) === ownerWeightOf(member))
  )
}

function ownerWeightOf({ ownerWeight, weight }: Member): number {
  return ownerWeight ?? unit * weight
}

/** Left out where it is what the weight says, so that equal shares are equal views. */
function shareOf(weight: number, ownerWeight: number): Pick<Member, 'ownerWeight'> {
  return ownerWeight === unit * weight ? {} : { ownerWeight }
}
