import { isConflict, neverAccepts } from './attempts.ts'
import type { Attempt } from './attempts.ts'
import type { Ballot } from './ballot.ts'
import type { Chain } from './chain.ts'
import type { Promised } from './choice.ts'
import type { Voter } from './home-set.ts'
import type { Operation } from './operation.ts'
import type { Answer } from './requests.ts'
import { Tally } from './tally.ts'
import type { AskedSet } from './tally.ts'

/** One exchange with the acceptors. Answers to a round that is over change nothing. */
export abstract class Round {
  readonly chain: Chain
  readonly tally: Tally
  /** Somebody knows of a higher ballot. */
  isContended = false

  constructor(chain: Chain, sets: readonly AskedSet[]) {
    this.chain = chain
    this.tally = new Tally(sets)
  }

  abstract hear(voter: Voter, answer: Answer): void

  protected refused(voter: Voter, answer: Answer): void {
    this.tally.no(voter)
    this.isContended ||= isConflict(answer)
  }
}

/** Asks what is held. */
export class PeekRound extends Round {
  readonly readers: readonly Operation[]
  readonly seen: Promised[] = []

  constructor(chain: Chain, sets: readonly AskedSet[], readers: readonly Operation[]) {
    super(chain, sets)
    this.readers = readers
  }

  hear(voter: Voter, answer: Answer): void {
    if (answer.type === 'reply' && answer.reply.type === 'held') {
      this.tally.yes(voter)
      this.seen.push({ voter, accepted: answer.reply.accepted })
    } else {
      this.refused(voter, answer)
    }
  }
}

/** Asks for promises of one ballot. */
export class PrepareRound extends Round {
  readonly ballot: Ballot
  readonly promises: Promised[] = []
  /** The highest view that anybody told to be settled. */
  known: number

  constructor(
    chain: Chain,
    sets: readonly AskedSet[],
    { ballot, known }: { readonly ballot: Ballot; readonly known: number }
  ) {
    super(chain, sets)
    this.ballot = ballot
    this.known = known
  }

  hear(voter: Voter, answer: Answer): void {
    if (answer.type === 'reply' && answer.reply.type === 'promised') {
      const { accepted, lostIn } = answer.reply
      this.promised({ voter, accepted, lostIn }, answer.settled)
    } else {
      this.refused(voter, answer)
    }
  }

  protected promised(promise: Promised, settled: number): void {
    this.promises.push(promise)
    this.tally.yes(promise.voter, promise.lostIn)
    // Acceptors may have erased what they know to be settled elsewhere.
    this.known = Math.max(this.known, settled)
  }
}

/** What changes a register: a round that brings a value. */
export class AcceptRound extends Round {
  readonly attempt: Attempt
  #refusals = 0

  constructor(chain: Chain, sets: readonly AskedSet[], attempt: Attempt) {
    super(chain, sets)
    this.attempt = attempt
  }

  hear(voter: Voter, answer: Answer): void {
    if (answer.type === 'reply' && answer.reply.type === 'accepted') {
      this.tally.yes(voter)
    } else {
      this.refused(voter, answer)
      this.#refusals += neverAccepts(answer, this.attempt.ballot) ? 1 : 0
    }
  }

  /** Nobody has accepted it, nor ever will. */
  get isVoid(): boolean {
    return this.#refusals === this.tally.voters.length
  }
}

/**
 * The first value of a register, sent without a prepare. It is chosen when **all** acceptors of its one
 * home set have accepted it: each of them had promised nothing before, so nothing was chosen, and no
 * majority promises a higher ballot without telling of it. Any majority of answers is one to a prepare of
 * the next ballot besides: with it the proposer goes on where not all accept.
 */
export class FirstRound extends PrepareRound {
  readonly attempt: Attempt
  #answers = 0
  #accepts = 0
  #refusals = 0

  constructor(chain: Chain, sets: readonly AskedSet[], attempt: Attempt, known: number) {
    super(chain, sets, { ballot: attempt.ballot, known })
    this.attempt = attempt
  }

  override hear(voter: Voter, answer: Answer): void {
    this.#answers++
    if (answer.type === 'reply' && answer.reply.type === 'accepted') {
      const { ballot, lineage, value } = this.attempt
      this.#accepts++
      this.promised({ voter, accepted: { ballot, value, lineage, isFirst: true } }, answer.settled)
    } else {
      // A promise of the next ballot says that something is there, so that this one is never accepted.
      const isPromise = answer.type === 'reply' && answer.reply.type === 'promised'
      this.#refusals += isPromise ? 1 : 0
      super.hear(voter, answer)
    }
  }

  get isChosen(): boolean {
    return this.#accepts === this.tally.voters.length
  }

  /** A majority has accepted it, which is not enough: the others may have had something before. */
  get isAccepted(): boolean {
    return this.#accepts > this.tally.voters.length / 2
  }

  /** More answers would change nothing: all have accepted it, or somebody has not. */
  get isDecided(): boolean {
    const { lost, reached } = this.tally
    const isSplit = this.#answers > this.#accepts
    return this.isChosen || lost !== undefined || (reached && isSplit)
  }

  /** Nobody has accepted it, nor ever will. */
  get isVoid(): boolean {
    return this.#refusals === this.tally.voters.length
  }
}
