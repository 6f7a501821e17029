/** What the registry does when it is not told otherwise. */
export const defaults = Object.freeze({
  /**
   * Locations remembered, in entries of about 200 bytes. More saves questions to owners, fewer saves
   * memory; a forgotten one costs one round trip.
   */
  locationsMax: 100_000,
  /** Milliseconds that one question to another peer may take. */
  questionTimeoutMs: 2_000,
  /** Changes kept for one slow watcher; older ones are dropped. */
  watchQueueMax: 1_024
})
