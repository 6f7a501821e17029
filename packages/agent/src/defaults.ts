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
  /** Milliseconds before the first retry; doubled each time, with full jitter. */
  retryBaseMs: 10,
  /** Longest pause between two retries, in milliseconds: a new owner is noticed this fast. */
  retryMaxMs: 200,
  /** Documents up to this size, in bytes, travel back with an update, so that the next one needs no read. */
  echoBytesMax: 2_048,
  /** Documents that references remember between updates. */
  echoesMax: 1_024,
  /** Signals one handler may emit; more is an error of the handler. */
  emitMax: 256,
  /** Milliseconds between two states that a watcher is sent. */
  watchIntervalMs: 50
})
