import type { View } from '@murmuration/interface'
import type { Decision } from './records.ts'
import { acceptorsOf } from './quorum.ts'
import type { Rules } from './rules.ts'

/** Whether one decision may stand after the other: by number, or because it was forced. */
export function follows(before: number, { view, forced }: Decision): boolean {
  return forced === undefined ? view.number === before + 1 : view.number > before
}

/**
 * Whether a decision was made by a majority of the acceptors of the view before it, as its proof
 * tells (rule 6). A forced view has no votes: it stands on the word of the operator. Where the view
 * before is not known here, because this peer is new or was away while others settled, the word of
 * the admitted member that gave the view has to do.
 */
function isVerified(before: View | undefined, decision: Decision, rules: Rules): boolean {
  const { view, proof, forced } = decision
  if (!rules.verifiesDecisions || forced !== undefined || before?.number !== view.number - 1) {
    return true
  }
  if (proof === undefined) {
    return false
  }
  const voters = acceptorsOf(before).filter((_, index) => hasBit(proof.votes, index))
  const peers = new Set(voters.map(({ peer }) => peer))
  return rules.isMajority(before, peers, peers)
}

/** Checks a chain, each decision against the view before it. */
export function isVerifiedChain(
  views: readonly View[],
  decisions: readonly Decision[],
  rules: Rules
): boolean {
  return decisions.every((decision, index) => {
    const { number } = decision.view
    // What this peer has adopted itself counts more than what it is told was before.
    const own = views.find((view) => view.number === number - 1)
    const before = own ?? decisions[index - 1]?.view
    return isVerified(before, decision, rules)
  })
}

/** The acceptors that voted, as bits by their position. */
export function votesOf(view: View, voters: ReadonlySet<string>): Uint8Array {
  const acceptors = acceptorsOf(view)
  const bits = new Uint8Array(Math.ceil(acceptors.length / 8))
  for (const [index, { peer }] of acceptors.entries()) {
    if (voters.has(peer)) {
      bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7))
    }
  }
  return bits
}

function hasBit(bits: Uint8Array, index: number): boolean {
  return ((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0
}
