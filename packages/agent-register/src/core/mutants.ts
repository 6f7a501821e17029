/** Rules that tests break on purpose; never set outside of them. */
export interface Mutants {
  /** A fenced owner's updates are taken all the same: as if claim and state were in two registers. */
  readonly noFence?: boolean
  /** A known key is executed once more. */
  readonly ignoreKeys?: boolean
  /** The version that was read is not compared. */
  readonly noPrecondition?: boolean
  /** A session that was forgotten is taken for a new one. */
  readonly forgetSilently?: boolean
}
