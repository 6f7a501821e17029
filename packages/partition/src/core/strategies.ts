import type { PartitionPolicy, PartitionStrategy } from '@murmuration/interface'
import { continueAll } from './strategies/continue-all.ts'
import { downAll } from './strategies/down-all.ts'
import { keepOldest } from './strategies/keep-oldest.ts'
import { leaderElection } from './strategies/leader-election.ts'
import { pauseMinority } from './strategies/pause-minority.ts'

const byName: Readonly<Record<Extract<PartitionPolicy, string>, PartitionStrategy>> = {
  'pause-minority': pauseMinority,
  'continue-all': continueAll,
  'leader-election': leaderElection,
  'keep-oldest': keepOldest,
  'down-all': downAll
}

export function strategyOf(policy: PartitionPolicy): PartitionStrategy {
  return typeof policy === 'string' ? byName[policy] : policy
}
