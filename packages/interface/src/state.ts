import type { Consistency, Epoch, VersionVector } from './agent-record.ts'

/** One recorded change of a document; what travels instead of code. */
export interface Operation {
  /** Field of the document's schema. */
  readonly field: string
  /** What to do with it, as the field's type defines: `increment`, `set`, `add` … */
  readonly name: string
  /** Values of the codec: null, booleans, numbers, bigints, text, bytes, arrays, plain objects. */
  readonly args: readonly unknown[]
}

/**
 * How many copies an update needs before it is acknowledged. `local`: durable on the owner only, lost
 * with its disk. `replicated`: durable on two replicas, survives any single peer. `majority`:
 * durable on more than half of the replicas.
 */
export type AckLevel = 'local' | 'replicated' | 'majority'

/** What reading an agent's state gives. */
export interface StateReading<T> {
  readonly value: T
  /** Which updates the value contains. */
  readonly version: VersionVector
  /** The tenure of the owner that answered; undefined when a replica answered. */
  readonly epoch: Epoch | undefined
  /** PeerIds (text) of the replicas by the current view. */
  readonly replicas: readonly string[]
  readonly consistency: Consistency
}
