/**
 * When to stop and when to go on while the network is split.
 *
 * A peer counts the members it can reach against the last agreed view. Agents whose type says
 * `pause-minority` are paused on the side that cannot decide the next view; nothing is lost, calls
 * are refused with `PausedError` and go on after the heal.
 *
 * @packageDocumentation
 */
import type { LogSink, Membership, Partition } from '@murmuration/interface'
import { MembershipPartition } from './partition.ts'

export { standingOf, verdictOf } from './core/standing.ts'

export interface PartitionComponents {
  readonly membership: Pick<
    Membership,
    'self' | 'view' | 'reachability' | 'addEventListener' | 'removeEventListener'
  >
  readonly log?: LogSink | undefined
}

/** Watches membership and says how this peer stands. */
export function createPartition(components: PartitionComponents): Partition {
  return new MembershipPartition(components)
}
