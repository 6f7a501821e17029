import type { Member, View } from '@murmuration/interface'
import { forcedStep } from '../defaults.ts'
import { acceptorsOf, isMajority } from './quorum.ts'

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
  /** Whether a proposer leaves time to another one. It matters for progress, never for safety. */
  readonly yieldsToRivals: boolean
  /** Whether a view is adopted only with the votes of a majority (rule 6). */
  readonly verifiesDecisions: boolean
  /** Who may grant a lease in a view. */
  grantersOf(view: View, holder: string): readonly string[]
  /** Whether these have granted a lease. */
  isLeaseMajority(view: View, holder: string, granters: ReadonlySet<string>): boolean
  /** Whether a holder counts from when it sent its renewal, not from when the grants came. */
  readonly countsFromSending: boolean
  /** Whether an acceptor that voted for the next view grants a holder nothing more in this one. */
  endsGrant(next: View, holder: string): boolean
  /** Whether a restarted acceptor counts what it may have granted before. */
  readonly remembersGrants: boolean
  /** How much higher the number of a forced view is than that of the view it was made from. */
  readonly forcedStep: number
  /** Whether a peer that stood still takes the silence that it saw meanwhile for its own. */
  readonly doubtsItself: boolean
  /** Whether whoever replaces a removed owner waits for the end of its lease. */
  readonly waitsForLeases: boolean
}

export const standardRules: Rules = {
  isMajority: (view, voters) => isMajority(view, voters),
  isSelf: (self, member) => member.peer === self.peer && member.incarnation === self.incarnation,
  promisesAreDurable: true,
  takesUpEarlier: true,
  yieldsToRivals: true,
  verifiesDecisions: true,
  grantersOf: (view) => acceptorsOf(view).map(({ peer }) => peer),
  isLeaseMajority: (view, _holder, granters) => isMajority(view, granters),
  countsFromSending: true,
  endsGrant: () => true,
  remembersGrants: true,
  waitsForLeases: true,
  forcedStep,
  doubtsItself: true
}
