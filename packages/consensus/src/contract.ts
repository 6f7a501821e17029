import type { ComponentLogger, Metrics } from '@libp2p/interface'
import type { Clock, Membership, Random, Registers, Rpc, Store } from '@murmuration/interface'

/** What {@link createRegisters} needs from the node. */
export interface RegistersComponents {
  readonly rpc: Rpc
  /** Must wait for reports by `registers` before it settles a view. */
  readonly membership: Membership
  /** Records are kept under the prefix `registers/`. */
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly logger?: ComponentLogger
  readonly metrics?: Metrics
}

/** Options of {@link createRegisters}. */
export interface RegistersInit {
  /**
   * Which numbers of replicas keys may have; equal on all members. A number that is never used costs
   * nothing, but 1 and 2 mean that a lost disk may leave its views unsettled until it is back.
   *
   * @default [3]
   */
  readonly replicas?: readonly number[]
  /** How long an operation waits where its options do not say. Unit: ms. @default 5000 */
  readonly timeoutMs?: number
  /**
   * How long one message to an acceptor may take; up to four times that where it is slow.
   * Unit: ms. @default 1000
   */
  readonly requestTimeoutMs?: number
}

export interface RegistersStats {
  /** Operations of this peer that wait. */
  readonly waiting: number
  /** Registers known to this peer as a proposer. */
  readonly proposers: number
  /** Records in memory. */
  readonly records: number
  /** Records of which a part was lost; this peer does not vote on them. */
  readonly damaged: number
}

/** {@link Registers} with what operators want to see. */
export interface RegistersService extends Registers {
  stats(): RegistersStats
}
