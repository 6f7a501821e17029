import type { Member, View } from '@murmuration/interface'
import { isMajority } from './quorum.ts'

type Named = Pick<Member, 'peer' | 'incarnation'>

/**
 * The decisions on which the safety of views rests, in one place, so that tests can break each one
 * and show that the simulator notices.
 */
export interface Rules {
  /** Whether these voters decide. `visible` is who can be reached now; it must not matter. */
  isMajority(view: View, voters: ReadonlySet<string>, visible: ReadonlySet<string>): boolean
  /** Whether a peer is this member: by its incarnation, for a wiped peer is another one. */
  isSelf(self: Named, member: Named): boolean
  /** Whether a promise is made durable before it is given. */
  readonly promisesAreDurable: boolean
  /** Whether a proposer takes up what was accepted before. Only tests may say no. */
  readonly takesUpEarlier: boolean
}

export const standardRules: Rules = {
  isMajority: (view, voters) => isMajority(view, voters),
  isSelf: (self, member) => member.peer === self.peer && member.incarnation === self.incarnation,
  promisesAreDurable: true,
  takesUpEarlier: true
}
