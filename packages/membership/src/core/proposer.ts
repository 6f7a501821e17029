import type { View } from '@murmuration/interface'
import { attemptMs, attemptMaxMs, backoffBaseMs, backoffMaxMs, timerErrorMs } from '../defaults.ts'
import { compareBallots } from './acceptor.ts'
import type { Vote } from './messages.ts'
import type { AcceptedValue, Ballot, Decision } from './records.ts'
import { unpack } from './packing.ts'
import { acceptorsOf } from './quorum.ts'
import type { Rules } from './rules.ts'
import { votesOf } from './verifying.ts'

/** One ballot of this peer, used for one value at most. */
interface Attempt {
  readonly view: View
  readonly ballot: Ballot
  readonly own: Decision
  readonly removes: readonly string[]
  /** When its present phase is given up. */
  deadline: number
  readonly yes: Set<string>
  readonly no: Set<string>
  /** The longest time that a voter gave those whom the decision removes. */
  graceMs: number
  phase: 'prepare' | 'accept'
  /** The value with the highest ballot among the promises. */
  earlier: AcceptedValue | undefined
}

/** What to do after a vote. */
export type Step =
  | { readonly type: 'wait' }
  | {
      readonly type: 'accept'
      readonly ballot: Ballot
      readonly decision: Decision
      readonly removes: readonly string[]
    }
  | { readonly type: 'decided'; readonly decision: Decision }
  | { readonly type: 'failed' }

/** Drives one peer's attempts to decide the next view, one after the other. */
export class Proposer {
  readonly #name: string
  readonly #rules: Rules
  #attempt: Attempt | undefined
  #counter = 0
  #failures = 0
  /** Attempts that ended for want of time, and for no other reason. */
  #late = 0
  #quietUntil = 0
  #rivalUntil = 0

  /** The name is `PeerId#incarnation#boot`: no ballot is ever used by two boots. */
  constructor(name: string, rules: Rules) {
    this.#name = name
    this.#rules = rules
  }

  /** When the running phase of an attempt is given up. */
  get deadline(): number | undefined {
    return this.#attempt?.deadline
  }

  /** No attempt should begin before. */
  get quietUntil(): number {
    return this.#quietUntil
  }

  /** Somebody else's attempt has until then; those who would go on after it go in their order. */
  get rivalUntil(): number {
    return this.#rivalUntil
  }

  /**
   * Another ballot was seen. Where messages take longer than members wait for each other, all would
   * try at once and each end the attempt of the one before it.
   */
  yieldTo(ballot: Ballot, now: number): void {
    if (ballot.proposer !== this.#name && this.#rules.yieldsToRivals) {
      this.#rivalUntil = now + this.#phaseMs
    }
  }

  begin(
    view: View,
    own: Decision,
    removes: readonly string[],
    above: Ballot | undefined,
    now: number
  ): Ballot {
    this.#counter = Math.max(this.#counter, above?.counter ?? 0) + 1
    const ballot: Ballot = { counter: this.#counter, proposer: this.#name }
    this.#attempt = {
      view,
      ballot,
      own,
      removes,
      deadline: now + this.#phaseMs,
      yes: new Set(),
      no: new Set(),
      graceMs: 0,
      phase: 'prepare',
      earlier: undefined
    }
    return ballot
  }

  /** Counts a vote, or the absence of one. */
  vote(
    peer: string,
    ballot: Ballot,
    phase: Attempt['phase'],
    vote: Omit<Vote, 'standing'> | undefined,
    visible: ReadonlySet<string>,
    now: number
  ): Step {
    const attempt = this.#attempt
    if (attempt === undefined || attempt.ballot !== ballot || attempt.phase !== phase) {
      return { type: 'wait' }
    }
    const earlier = unpackVote(attempt.view, vote)
    if (vote?.status !== 'yes' || earlier === 'unreadable') {
      this.#counter = Math.max(this.#counter, vote?.promised?.counter ?? 0)
      // Our own ballot came twice, and the answer to the first copy is on its way.
      const echoed =
        vote?.promised !== undefined && compareBallots(vote.promised, attempt.ballot) === 0
      if (!echoed) {
        attempt.no.add(peer)
        if (vote?.promised !== undefined) {
          this.yieldTo(vote.promised, now)
        }
      }
      return this.#isHopeless(attempt) ? { type: 'failed' } : { type: 'wait' }
    }
    attempt.yes.add(peer)
    attempt.graceMs = Math.max(attempt.graceMs, vote.graceMs ?? 0)
    if (phase === 'prepare' && this.#rules.takesUpEarlier) {
      attempt.earlier = later(attempt.earlier, earlier)
    }
    if (!this.#rules.isMajority(attempt.view, attempt.yes, visible)) {
      return { type: 'wait' }
    }
    return phase === 'prepare' ? this.#toAccept(attempt, now) : this.#decided(attempt)
  }

  /** Gives up the running attempt; the next one waits a random time, twice as long each time. */
  fail(now: number, random: number): void {
    const deadline = this.#attempt?.deadline ?? Number.POSITIVE_INFINITY
    this.#late += now >= deadline - timerErrorMs ? 1 : 0
    this.#attempt = undefined
    const ceiling = Math.min(backoffMaxMs, backoffBaseMs * 2 ** this.#failures)
    this.#failures = Math.min(this.#failures + 1, 10)
    this.#quietUntil = now + random * ceiling
  }

  /** Another view was adopted: whatever was tried is over. */
  cancel(): void {
    this.#attempt = undefined
    this.#counter = 0
    this.#failures = 0
    this.#late = 0
    this.#quietUntil = 0
    this.#rivalUntil = 0
  }

  /** Longer each time that it was not enough: where messages are slow it would never be. */
  get #phaseMs(): number {
    return Math.min(attemptMaxMs, attemptMs * 2 ** this.#late)
  }

  #toAccept(attempt: Attempt, now: number): Step {
    attempt.phase = 'accept'
    attempt.deadline = now + this.#phaseMs
    attempt.yes.clear()
    attempt.no.clear()
    const { ballot, earlier, own, removes } = attempt
    return earlier === undefined
      ? { type: 'accept', ballot, decision: own, removes }
      : { type: 'accept', ballot, decision: earlier.decision, removes: [] }
  }

  #decided(attempt: Attempt): Step {
    this.#attempt = undefined
    this.#failures = 0
    const { ballot, earlier, graceMs, own, view, yes } = attempt
    const proof = { ballot, votes: votesOf(view, yes), graceMs }
    return { type: 'decided', decision: { ...(earlier?.decision ?? own), proof } }
  }

  #isHopeless({ view, no }: Attempt): boolean {
    const left = acceptorsOf(view).filter(({ peer }) => !no.has(peer))
    const possible = new Set(left.map(({ peer }) => peer))
    return !this.#rules.isMajority(view, possible, possible)
  }
}

/** What a voter accepted before. Who cannot tell it has not voted: it may be the one decision. */
function unpackVote(
  view: View,
  vote: Omit<Vote, 'standing'> | undefined
): AcceptedValue | undefined | 'unreadable' {
  if (vote?.accepted === undefined) {
    return undefined
  }
  const { ballot } = vote.accepted
  const decision = unpack(view, vote.accepted.decision)
  return decision === undefined ? 'unreadable' : { ballot, decision }
}

function later(
  a: AcceptedValue | undefined,
  b: AcceptedValue | undefined
): AcceptedValue | undefined {
  if (a === undefined || b === undefined) {
    return a ?? b
  }
  return compareBallots(a.ballot, b.ballot) >= 0 ? a : b
}
