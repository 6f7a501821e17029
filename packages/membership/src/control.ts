import {
  InvalidParametersError,
  isAbandoned,
  OverloadedError,
  UnavailableError
} from '@murmuration/interface'
import type { ForcedView, View, ViewProposal } from '@murmuration/interface'
import { isMajority } from './core/quorum.ts'
import { placesOf, withMoves } from './core/moves.ts'
import { isAmong } from './core/shares.ts'
import { isProposalIn, withProposal } from './core/view-change.ts'
import type { Machine } from './core/machine.ts'
import {
  abandonedMax,
  forceAskTimeoutMs,
  forcedMax,
  movedKeyMax,
  movedMax,
  movedTextMax,
  proposalsMax,
  revokedMax,
  textMax,
  weightMax
} from './defaults.ts'
import type { Wire } from './wire.ts'

/** Throws where a proposal is not well formed or would grow a list over its bound. */
export function checkProposal(
  view: View,
  unsettled: readonly View[],
  proposal: ViewProposal
): void {
  const { revoke = {}, reinstate = {}, acknowledgeForced = 0 } = proposal
  const texts = [revoke, reinstate].flatMap(({ peers = [], serials = [] }) => [
    ...peers,
    ...serials
  ])
  if (texts.some((text) => typeof text !== 'string' || text === '' || text.length > textMax)) {
    throw new InvalidParametersError(`names and serials are texts of 1 to ${textMax} characters`)
  }
  if (!Number.isSafeInteger(acknowledgeForced) || acknowledgeForced < 0) {
    throw new InvalidParametersError('acknowledgeForced must be the number of a view')
  }
  checkMoves(view, proposal)
  checkShares(view, proposal)
  checkAbandoned(view, unsettled, proposal)
  const { revoked } = withProposal(view, proposal)
  if (Math.max(revoked?.peers.length ?? 0, revoked?.serials.length ?? 0) > revokedMax) {
    throw new InvalidParametersError(
      `at most ${revokedMax} peers and serials can be revoked: reinstate those that have expired`
    )
  }
}

function checkMoves(view: View, proposal: ViewProposal): void {
  const { move } = proposal
  if (move === undefined) {
    return
  }
  const members = new Set(['', ...view.members.map(({ peer }) => peer)])
  for (const { peer, keys } of move) {
    if (!members.has(peer)) {
      throw new InvalidParametersError(`${peer} is no member of view ${view.number}`)
    }
    if (keys.some((key) => key === '' || key.length > movedKeyMax || !key.isWellFormed())) {
      throw new InvalidParametersError(`a moved key is a text of 1 to ${movedKeyMax} characters`)
    }
  }
  const after = [...placesOf(withMoves(view, move).moved).keys()]
  const length = after.reduce((total, key) => total + key.length, 0)
  if (after.length > movedMax || length > movedTextMax) {
    throw new OverloadedError(
      `a view holds ${movedMax} moved agents of ${movedTextMax} characters in all: move some back`
    )
  }
}

function checkShares(view: View, { share = [] }: ViewProposal): void {
  for (const { peer, ownerWeight } of share) {
    if (view.members.every((member) => member.peer !== peer)) {
      throw new InvalidParametersError(`${peer} is no member of view ${view.number}`)
    }
    if (!Number.isSafeInteger(ownerWeight) || ownerWeight < 0 || ownerWeight > 1000 * weightMax) {
      throw new InvalidParametersError(`ownerWeight is a whole number of 0 to ${1000 * weightMax}`)
    }
  }
}

/** Whoever is a member speaks for itself, and where nobody waits for a disk there is nothing to give up. */
function checkAbandoned(view: View, unsettled: readonly View[], { abandon }: ViewProposal): void {
  if (abandon === undefined) {
    return
  }
  const { by = '', lives, reason } = abandon
  if (reason === '' || Math.max(reason.length, by.length) > textMax) {
    throw new InvalidParametersError(`a reason is a text of 1 to ${textMax} characters`)
  }
  for (const life of lives) {
    const isIn = ({ members }: View): boolean => {
      return members.some((one) => one.peer === life.peer && one.incarnation === life.incarnation)
    }
    if (isIn(view)) {
      throw new InvalidParametersError(
        `${life.peer} is a member: it must be out of the view before`
      )
    }
    if (!isAbandoned(view, life) && !unsettled.some(isIn)) {
      throw new InvalidParametersError(
        `nobody waits for incarnation ${life.incarnation} of ${life.peer}: it is in no unsettled view`
      )
    }
  }
  const { abandoned = [], unsafe = [] } = withProposal(view, { abandon })
  if (abandoned.length > abandonedMax || unsafe.length > forcedMax) {
    throw new InvalidParametersError(
      `at most ${abandonedMax} disks can be given up, and ${forcedMax} marks wait to be acknowledged`
    )
  }
}

/** The view that has a proposal, or in which it cannot come any more. */
export function overIn(view: View | undefined, proposal: ViewProposal): View | undefined {
  return view !== undefined && (isProposalIn(view, proposal) || !isAmong(view, proposal.among))
    ? view
    : undefined
}

/** Throws where another view came first. */
export function checkIn(view: View, proposal: ViewProposal): View {
  if (!isProposalIn(view, proposal)) {
    throw new UnavailableError(`view ${view.number} came first, with other shares`)
  }
  return view
}

export function checkTaken(isTaken: boolean): void {
  if (!isTaken) {
    throw new OverloadedError(`${proposalsMax} proposals wait on this peer`)
  }
}

/** Throws where a view of these members must not be forced here. */
export function checkForced(machine: Machine, { members, reason }: ForcedView, now: number): void {
  const { detector, history, member, self } = machine
  const { view } = history
  if (typeof reason !== 'string' || reason === '' || reason.length > textMax) {
    throw new InvalidParametersError(`reason must be a text of 1 to ${textMax} characters`)
  }
  if (view === undefined || member === undefined || !members.includes(self.peer)) {
    throw new InvalidParametersError('a view can be forced only on a member that goes on in it')
  }
  const strangers = members.filter((peer) => view.members.every((other) => other.peer !== peer))
  if (strangers.length > 0 || new Set(members).size !== members.length) {
    throw new InvalidParametersError(
      `not members of view ${view.number}, or twice: ${strangers.join(', ')}`
    )
  }
  if (isMajority(view, detector.reachablePeers(now))) {
    throw new InvalidParametersError(
      'a majority can be reached, so the members decide by themselves: wait, or revoke a peer'
    )
  }
  if ((view.unsafe?.length ?? 0) >= forcedMax) {
    throw new InvalidParametersError(`${forcedMax} forced views have not been acknowledged`)
  }
}

/**
 * The highest view that the listed members have, and one that has it. Throws `UnavailableError`
 * where one does not answer: whoever is listed must be there, or the next view has no majority again.
 */
export async function highestView(
  wire: Wire,
  machine: Machine,
  members: readonly string[]
): Promise<{ readonly number: number; readonly peer: string }> {
  const message = { standing: machine.standing(), after: Number.MAX_SAFE_INTEGER }
  const own = machine.self.peer
  const others = members.filter((peer) => peer !== own)
  const answers = await Promise.all(
    others.map(async (peer) => {
      try {
        const sent = { method: 'view', message } as const
        const { standing } = (await wire.call(peer, sent, forceAskTimeoutMs)).message
        const isSame = standing.lineage === machine.history.lineage
        return { peer, number: isSame ? standing.number : undefined }
      } catch {
        // Which ones did not answer is said below.
        return { peer, number: undefined }
      }
    })
  )
  let highest = { number: machine.history.number, peer: own }
  const silent: string[] = []
  for (const { peer, number } of answers) {
    if (number === undefined) {
      silent.push(peer)
    } else if (number > highest.number) {
      highest = { number, peer }
    }
  }
  if (silent.length > 0) {
    throw new UnavailableError(
      `no view was forced, because these do not answer: ${silent.join(', ')}`
    )
  }
  return highest
}
