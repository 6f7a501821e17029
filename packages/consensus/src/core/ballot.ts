/**
 * Orders attempts to decide a register: by view, then counter, then proposer. The view comes first,
 * so that whatever was decided in a later view ranks above everything of an earlier one (rule 6).
 */
export interface Ballot {
  readonly view: number
  readonly counter: number
  /** `PeerId#incarnation#boot`: a restarted proposer is another one, and uses no ballot again (P1). */
  readonly proposer: string
}

/** Below every ballot of a proposer. */
export const noBallot: Ballot = { view: 0, counter: 0, proposer: '' }

export function compareBallots(a: Ballot, b: Ballot): number {
  if (a.view !== b.view) {
    return a.view - b.view
  }
  if (a.counter !== b.counter) {
    return a.counter - b.counter
  }
  return a.proposer === b.proposer ? 0 : a.proposer < b.proposer ? -1 : 1
}

/** The ballot that an accepted one promises to its proposer for the next value. */
export function successorOf({ view, counter, proposer }: Ballot): Ballot {
  return { view, counter: counter + 1, proposer }
}
