import type { Cluster } from '@murmuration/cluster'
import type { Recorder } from '../recorder.ts'

/** Milliseconds that one operation may take, as its client asks for. */
export const DEADLINE_MS = 10_000
export const limits = { timeoutMs: DEADLINE_MS }

export interface Client {
  readonly cluster: Cluster
  readonly recorder: Recorder
  /** Number of its peer. */
  readonly client: number
  readonly key: string
}

/** What clients of each peer do all the time, one loop for each key. */
export interface Workload {
  readonly keys: number
  readonly paceMs: number
  /** Gives what one loop does in each turn. */
  readonly begin: (client: Client) => (turn: number) => Promise<unknown>
}

let names = 0

/** A name that no other client gives. */
export function uniqueName(client: number): string {
  return `${client}.${process.pid}.${names++}`
}
