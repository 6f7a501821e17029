/** Deliberate mistakes that simulated runs must find. Never set outside of tests. */
export interface Mutants {
  /** A scheduled call has a key of its own each time it is made. */
  readonly tickWithoutKey?: boolean
  /** What was missed before this peer owned the agent is not looked at. */
  readonly missedNotExamined?: boolean
  /** A new agent has missed every tick before it existed. */
  readonly beginningNotKept?: boolean
}
