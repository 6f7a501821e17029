import type { TypedEventTarget } from 'main-event'
import type { PartitionPolicy } from './agent-record.ts'
import type { Service } from './runtime.ts'

/**
 * How this peer stands in a split: `whole` (all members reachable), `majority` (it can take part in
 * deciding the next view), `minority` (it cannot).
 */
export type PartitionStatus = 'whole' | 'majority' | 'minority'

export type Verdict = 'run' | 'pause'

export interface PartitionEvents {
  status: CustomEvent<{
    readonly previous: PartitionStatus
    readonly status: PartitionStatus
    readonly unreachable: readonly string[]
  }>
}

/** When to stop and when to go on. */
export interface Partition extends TypedEventTarget<PartitionEvents>, Service {
  readonly status: PartitionStatus
  verdict(policy: PartitionPolicy): Verdict
}
