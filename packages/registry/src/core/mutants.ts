/** Rules of the merge of claims that tests break on purpose; never set outside of them. */
export interface Mutants {
  /** What was merged is neither remembered nor given up. */
  readonly mergeTwice?: boolean
  /** The owner in the agreed view tells of a merge too, and not only the side that had the claim. */
  readonly mergeOnBothSides?: boolean
  /** A claim is told of before it is known whether several sides changed the agent. */
  readonly tellEarly?: boolean
  /** What one side had registered is dropped. */
  readonly forgetSide?: boolean
}
