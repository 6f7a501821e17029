/** Every bound and time of this package. Units are in the names. */
export const defaults = Object.freeze({
  /** Failures one after the other that open a circuit. Fewer react faster and open by accident. */
  failuresMax: 5,

  /** Milliseconds before an open circuit lets one call through to see whether things are better. */
  resetMs: 1_000,

  /** Calls of one operation under way at once, for `withBulkhead`. */
  callsMax: 64,

  /** Calls to one peer under way at once. Below the bound of rpc, so that its internal calls have room. */
  callsPerPeerMax: 2_048,

  /** Calls to one agent under way at once: as many as its mailbox takes. */
  callsPerAgentMax: 1_024,

  /** Peers, and agents, whose failures, or sheds, are remembered. The oldest one is forgotten. */
  circuitsMax: 4_096,

  /**
   * Calls made for each one that a far side takes which sheds: fewer would not notice when it can do
   * more, more cost it more for those that it sheds.
   */
  throttleRatio: 2,

  /** Milliseconds after which what was shed and taken counts e times less. */
  throttleMs: 500,

  /**
   * Calls in that time that are made in any case, to one agent and to one peer: that of a peer is larger, so that
   * a few agents with full mailboxes hold up no calls to the others there.
   */
  throttleFreeAgent: 10,
  throttleFreePeer: 100,

  /** Attempts of `withRetry`, the first included. */
  attemptsMax: 3,

  /** First and longest pause between attempts, in milliseconds; full jitter under a doubling bound. */
  retryBaseMs: 20,
  retryMaxMs: 1_000,

  /**
   * Share of repetitions among calls: one tenth, so that a service that sheds its load is not kept
   * down by those who ask again (Google SRE book, chapter 21).
   */
  retryRatio: 0.1,

  /** Repetitions that are always there at first and per second, for programs that call seldom. */
  retriesPerSecondMin: 10,

  /** Milliseconds before a hedged read asks a second time. */
  hedgeAfterMs: 50,

  /** Further attempts of a hedged read. */
  hedgesMax: 1
})
