/** What the registry does when it is not told otherwise. */
export const defaults = Object.freeze({
  /**
   * Locations remembered, in entries of about 200 bytes. More saves questions to owners, fewer saves
   * memory; a forgotten one costs one round trip.
   */
  locationsMax: 100_000,
  /** Milliseconds that one question to another peer may take. */
  questionTimeoutMs: 2_000,
  /** How often one start of an edge peer takes its seat again; two that run with one key must not go on for ever. */
  seatRetakesMax: 3,

  /** Milliseconds after which an edge peer asks for its seat again; doubled with each failure, to 2000. */
  seatRetryMs: 200,
  /** Milliseconds that a ballot on an agent's register may take, and the view that brings it here. */
  ballotTimeoutMs: 5_000,
  /** Ballots for one claim, as long as it is not known what came of them. */
  ballotsMax: 3,
  /** Hops to an owner that is known further on, for a peer whose view is older. */
  redirectsMax: 3,
  /** Milliseconds for which a change waits for others, before watchers on other peers are told. */
  changesDelayMs: 20,
  /** Changes in one signal to them. */
  changesPerSignal: 256,
  /** Of these, merges of claims, which carry what both sides had registered. */
  mergesPerSignal: 4,
  /** Labels of an agent, and as many entries of its metadata. */
  labelsMax: 32,
  /** Merges of claims that the register of an agent remembers, so that none is done twice. */
  mergesKept: 16,
  /**
   * Of these, the latest ones with what had been claimed before: a split has rarely more sides, and each
   * may take as much room as the registration itself.
   */
  othersKept: 4,
  /** Claims that one peer may grant for its side of a split: each is on its disk until it is merged. */
  branchClaimsMax: 10_000,
  /** Milliseconds between two attempts to merge them, once the split is over. */
  mergeRetryMs: 1_000,
  /** Milliseconds that the owner in the agreed view may take to merge one. */
  mergeTimeoutMs: 10_000,
  /** Changes kept for one slow watcher; older ones are dropped. */
  watchQueueMax: 1_024,
  /**
   * Milliseconds for which a location in the DHT holds. Shorter forgets dead owners sooner and costs
   * more publications: one each quarter of this time and agent.
   */
  locationTtlMs: 600_000,
  /** Longest such time that peers accept, in milliseconds: below the 48 hours for which kad-dht keeps values. */
  locationTtlMaxMs: 86_400_000,
  /** Milliseconds by which the clock of another peer may be ahead. */
  locationSkewMs: 30_000,
  /** Bytes of one location in the DHT, signature included. */
  locationBytesMax: 4_096,
  /** Milliseconds for which a location found in the DHT is used again without asking. */
  locationCacheMs: 5_000,
  /** Milliseconds that one walk through the DHT may take: without a bound kad-dht takes up to 180 s. */
  walkTimeoutMs: 10_000,
  /** Peers that must have stored a location, the own one included, before a claim is granted. */
  locationCopiesMin: 2,
  /** Bytes of a summary of a view that a peer outside accepts: about 2000 members. */
  viewSummaryBytesMax: 1_048_576,
  /** Members that a peer outside asks for their view, so that one that is behind does not decide. */
  viewsProven: 2
})
