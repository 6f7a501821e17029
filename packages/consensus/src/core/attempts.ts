import { compareBallots } from './ballot.ts'
import type { Ballot } from './ballot.ts'
import { includes, reaches } from './lineage.ts'
import type { Lineage } from './lineage.ts'
import type { Mutants } from './mutants.ts'
import type { Operation, Trial } from './operation.ts'
import type { Accepted, Answer } from './requests.ts'

/** One accept: a ballot, its one value (P1), and whose changes are in it. */
export interface Attempt {
  readonly view: number
  readonly ballot: Ballot
  readonly value: Uint8Array | undefined
  readonly lineage: Lineage
  readonly trials: readonly Trial[]
}

/**
 * Accepts of one proposer that got no majority and may take effect all the same: an acceptor that
 * took one, however late, may be the one whose value the next proposer builds on.
 *
 * They are of one view. Their changes may be tried again, beside them, on a value that was not built on
 * any of them: if that is chosen, nobody can build on the others any more.
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
   * What became of them, by the highest accept that a majority of the same view has seen, after it
   * promised a higher ballot. `included`: the value that stands was built on that attempt, or is it.
   * `void`: it was built on none of them, and whatever is built on it replaces them all. `untold`: its
   * lineage does not go back far enough.
   */
  fate(
    best: Accepted | undefined,
    mutants: Mutants
  ): { readonly included: Attempt } | 'void' | 'untold' {
    const [first] = this.#open
    if (best === undefined || first === undefined || best.ballot.view !== first.view) {
      return 'void'
    }
    // The newest one first: it contains what it was built on itself.
    const lineage = mutants.overtakenIsVoid === true ? [] : best.lineage
    const included = this.#open.findLast(
      ({ ballot }) => compareBallots(ballot, best.ballot) === 0 || includes(lineage, ballot)
    )
    if (included !== undefined) {
      return { included }
    }
    const isOlder = compareBallots(best.ballot, first.ballot) < 0
    return isOlder || reaches(lineage, first.ballot) ? 'void' : 'untold'
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

/** From here on the end of these changes can be unknown. */
export function markSent({ trials }: Attempt): void {
  for (const { isChange, operation } of trials) {
    operation.isSent ||= isChange
  }
}

/** The accept of these changes has no effect, nor ever will. */
export function unsent({ trials }: Attempt): Operation[] {
  return trials.map(({ operation }) => {
    operation.isSent = false
    return operation
  })
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

/** Whether this acceptor knows of a higher ballot. */
export function isConflict(answer: Answer): boolean {
  return answer.type === 'reply' && answer.reply.type === 'conflict'
}
