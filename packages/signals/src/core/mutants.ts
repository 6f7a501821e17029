/**
 * Deliberate mistakes, each of which breaks one rule. Tests turn them on one at a time to show that
 * the simulation would notice. Never set outside of tests; not part of the public interface.
 */
export interface Mutants {
  /** A durable subscription does not look whether it has handled an id before. */
  readonly noDeduplication?: boolean
  /** A signal counts as handled before its handler has returned. */
  readonly acknowledgeBeforeHandler?: boolean
  /** Accepted is said before the log of this peer is synced, and without copies. */
  readonly acceptBeforeLog?: boolean
  /** A copy is confirmed before it is synced. */
  readonly copyNotSynced?: boolean
  /** A durable subscription steps over what its log lacks. */
  readonly skipGaps?: boolean
  /** What was seen of an author is forgotten with the process. */
  readonly marksNotPersisted?: boolean
  /** Marks say nothing of what may be delivered before it is written. */
  readonly marksNotAhead?: boolean
  /** Durable subscriptions take signals as they arrive instead of by sequence. */
  readonly orderByArrival?: boolean
  /** How far a durable subscription has come is not written down. */
  readonly progressNotPersisted?: boolean
  /** A signal whose attempts are used up is dropped without a dead letter. */
  readonly noDeadLetter?: boolean
  /** Subscribing durably does not wait for the members. */
  readonly subscribeWithoutMembers?: boolean
  /** Nobody is asked for what was missed at the end of a stream. */
  readonly noExchange?: boolean
  /** Nobody is compared with after signals that are not sent on. */
  readonly noComparing?: boolean
  /** Each peer of a group handles every signal. */
  readonly groupOfOne?: boolean
}
