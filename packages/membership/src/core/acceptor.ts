import type { AcceptedValue, AcceptorState, Ballot, Decision } from './records.ts'
import { compareText } from './view-change.ts'

/** Later ballots compare greater. Ballots of one proposer differ in the counter or the boot. */
export function compareBallots(a: Ballot, b: Ballot): number {
  return a.counter - b.counter || compareText(a.proposer, b.proposer)
}

export type Answer =
  | { readonly status: 'yes'; readonly state: AcceptorState }
  /** Another ballot was promised; nothing changed. */
  | { readonly status: 'conflict'; readonly promised: Ballot }

/**
 * The acceptor of one peer, for one instance at a time: the number of the view being decided. Its
 * state must be durable before the answer leaves this peer.
 */
export class Acceptor {
  #state: AcceptorState | undefined

  constructor(stored: AcceptorState | undefined) {
    this.#state = stored
  }

  /** The highest ballot promised in this instance. */
  promised(number: number): Ballot | undefined {
    return this.#state?.number === number ? this.#state.promised : undefined
  }

  /** What was accepted in this instance. */
  accepted(number: number): AcceptedValue | undefined {
    return this.#state?.number === number ? this.#state.accepted : undefined
  }

  /** Only a strictly greater ballot: a ballot that comes twice is answered once. */
  prepare(number: number, ballot: Ballot): Answer {
    const state = this.#at(number)
    if (state !== undefined && compareBallots(ballot, state.promised) <= 0) {
      return { status: 'conflict', promised: state.promised }
    }
    const { accepted } = state ?? {}
    return this.#become({ number, promised: ballot, ...(accepted && { accepted }) })
  }

  /** Accepting raises the promise too, whether or not it was prepared here. */
  accept(number: number, ballot: Ballot, decision: Decision): Answer {
    const state = this.#at(number)
    if (state !== undefined && compareBallots(ballot, state.promised) < 0) {
      return { status: 'conflict', promised: state.promised }
    }
    return this.#become({ number, promised: ballot, accepted: { ballot, decision } })
  }

  /** The instance is over; what was promised in it is never asked for again. */
  forget(): void {
    this.#state = undefined
  }

  #at(number: number): AcceptorState | undefined {
    return this.#state?.number === number ? this.#state : undefined
  }

  #become(state: AcceptorState): Answer {
    this.#state = state
    return { status: 'yes', state }
  }
}
