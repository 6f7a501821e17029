/** What a peer does when it is not told otherwise. */
export const defaults = Object.freeze({
  /** Share of agents relative to other members: room to go down and up. */
  weight: 100,
  /** Milliseconds that `drain` waits for others to take over; then it stops anyway and says so. */
  drainTimeoutMs: 10_000,
  /** Milliseconds between two looks at whether the others have taken over. */
  drainPollMs: 50,
  /** Milliseconds for exchanging an invitation, the dial included. */
  redeemTimeoutMs: 15_000,
  /** Milliseconds for agreeing on a view without a revoked peer. */
  revokeTimeoutMs: 10_000,
  /**
   * Peers of whom a proof is kept that they lied, at most half a MiB each; of further ones only the
   * log tells. They are revoked all the same.
   */
  evidenceMax: 64,
  /** What a peer says of itself in one message. Unit: bytes. libp2p takes no longer ones. */
  identifyBytesMax: 8_192,
  /** One question to the DHT of this peer, or an answer. Unit: bytes. Twice the largest record; its length has 3 bytes. */
  kademliaBytesMax: 2_000_000,

  /** Milliseconds between two looks at whether this peer is ready. */
  readyPollMs: 20,
  /** Milliseconds between two measurements of the load of this machine. */
  loadSampleMs: 500,
  /**
   * Agents that one view moves. Each costs its new owner a merge, and calls to it wait meanwhile:
   * more is sooner done, fewer is smoother.
   */
  movesPerView: 256,
  /** Mean of the milliseconds between two such views. */
  movePauseMs: 200,
  /**
   * Milliseconds that an owner has to say which of its agents may be moved by hand. Of a silent one,
   * who moves them asks their type.
   */
  moveAskMs: 2_000,
  /** Milliseconds that a view has to come which moves agents. */
  moveTimeoutMs: 10_000,
  /**
   * Most agents of one step, and so most of those that their types may keep back in one view: a view
   * names 2048 moved agents.
   */
  perViewMax: 2048,
  /**
   * Milliseconds that an owner has to say which of its agents a joiner would have. The one that has
   * most is asked while its event loop stands still for seconds; who is silent for longer is no member.
   */
  motionAskMs: 5_000,
  /** Milliseconds before a step that failed is tried again; doubled up to the longest. */
  motionRetryMs: { first: 100, longest: 1_000 },
  /**
   * Milliseconds after the last join or step that the next step waits for copies, at most: longer is
   * smoother, for its owners have fewer disks to ask. While one member carries all work, copies of
   * what others joined for take 5 s without and 12 s with other work beside it (five peers, two cores).
   */
  motionPatienceMs: 2_000,
  /**
   * Milliseconds without a join or a leave after which a start counts as over. Longer spares more
   * starts their steps; what joins until then moves its share at once. Processes of one start come
   * 8 s after the first one on two busy cores.
   */
  motionStartMs: 10_000,
  /** Milliseconds between two looks at whether the next step may begin. */
  motionPollMs: 100,
  /**
   * Milliseconds after which the next member in order moves agents, if the one before it does not:
   * longer than a step on a busy machine (4 s at a load of 12), or both take the same one.
   */
  motionTurnMs: 5_000,
  /** Milliseconds that a step takes, about: so many fit into the time that a peer has to leave. */
  motionStepMs: 1_000,
  /** Mean of the milliseconds between two looks at whether a cluster that had no agents has some. */
  firstAgentsMs: 1_000,
  /** Milliseconds between two questions whether a side of a split is merged. */
  mergedAskMs: 1_000,
  /** Milliseconds after which an agent is reported without what became of it. */
  mergedTimeoutMs: 60_000,
  /** Agents that are asked for at once. */
  mergedAsksMax: 8,
  /** Agents in one report of a merge. */
  mergedAgentsMax: 10_000,
  /** Fields of one agent in such a report of which the values are shown. More makes reports larger. */
  divergedFieldsMax: 16,
  /** Reports that this peer remembers, for who asks what became of an agent. Splits are rare. */
  mergeReportsKept: 16,
  /** Milliseconds that a member may take to have given disks up, a view included. */
  recoveryTimeoutMs: 15_000,
  /** Agents that wait for lost disks, of those that are shown. */
  recoveryExamplesMax: 8
})
