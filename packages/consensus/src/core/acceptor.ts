import { compareBallots, noBallot, successorOf } from './ballot.ts'
import type { Ballot } from './ballot.ts'
import type { Chain } from './chain.ts'
import { isVoter } from './home-set.ts'
import type { Mutants } from './mutants.ts'
import type { RegisterName } from './register-name.ts'
import { groupOf } from './register-name.ts'
import type { Accepted, Reply, Request } from './requests.ts'

/** What an acceptor keeps of one register. It is durable before any reply that tells of it (P5). */
export interface RegisterRecord {
  readonly promised: Ballot
  readonly accepted: Accepted | undefined
  /** All members of the home set hold this deletion. */
  readonly sealed: boolean
  /** A part of the record was lost while this was the newest view. */
  readonly damagedIn: number | undefined
}

export const emptyRecord: RegisterRecord = {
  promised: noBallot,
  accepted: undefined,
  sealed: false,
  damagedIn: undefined
}

/** One life of one disk, and what it knows of the views. */
export interface AcceptorSituation {
  readonly self: { readonly peer: string; readonly incarnation: string }
  readonly chain: Chain
  readonly mutants: Mutants
}

/** What brings a value to accept. */
type Acceptable = Extract<Request, { readonly value: unknown }>

export interface AcceptorStep {
  readonly reply: Reply
  /** The record after it, where it changed. */
  readonly record?: RegisterRecord
}

/**
 * The acceptor of one register, as a function. The caller has checked that the request is of the
 * very view that this peer has adopted (its fence) and meant for this incarnation (rule 6).
 */
export function answerRequest(
  record: RegisterRecord | undefined,
  request: Request,
  situation: AcceptorSituation
): AcceptorStep {
  const { chain, mutants, self } = situation
  const isHome =
    mutants.naiveSwitch === true ||
    mutants.noFence === true ||
    isVoter(chain.home(groupOf(request.name)), self)
  const held = record ?? emptyRecord
  if (held.damagedIn !== undefined && mutants.damagedIsAbsent !== true) {
    return answerDamaged(held, held.damagedIn, request, isHome)
  }
  switch (request.type) {
    case 'prepare':
      return prepare(held, request.ballot, isHome, mutants)
    case 'accept':
      return isHome ? accept(held, request, mutants) : refuse('misplaced')
    case 'first':
      return isHome ? acceptFirst(held, request, mutants) : refuse('misplaced')
    case 'peek':
      return { reply: { type: 'held', accepted: held.accepted } }
    case 'seal':
      return seal(held, request.ballot)
  }
}

function prepare(
  held: RegisterRecord,
  ballot: Ballot,
  isHome: boolean,
  mutants: Mutants
): AcceptorStep {
  const { accepted, promised } = held
  if (!isHome) {
    // A former replica accepts nothing in this view, whatever the ballot: its fence is its promise.
    return { reply: { type: 'promised', accepted } }
  }
  const order = compareBallots(ballot, promised)
  const isAbove = mutants.equalBallots === true ? order >= 0 : order > 0
  // Strictly above both (P2): an equal ballot would be a second use of one (P1).
  if (!isAbove || compareBallots(ballot, accepted?.ballot ?? noBallot) <= 0) {
    return conflict(held)
  }
  return {
    reply: { type: 'promised', accepted },
    record: { ...held, promised: ballot }
  }
}

function accept(
  held: RegisterRecord,
  { ballot, lineage, type, value }: Acceptable,
  mutants: Mutants
): AcceptorStep {
  const { accepted, promised } = held
  if (accepted !== undefined && compareBallots(ballot, accepted.ballot) === 0) {
    // The same message again. One ballot has one value (P1), so nothing changes.
    return isSameValue(accepted.value, value) ? { reply: { type: 'accepted' } } : conflict(held)
  }
  if (
    (compareBallots(ballot, promised) < 0 && mutants.acceptBelowPromise !== true) ||
    compareBallots(ballot, accepted?.ballot ?? noBallot) < 0
  ) {
    return conflict(held)
  }
  // Raises the promise also without a prepare before it (P9), and past its own ballot: the next one
  // of this proposer needs no prepare then (P7).
  const next = mutants.acceptKeepsPromise === true ? promised : successorOf(ballot)
  return {
    reply: { type: 'accepted' },
    record: {
      promised: compareBallots(next, promised) > 0 ? next : promised,
      accepted: { ballot, value, lineage, ...(type === 'first' ? { isFirst: true } : {}) },
      sealed: false,
      damagedIn: undefined
    }
  }
}

/**
 * Where nothing was ever promised, nothing can have been chosen before, nor be chosen below this ballot
 * afterwards with this acceptor. Else it is a prepare of the next ballot, with which the proposer goes on.
 */
function acceptFirst(held: RegisterRecord, request: Acceptable, mutants: Mutants): AcceptorStep {
  const { accepted, promised } = held
  const isEmpty = accepted === undefined && compareBallots(promised, noBallot) === 0
  const isRepeated = accepted !== undefined && compareBallots(accepted.ballot, request.ballot) === 0
  if (isEmpty || isRepeated || mutants.firstOverAll === true) {
    return accept(held, request, mutants)
  }
  return prepareAfter(held, request.ballot, mutants)
}

/** Promises the ballot after this one, if this one is above all. */
function prepareAfter(held: RegisterRecord, ballot: Ballot, mutants: Mutants): AcceptorStep {
  const step = prepare(held, ballot, true, mutants)
  return step.record === undefined
    ? step
    : { ...step, record: { ...step.record, promised: successorOf(ballot) } }
}

function seal(held: RegisterRecord, ballot: Ballot): AcceptorStep {
  const { accepted } = held
  if (
    accepted === undefined ||
    accepted.value !== undefined ||
    compareBallots(accepted.ballot, ballot) !== 0 ||
    held.sealed
  ) {
    return { reply: { type: 'sealed' } }
  }
  return { reply: { type: 'sealed' }, record: { ...held, sealed: true } }
}

/**
 * What it promised and accepted up to a view is lost, so it has no say on that. In a later view all
 * those promises are void, and it votes as a new replica of that view does; what is accepted then was
 * agreed by others, without it, and takes the place of all that it may have lost.
 */
function answerDamaged(
  held: RegisterRecord,
  damagedIn: number,
  request: Request,
  isHome: boolean
): AcceptorStep {
  if (request.type === 'seal') {
    return { reply: { type: 'sealed' } }
  }
  if (request.type === 'peek' || request.ballot.view <= damagedIn) {
    return refuse('damaged')
  }
  if (request.type === 'accept') {
    return isHome ? accept(held, request, {}) : refuse('misplaced')
  }
  if (request.type === 'first' && !isHome) {
    return refuse('misplaced')
  }
  const step =
    request.type === 'first'
      ? prepareAfter(held, request.ballot, {})
      : prepare(held, request.ballot, isHome, {})
  return step.reply.type === 'promised'
    ? { ...step, reply: { ...step.reply, lostIn: damagedIn } }
    : step
}

function conflict({ accepted, promised }: RegisterRecord): AcceptorStep {
  const own = accepted?.ballot ?? noBallot
  const highest = compareBallots(own, promised) > 0 ? own : promised
  return { reply: { type: 'conflict', highest, accepted: own } }
}

function refuse(reason: (Reply & { readonly type: 'refused' })['reason']): AcceptorStep {
  return { reply: { type: 'refused', reason } }
}

function isSameValue(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return (
    a === b ||
    (a !== undefined &&
      b !== undefined &&
      a.length === b.length &&
      a.every((byte, index) => byte === b[index]))
  )
}

/**
 * Whether nobody can need this record any more.
 *
 * - A former replica: this peer is in no home set of an unsettled view, so all that was agreed here
 *   is in newer ones (rule 7).
 * - A deletion that all members of its home set hold, in a later view: whoever asks them hears of
 *   what they know to be settled, and so never counts on what older replicas still have.
 */
export function isErasable(
  name: RegisterName,
  { accepted, promised, sealed, damagedIn }: RegisterRecord,
  { chain, mutants, self }: AcceptorSituation
): boolean {
  if (mutants.naiveSwitch === true) {
    return false
  }
  const group = groupOf(name)
  const from = mutants.eraseBeforeSettled === true ? chain.number : chain.settled
  if (!chain.homesSince(from, group).some((set) => isVoter(set, self))) {
    return true
  }
  if (damagedIn !== undefined || accepted === undefined || accepted.value !== undefined) {
    return false
  }
  const { view } = accepted.ballot
  return (
    (sealed || mutants.eraseUnsealed === true) &&
    chain.settled >= view &&
    (mutants.eraseInSameView === true || (chain.number > view && promised.view < chain.number))
  )
}
