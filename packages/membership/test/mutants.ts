import { standardRules } from '../src/core/rules.ts'
import type { Rules } from '../src/core/rules.ts'
import { acceptorsOf } from '../src/index.ts'

/** Protocols that are wrong in one place each. */
export const mutants: Readonly<Record<string, Rules>> = {
  'an acceptor does not keep its promises over a restart': {
    ...standardRules,
    promisesAreDurable: false
  },
  'a majority of the visible members decides, not of the view before': {
    ...standardRules,
    isMajority: (view, voters, visible) => {
      const seen = acceptorsOf(view).filter(({ peer }) => visible.has(peer))
      const agreeing = seen.filter(({ peer }) => voters.has(peer))
      return 2 * agreeing.length > seen.length
    }
  },
  'a wiped peer votes under its old name': {
    ...standardRules,
    isSelf: (self, member) => self.peer === member.peer
  },
  'a proposer does not take up what was accepted before': {
    ...standardRules,
    takesUpEarlier: false
  }
}
