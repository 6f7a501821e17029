import type { Chain } from './chain.ts'
import { isErasable } from './acceptor.ts'
import type { AcceptorSituation, RegisterRecord } from './acceptor.ts'
import { isVoter } from './home-set.ts'
import type { Group, Voter } from './home-set.ts'
import { groupOf } from './register-name.ts'
import type { RegisterName } from './register-name.ts'
import type { Answer } from './requests.ts'
import { isMajorityOf } from './tally.ts'

/**
 * What a peer owes a register of which it holds a record, before it may report the newest view as
 * settled (rule 7). Every peer does this for what it holds, after it has adopted that view and so
 * fenced what it holds: together they go through the union of the keys of all of them.
 *
 * - `agree`: have the value agreed anew, until the own record is of this view. A replica that came
 *   back may otherwise keep something that was deleted while it was away.
 * - `check`: see that a majority of the newest home set holds it, or what was built on it, in this view,
 *   and else have it agreed.
 */
export function dutyFor(
  name: RegisterName,
  record: RegisterRecord,
  situation: AcceptorSituation
): 'agree' | 'check' | undefined {
  const { chain, mutants, self } = situation
  if (mutants.naiveSwitch === true || mutants.settleUnmoved === true) {
    return undefined
  }
  const { accepted, damagedIn } = record
  const group = groupOf(name)
  const isHome = isVoter(chain.home(group), self)
  const hasMoved = chain.homesSince(chain.settled, group).length > 1
  if (damagedIn !== undefined) {
    if (isHome && damagedIn < chain.number) {
      return 'agree'
    }
    // What is lost here may be one half of a majority: others must show that they have it.
    return hasMoved && mutants.damagedIsMoved !== true ? 'check' : undefined
  }
  if (accepted === undefined || isErasable(name, record, situation)) {
    return undefined
  }
  if (!hasMoved) {
    return undefined
  }
  if (accepted.ballot.view === chain.number && mutants.acceptedIsMoved === true) {
    return undefined
  }
  // An accept of this view that only this peer has is no agreement yet.
  return isHome && accepted.ballot.view < chain.number ? 'agree' : 'check'
}

/**
 * Whether these peers hold, together, everything that was agreed in the group: majorities of all
 * unsettled home sets. If not, keys may exist of which nobody here knows.
 */
export function isCovered(chain: Chain, group: Group, has: (voter: Voter) => boolean): boolean {
  return chain.homesSince(chain.settled, group).every((set) => isMajorityOf(set, has))
}

/**
 * Whether an acceptor holds something that it accepted in this view. Once a majority of the newest home
 * set does, older sets count no more, though nobody may have agreed on any one of those values: each was
 * built on what majorities of all older sets had agreed, and whoever asks a majority of the newest set
 * meets one of them, or something later.
 */
export function holdsIn(answer: Answer, view: number): boolean {
  return (
    answer.type === 'reply' &&
    answer.reply.type === 'held' &&
    answer.reply.accepted?.ballot.view === view
  )
}
