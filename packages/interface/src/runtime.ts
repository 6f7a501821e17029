/**
 * What protocol cores take from outside, so that a simulator can run the same code: time,
 * randomness and storage. Shells pass the real ones.
 */

/** Time. `now` may jump (wall clock); `monotonic` never goes back. Both in milliseconds. */
export interface Clock {
  now(): number
  monotonic(): number
  /** Runs `task` once after `delayMs`; the returned function cancels it. */
  schedule(delayMs: number, task: () => void): () => void
}

/** Randomness; a seeded one replays a run. */
export interface Random {
  /** A number in [0, 1). */
  next(): number
  bytes(length: number): Uint8Array
}

/** Structured logging: one line of text and fields. Same shape as libp2p's `Logger` where used. */
export interface LogSink {
  (message: string, fields?: Readonly<Record<string, string | number | boolean>>): void
}

/** Something that runs between `start` and `stop`. Both are idempotent. */
export interface Service {
  start(): Promise<void> | void
  stop(): Promise<void> | void
}
