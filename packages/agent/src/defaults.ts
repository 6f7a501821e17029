/** What the agent layer does when it is not told otherwise. */
export const defaults = Object.freeze({
  /**
   * Milliseconds a call, update or read may take in all, retries and failover included. Failover
   * after a killed peer takes about two seconds, so anything shorter turns it into errors.
   */
  callTimeoutMs: 10_000,
  /** Requests waiting for one agent. More are answered `OverloadedError`; fewer shed bursts. */
  mailboxMax: 1_024,
  /** Agents running on one peer. More are answered `OverloadedError`; each costs about 6 KB. */
  activationsMax: 100_000,
  /** Milliseconds without a request after which an agent leaves memory; its state stays on disk. */
  idleMs: 600_000,
  /** Milliseconds a handler may run before the log says so. It is never ended by force. */
  handlerWarnMs: 10_000,
  /** Milliseconds before the first retry; doubled each time, with full jitter. */
  retryBaseMs: 10,
  /** Longest pause between two retries, in milliseconds: a new owner is noticed this fast. */
  retryMaxMs: 200,
  /**
   * Milliseconds for which a paused agent is asked again before `PausedError` reaches the caller:
   * longer than a link that blinks, and short, because a split lasts for as long as it lasts.
   */
  pausedMs: 1_000,
  /** Agents that one session token knows. Each is about a hundred bytes of the token. */
  sessionAgentsMax: 10_000,
  /** How often a strong change is computed: more goes on for longer against others that change it too. */
  strongRunsMax: 5,
  /** Documents up to this size, in bytes, travel back with an update, so that the next one needs no read. */
  echoBytesMax: 2_048,
  /** Milliseconds for which such a document is used. Longer saves reads and shows older state. */
  echoMs: 1_000,
  /** Updates after which a document is measured again that was too large to travel back. */
  echoesSkipped: 64,
  /** Milliseconds for which it is remembered what an owner forgot. Shorter costs a question more. */
  openingsMs: 3_600_000,
  /** Agents of which that is remembered. */
  openingsMax: 4_096,
  /** Documents, and as many strong parts, that references remember between updates. */
  echoesMax: 1_024,
  /** Operations of one update or handler: what `crdt` takes in one draft. */
  operationsMax: 4_096,
  /** Bytes of an exported agent: as many as a whole copy of a document may have. */
  exportBytesMax: 67_108_864,
  /** Bytes of the operations with which an import is done in parts: half of what an update may have. */
  importBytesMax: 131_072,
  /** Parts of one import, for the largest export. Against others that write all the time it ends here. */
  importPartsMax: 4_096,
  /** Signals one handler may emit; more is an error of the handler. */
  emitMax: 256,
  /**
   * Handlers per agent whose signals wait because the copies of their changes are not confirmed in
   * time. The oldest are dropped, and the log says so.
   */
  lateEmitsMax: 64,
  /** Milliseconds between two states that a watcher is sent. */
  watchIntervalMs: 50,
  /** Bytes of a document that a watcher is sent with the news; it reads larger ones itself. */
  watchBytesMax: 524_288,
  /** Requests of other peers that are under way here at once. */
  requestsMax: 16_384,
  /** Watches of other peers that are open here at once. */
  watchesMax: 4_096,
  /** Requests of one session that are open. Reaching it means that somebody never confirms. */
  sessionOpenMax: 1_048_576,
  /** Scheduled calls that one peer has under way at once; more wait, so a common tick is no flood. */
  schedulesFiringMax: 64,
  /** Milliseconds before a scheduled call that could not be made is made again. */
  scheduleRetryMs: 1_000,
  /** Milliseconds after which the scheduler looks at the wall clock again, which may have been set. */
  scheduleSleepMs: 30_000,
  /**
   * Milliseconds for which a tick whose schedule says `skip` may be late: longer than failover takes,
   * so that the death of a peer skips nothing.
   */
  scheduleSkipMs: 15_000,
  /** Missed ticks that a schedule with `all` makes up for. */
  scheduleCatchUpMax: 100,
  /** Milliseconds between two questions whether what a branch acknowledged is merged. */
  branchKeysMs: 1_000,
  /** Milliseconds for which the loads of the members are used again: agents come in bursts. */
  loadCacheMs: 1_000,
  /** Milliseconds that a member has to say how loaded it is. */
  loadTimeoutMs: 500,
  /** Milliseconds before its deadline within which a call that failed is not sent through another peer. */
  handOnMs: 300,
  /** Edge peers of which is remembered that they are reached through others. */
  waysMax: 1_024,
  /** Milliseconds that a view has to come which moves an agent. */
  moveTimeoutMs: 5_000
})
