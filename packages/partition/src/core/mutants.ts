/** Rules of branches that tests break on purpose; never set outside of them. */
export interface Mutants {
  /** A steward gives all its branches of one view the same name. */
  readonly reuseBranch?: boolean
  /** A branch counts as settled where the agreed view was. */
  readonly settleBranch?: boolean
}
