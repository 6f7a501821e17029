import type { Chain } from './chain.ts'
import type { Mutants } from './mutants.ts'
import type { ProposerPorts } from './proposer.ts'
import { groupOf } from './register-name.ts'
import type { RegisterName } from './register-name.ts'
import { holdsIn } from './settling.ts'
import { Tally } from './tally.ts'

/** Which register, and in which views. */
export interface Surveyed {
  readonly name: RegisterName
  readonly chain: Chain
  readonly mutants: Mutants
}

/**
 * Asks the newest home set of a register whether a majority of it holds something accepted in the
 * newest view; see {@link holdsIn} for why that is enough. It writes nothing, so it competes with
 * nobody. Done with the deadline of one request.
 */
export function survey(
  { chain, mutants, name }: Surveyed,
  send: ProposerPorts['send'],
  done: (isHeld: boolean) => void
): void {
  const tally = new Tally(chain.homesSince(chain.number, groupOf(name)))
  let isOver = false
  for (const voter of tally.voters) {
    send(voter, chain.number, { type: 'peek', name }, (answer) => {
      const isHeld = holdsIn(answer, chain.number)
      if (isHeld) {
        tally.yes(voter)
      } else {
        tally.no(voter)
      }
      const isEnough = tally.reached || (isHeld && mutants.surveyOfOne === true)
      if (!isOver && (isEnough || tally.lost !== undefined)) {
        isOver = true
        done(isEnough)
      }
    })
  }
}
