/**
 * Deliberate mistakes, each of which breaks one rule. Tests turn them on one at a time to show that
 * the simulation would notice. Never set outside of tests; not part of the public interface.
 */
export interface Mutants {
  /** Proposers ask and change the newest home set only, and ballots know no view ("switch to the new ring"). */
  readonly naiveSwitch?: boolean
  /** Acceptors answer also under a view older than their own. */
  readonly noFence?: boolean
  /** Only the home set of the view before is asked, though views can be skipped. */
  readonly previousViewOnly?: boolean
  /** Older home sets are not asked at all. */
  readonly newestSetOnly?: boolean
  /** A prepare with the ballot that was promised already is promised again. */
  readonly equalBallots?: boolean
  /** Accepting does not raise the promise. */
  readonly acceptKeepsPromise?: boolean
  /** Accepts are taken below the promise. */
  readonly acceptBelowPromise?: boolean
  /** The promise is kept after an accept that only some acknowledged (the bug of gryadka). */
  readonly cacheAfterFailure?: boolean
  /** A promise of an earlier view is taken for one of the present view. */
  readonly cacheOverViews?: boolean
  /** Reads give the highest value of a majority, agreed or not. */
  readonly peekHighest?: boolean
  /** Reads take an agreed value of any view. */
  readonly peekAnyView?: boolean
  /** Reads see what is not on disk yet. */
  readonly peekUnsynced?: boolean
  /** Reads by ballot answer without agreeing on what they found. */
  readonly readWithoutCommit?: boolean
  /** A change that leaves the value as it is answers without agreeing on it. */
  readonly missWithoutCommit?: boolean
  /** Replies leave before the record is on disk. */
  readonly replyBeforeSync?: boolean
  /** A failed accept is taken for one without effect, and the change runs again. */
  readonly retryUnknown?: boolean
  /** A refused accept is taken for one that was never accepted. */
  readonly refusalIsFinal?: boolean
  /** An acceptor speaks for the disk that it lost. */
  readonly wipedKeepsName?: boolean
  /** A restarted proposer uses its ballots again. */
  readonly bootNotInBallot?: boolean
  /** Of the promises, any value is taken, not that of the highest ballot. */
  readonly anyPromisedValue?: boolean
  /** One member of the old home set moves its keys, the others report at once. */
  readonly settleFromOne?: boolean
  /** A view is reported as settled before the keys are moved. */
  readonly settleUnmoved?: boolean
  /** What a peer has accepted in the newest view counts as moved, whoever else has it. */
  readonly acceptedIsMoved?: boolean
  /** One replica that holds something of the newest view is taken for a majority. */
  readonly surveyOfOne?: boolean
  /** Who has lost a record has nothing to move. */
  readonly damagedIsMoved?: boolean
  /** Former replicas erase their records when a view places them elsewhere. */
  readonly eraseBeforeSettled?: boolean
  /** Deletions are erased as soon as the view changes, whoever still has the value. */
  readonly eraseUnsealed?: boolean
  /** Deletions are erased in the view in which they were made. */
  readonly eraseInSameView?: boolean
  /** What a returning member accepted before it was away counts as ever. */
  readonly trustReturned?: boolean
  /** A damaged record counts as an absent one. */
  readonly damagedIsAbsent?: boolean
  /** Any request raises the fence to the view that it names, decided or not. */
  readonly unverifiedFence?: boolean
  /** A lost accept counts as void as soon as somebody else's stands, whatever that was built on. */
  readonly overtakenIsVoid?: boolean
  /** The first value of a register counts as chosen as soon as a majority has accepted it. */
  readonly firstByMajority?: boolean
  /** A first value is accepted also by who has promised or accepted something. */
  readonly firstOverAll?: boolean
  /** A first value counts although some replica is seen without it. */
  readonly firstCountsAlone?: boolean
  /** A replica that has lost its record is taken for one that never had a first value. */
  readonly lostIsWithout?: boolean
  /** A read takes a first value that a majority has for agreed. */
  readonly peekFirst?: boolean
  /** A first value is proposed while older home sets may hold something. */
  readonly firstOverViews?: boolean
  /** Of a home set whose majority was given up, any one survivor suffices. */
  readonly oneSurvivorSuffices?: boolean
  /** A home set whose majority was given up is not asked at all. */
  readonly askNoSurvivor?: boolean
}
