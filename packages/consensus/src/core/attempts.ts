import { compareBallots } from './ballot.ts'
import type { Ballot } from './ballot.ts'
import type { Operation, Trial } from './operation.ts'
import type { Accepted, Answer } from './requests.ts'

/** One accept: a ballot, its one value (P1), and whose changes are in it. */
export interface Attempt {
  readonly view: number
  readonly ballot: Ballot
  readonly value: Uint8Array | undefined
  readonly trials: readonly Trial[]
}

/**
 * Accepts of one proposer that got no majority and may take effect all the same: an acceptor that
 * took one, however late, may be the one whose value the next proposer builds on.
 *
 * They are of one view. Their changes may be tried again, beside them: if one of this proposer's
 * accepts is chosen after a phase 1 that met nothing newer of others, it replaces all the rest.
 */
export class Attempts {
  #open: Attempt[] = []

  get isEmpty(): boolean {
    return this.#open.length === 0
  }

  get count(): number {
    return this.#open.length
  }

  get view(): number | undefined {
    return this.#open[0]?.view
  }

  /** Whose end is still open, each once. */
  operations(): Operation[] {
    const all = this.#open.flatMap(({ trials }) => trials.map(({ operation }) => operation))
    return [...new Set(all)].filter((operation) => !operation.isOver)
  }

  add(attempt: Attempt): void {
    this.#open.push(attempt)
  }

  /**
   * What a majority of the same view tells of them, by the highest accept that it has seen, after it
   * promised a higher ballot: one of them is what everybody builds on now; or none of them was chosen;
   * or somebody else's accept came after the first of them, perhaps built on it, perhaps not.
   */
  fate(best: Accepted | undefined): Attempt | 'not-chosen' | 'overtaken' {
    const [first] = this.#open
    if (
      best === undefined ||
      first === undefined ||
      compareBallots(best.ballot, first.ballot) < 0
    ) {
      return 'not-chosen'
    }
    return this.#open.find(({ ballot }) => compareBallots(ballot, best.ballot) === 0) ?? 'overtaken'
  }

  /** Nothing more can be learned: gives those whose changes left the value alone, to try again. */
  giveUp(): Operation[] {
    const operations = this.operations()
    this.#open = []
    const sent = operations.filter((operation) => operation.isSent)
    sent.forEach((operation) => operation.giveUp())
    return operations.filter((operation) => !operation.isOver)
  }

  /** An accept was chosen, so the others are void: gives those that are not part of it, unsent. */
  replace({ trials }: Attempt): Operation[] {
    const done = new Set(trials.map(({ operation }) => operation))
    const rest = this.operations().filter((operation) => !done.has(operation))
    this.#open = []
    rest.forEach((operation) => {
      operation.isSent = false
    })
    return rest
  }
}

/**
 * Whether this acceptor has not accepted the ballot and never will: it has promised a higher one, and
 * what it accepted is older. Without the second part a repeated message would look like a refusal
 * though the first copy of it was accepted.
 */
export function neverAccepts(answer: Answer, ballot: Ballot): boolean {
  return (
    answer.type === 'reply' &&
    answer.reply.type === 'conflict' &&
    compareBallots(answer.reply.accepted, ballot) < 0
  )
}
