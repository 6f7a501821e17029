import type { Ballot } from './ballot.ts'

/** Accepts of one proposer that followed each other without anybody in between. */
export interface Span {
  readonly proposer: string
  readonly from: number
  readonly to: number
}

/**
 * The accepts of one view that a value was built on, the newest first. It tells a proposer whose accept
 * was lost if the value that stands now contains it: without that, any competition would leave the
 * outcome unknown.
 */
export type Lineage = readonly Span[]

/** More would answer for more competitors at once; it is stored with every value. Unit: spans. */
const spansMax = 8

/** The lineage of a value that is built on another one. */
export function lineageOn(
  base: { readonly ballot: Ballot; readonly lineage: Lineage } | undefined,
  view: number
): Lineage {
  if (base === undefined || base.ballot.view !== view) {
    return []
  }
  const { counter, proposer } = base.ballot
  const [newest, ...older] = base.lineage
  if (newest?.proposer === proposer && newest.to + 1 === counter) {
    return [{ proposer, from: newest.from, to: counter }, ...older]
  }
  return [{ proposer, from: counter, to: counter }, ...base.lineage].slice(0, spansMax)
}

/** Whether a value with this lineage was built on the accept of a ballot of its view. */
export function includes(lineage: Lineage, { counter, proposer }: Ballot): boolean {
  return lineage.some(
    (span) => span.proposer === proposer && span.from <= counter && counter <= span.to
  )
}

/** Whether a lineage goes back far enough to tell that a ballot of its view is not part of it. */
export function reaches(lineage: Lineage, { counter }: Ballot): boolean {
  return lineage.length < spansMax || lineage.some((span) => span.from < counter)
}
