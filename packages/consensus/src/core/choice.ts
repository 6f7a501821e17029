import { compareBallots } from './ballot.ts'
import type { Chain } from './chain.ts'
import { isVoter } from './home-set.ts'
import type { Group, HomeSet, Voter } from './home-set.ts'
import type { Mutants } from './mutants.ts'
import type { Accepted } from './requests.ts'

/** What one acceptor had accepted when it promised. */
export interface Promised {
  readonly voter: Voter
  readonly accepted: Accepted | undefined
  /** Everything that it accepted up to this view is lost. */
  readonly lostIn?: number | undefined
}

/**
 * The value to build on: that of the highest ballot among promises of exactly this attempt (P4).
 *
 * `since` is the oldest view that counts. What a peer accepted while it was no replica of the group
 * is left over from before it was away; all of it that was agreed is in the newer sets, and some of
 * it may have been deleted since.
 */
export function chooseAccepted(
  promises: readonly Promised[],
  group: Group,
  since: number,
  chain: Chain,
  mutants: Mutants
): Accepted | undefined {
  let best: Accepted | undefined
  for (const { accepted, voter } of promises) {
    if (accepted === undefined) {
      continue
    }
    const home = chain.homeIn(Math.max(accepted.ballot.view, since), group)
    const counts = home !== undefined && isVoter(home, voter)
    if (!counts && mutants.trustReturned !== true && mutants.naiveSwitch !== true) {
      continue
    }
    const mayBeAlone = accepted.isFirst === true && mutants.firstCountsAlone !== true
    if (mayBeAlone && home !== undefined && !isWithAll(accepted, promises, home, mutants)) {
      continue
    }
    if (
      best === undefined ||
      (compareBallots(accepted.ballot, best.ballot) > 0 && mutants.anyPromisedValue !== true)
    ) {
      best = accepted
    }
  }
  return best
}

/**
 * Whether a first value, which is chosen only by all of its home set, may be: nobody of them was seen
 * without it or what was built on it. Then what stands was chosen before it, or nothing was.
 */
function isWithAll(
  first: Accepted,
  promises: readonly Promised[],
  home: HomeSet,
  mutants: Mutants
): boolean {
  return promises.every(
    ({ accepted, lostIn, voter }) =>
      (lostIn !== undefined && mutants.lostIsWithout !== true) ||
      !isVoter(home, voter) ||
      (accepted !== undefined && compareBallots(accepted.ballot, first.ballot) >= 0)
  )
}

/**
 * What a majority agrees on, for a read in one round trip: it is chosen, and nothing newer is, if it
 * was accepted in this view or the set never changed since. Anything less says nothing: a single copy
 * may be of a change that nobody has acknowledged, or that another majority has replaced.
 */
export function findAgreed(
  seen: readonly Promised[],
  group: Group,
  since: number,
  chain: Chain,
  mutants: Mutants
): { readonly accepted: Accepted | undefined } | undefined {
  if (mutants.peekHighest === true) {
    return { accepted: chooseAccepted(seen, group, since, chain, { trustReturned: true }) }
  }
  const [first] = seen
  const accepted = first?.accepted
  const isCurrent =
    mutants.peekAnyView === true ||
    mutants.naiveSwitch === true ||
    accepted?.ballot.view === chain.number ||
    chain.homesSince(since, group).length === 1
  if (accepted?.isFirst === true && mutants.peekFirst !== true) {
    // A majority is not enough for it.
    return undefined
  }
  const isAgreed = seen.every((one) => isSameBallot(one.accepted, accepted))
  return isCurrent && isAgreed ? { accepted } : undefined
}

function isSameBallot(a: Accepted | undefined, b: Accepted | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && compareBallots(a.ballot, b.ballot) === 0)
}
