/**
 * Deliberate mistakes, each of which breaks one rule. Tests turn them on one at a time to show that
 * the simulation would notice. Never set outside of tests; not part of the public interface.
 */
export interface Mutants {
  /** A new owner serves from its own disk, without merging the replicas' copies. */
  readonly serveWithoutMerge?: boolean
  /** A new owner does not wait for the lease of the former one. */
  readonly noLeaseWait?: boolean
  /** The key of an update stays with its owner and is not part of what replicas get. */
  readonly keyNotReplicated?: boolean
  /** The copy of an owner outside of the home set counts. */
  readonly countOutsideHome?: boolean
  /** Copies are dropped, unasked, as soon as the newest view does not place them here. */
  readonly forgetBeforeSettled?: boolean
  /** A repeated key is answered from the owner's memory. */
  readonly knownKeyWithoutCopies?: boolean
  /** Under one key the lowest dot stands, stamps are ignored. */
  readonly lowerDotStands?: boolean
  /** The higher dot stands, but known keys are not stamped again before they are acknowledged. */
  readonly noRestamp?: boolean
  /** What a client says that it has passed counts at once. */
  readonly foldUnasked?: boolean
  /** Replicas acknowledge also under a view older than their own. */
  readonly acknowledgeAnyView?: boolean
  /** Dots are named by peer and incarnation only, so a restarted owner issues some again. */
  readonly sameWriterAfterRestart?: boolean
  /** Replies that were asked for under an older settled view count under the newer one. */
  readonly mixSettled?: boolean
  /** A peer hands its copies over without having adopted the asker's view. */
  readonly collectWithoutFence?: boolean
  /** Writers are taken out although not all replicas have confirmed what they wrote. */
  readonly collectUnfolded?: boolean
  /** Updates of writers that were taken out count again when they come once more. */
  readonly takeClosed?: boolean
  /** Of two bases the one stands that went through more collections, whoever folded last. */
  readonly moreCollectedStands?: boolean
  /** An owner whose clock is wrong goes on. */
  readonly ignoreSkew?: boolean
  /** The token of a session is not looked at. */
  readonly ignoreToken?: boolean
  /** A key of a session that is not known counts, whatever was forgotten. */
  readonly executeUnknown?: boolean
  /** A copy takes updates of sessions that were forgotten. */
  readonly takeForgotten?: boolean
  /** A document counts as received with its first piece, so that a stream that goes on leaves it out. */
  readonly cursorBeforeWrite?: boolean
  /** A stream of copies that broke off counts as one that has ended. */
  readonly coverBrokenStream?: boolean
  /** Copies that were offered are confirmed before they have come. */
  readonly confirmOffered?: boolean
  /** What is left of a copy of which a record was damaged counts as the copy. */
  readonly countDamaged?: boolean
  /** A strong update is taken from an owner that was replaced. */
  readonly noFence?: boolean
  /** A strong update counts as often as it comes. */
  readonly ignoreKeys?: boolean
  /** A strong update is taken whatever it was computed from. */
  readonly noPrecondition?: boolean
}
