import { InvalidParametersError } from '@murmuration/interface'
import type { PartitionStrategy, SplitDecision, SplitSituation } from '@murmuration/interface'

/**
 * Goes on where at least `size` members are on one whole side. For clusters of fixed size whose
 * operators want to say themselves how many are enough; `size` must be more than half of them, or
 * everything pauses.
 */
export function staticQuorum(init: { readonly size: number }): PartitionStrategy {
  const { size } = init
  if (!Number.isInteger(size) || size < 1) {
    throw new InvalidParametersError(`size must be a whole number from 1, not ${size}`)
  }
  return { name: 'static-quorum', decide: (situation) => decide(situation, size) }
}

function decide(situation: SplitSituation, size: number): SplitDecision {
  const { view, side, others, self, indirect, leaving, joining, isUnstable } = situation
  if (view.members.length > 2 * size - 1) {
    const reason = `${view.members.length} members: two sides could have ${size} each`
    return { verdict: 'pause', reason }
  }
  if (indirect.has(self)) {
    return { verdict: 'pause', reason: 'this peer misses members that others of its side reach' }
  }
  if (isUnstable) return { verdict: 'pause', reason: 'the links do not come to rest' }
  // Counted again at the worst: those that leave may be gone, those that join may be over there.
  const staying = [...side].filter((peer) => !leaving.has(peer)).length
  if (staying >= size && others.size + joining.size < size) {
    return { verdict: 'run', reason: `${staying} members on this side, ${size} are enough` }
  }
  return { verdict: 'pause', reason: `${staying} members on this side, ${size} are needed` }
}
