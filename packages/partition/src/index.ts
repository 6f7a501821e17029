/**
 * When to stop and when to go on while the network is split.
 *
 * A peer counts the members it can reach against the last agreed view. What follows from that is
 * for the strategy of each agent type: a pure function that says run or pause. Nothing is lost by a
 * pause: calls are refused with `PausedError` and go on after the heal.
 *
 * @packageDocumentation
 */
import type {
  Clock,
  LogSink,
  Membership,
  Partition,
  PartitionPolicy,
  Rpc
} from '@murmuration/interface'
import { Branches } from './branches.ts'
import type { BranchComponents, BranchingMembership, BranchInit } from './branches.ts'
import { MembershipPartition } from './partition.ts'

export type { BranchComponents, BranchingMembership, BranchInit } from './branches.ts'
export { describeLinks, situationOf } from './core/links.ts'
export type { Links, Row } from './core/links.ts'
export { simulateSplit } from './core/simulate.ts'
export { standingOf } from './core/standing.ts'
export { staticQuorum } from './core/strategies/static-quorum.ts'
export { strategyOf } from './core/strategies.ts'

export interface PartitionComponents {
  readonly membership: Pick<
    Membership,
    'self' | 'view' | 'reachability' | 'addEventListener' | 'removeEventListener'
  >
  /** To hear what others reach. Without it indirect and one-way links are not told apart. */
  readonly rpc?: Pick<Rpc, 'handle' | 'unhandle' | 'call'> | undefined
  /** Without it strategies that wait for the links to come to rest do not wait. */
  readonly clock?: Clock | undefined
  readonly log?: LogSink | undefined
}

export interface PartitionInit {
  /** For agent types that name none. @default 'pause-minority' */
  readonly policy?: PartitionPolicy
  /** Milliseconds of rest before a strategy that is not immediate decides. @default by size, 7 to 30 s */
  readonly stableAfterMs?: number
}

/** Watches membership and says how this peer stands. */
export function createPartition(
  components: PartitionComponents,
  init: PartitionInit = {}
): Partition {
  return new MembershipPartition(components, init)
}

/**
 * Membership for the layers whose state merges: on a side of a split that cannot decide a view it
 * shows a branch, so that this side goes on by itself. Start it after membership and partition.
 */
export function createBranches(
  components: BranchComponents,
  init: BranchInit = {}
): BranchingMembership {
  return new Branches(components, init)
}
