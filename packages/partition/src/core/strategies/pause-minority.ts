import { isMajority } from '@murmuration/membership'
import type { PartitionStrategy } from '@murmuration/interface'

/**
 * Goes on where the next view can be decided, and nowhere else. Counts what this peer reaches by
 * itself: who reaches a majority can act with it, whatever the links between others are. No recount
 * for members that leave or join: both are decided by the same majority.
 */
export const pauseMinority: PartitionStrategy = {
  name: 'pause-minority',
  isImmediate: true,
  decide({ view, direct }) {
    const count = `${direct.size} of ${view.members.length} members reached`
    return isMajority(view, direct)
      ? { verdict: 'run', reason: `${count}, a majority` }
      : { verdict: 'pause', reason: `${count}, no majority` }
  }
}
