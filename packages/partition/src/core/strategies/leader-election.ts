import type { PartitionStrategy } from '@murmuration/interface'

/**
 * Every whole side goes on under a steward of its own: the tie-breaker of the view if it is there,
 * or the lowest PeerId. There are as many stewards as sides, so this is never a lock.
 */
export const leaderElection: PartitionStrategy = {
  name: 'leader-election',
  decide({ view, side, self, indirect, isUnstable }) {
    if (indirect.has(self)) {
      return { verdict: 'pause', reason: 'this peer misses members that others of its side reach' }
    }
    if (isUnstable) return { verdict: 'pause', reason: 'the links do not come to rest' }
    const [lowest = self] = [...side].toSorted((a, b) => (a < b ? -1 : 1))
    const steward = side.has(view.tieBreaker) ? view.tieBreaker : lowest
    return { verdict: 'run', reason: `${steward} acts for this side`, steward }
  }
}
