import type { PartitionStrategy } from '@murmuration/interface'

/** Goes on everywhere; for state that merges, and effects that may happen twice. */
export const continueAll: PartitionStrategy = {
  name: 'continue-all',
  isImmediate: true,
  decide: () => ({ verdict: 'run', reason: 'every side goes on, and all merge when it is over' })
}
