import type { PartitionStrategy } from './partition.ts'

/** How an agent finds its peer: by hashing, on the peer named by its key, or by load. */
export type PlacementPolicy = 'hash' | 'pinned' | 'load'

/**
 * What to do with an agent type while the network is split: one of the built-in strategies by its
 * name, or a strategy with parameters or of one's own.
 */
export type PartitionPolicy =
  | 'pause-minority'
  | 'continue-all'
  | 'leader-election'
  | 'keep-oldest'
  | 'down-all'
  | PartitionStrategy

export type Consistency = 'eventual' | 'session' | 'strong'

/**
 * Everything another peer needs to place an agent and keep its state without knowing its type.
 * It travels with requests and is stored beside the document.
 */
export interface AgentRecord {
  /** `namespace/type/key`. */
  readonly id: string
  /** What is hashed to a slot; default: the id. Agents with equal shard keys live together. */
  readonly shardKey?: string
  readonly placement: PlacementPolicy
  /** Copies of its state, 1 to 7. */
  readonly replicas: number
}

/** The right to run an agent. Later epochs compare greater: by view, then boot. */
export interface Epoch {
  readonly view: number
  readonly boot: number
  /** The side of a split that acted by itself. What it did merges after the heal. @default none */
  readonly branch?: string
  /** Too few replicas were on that side: it may lack what was acknowledged before. @default false */
  readonly partial?: boolean
}

/** Version vector: highest contiguous counter seen of each replica writer. */
export type VersionVector = Readonly<Record<string, number>>

/** Makes a repeated update count once: a session and its sequence number. */
export interface IdempotencyKey {
  readonly session: string
  readonly sequence: number
  /** The lowest sequence of this session that is not confirmed to the caller yet. */
  readonly lowest: number
  /**
   * What the agent's owner last said of the sessions that it has forgotten, as the `since` of a
   * `SessionUnknownError`, before this key was sent for the first time. Where it has forgotten some
   * since, and does not know this one, it cannot tell whether the key counted, and refuses it.
   * @default the owner has forgotten none
   */
  readonly since?: readonly number[]
}
