import type { Member, PartitionStrategy } from '@murmuration/interface'

/**
 * Goes on where the oldest member is, unless it is alone: then everybody else does. May keep two of
 * a hundred members.
 */
export const keepOldest: PartitionStrategy = {
  name: 'keep-oldest',
  decide({ view, side, others, self, indirect, leaving, joining, isUnstable }) {
    if (indirect.has(self)) {
      return { verdict: 'pause', reason: 'this peer misses members that others of its side reach' }
    }
    if (isUnstable) return { verdict: 'pause', reason: 'the links do not come to rest' }
    const oldest = oldestOf(view.members)
    if (oldest === undefined) return { verdict: 'pause', reason: 'the view has no members' }
    const staying = [...side].filter((peer) => !leaving.has(peer) || peer === oldest).length
    if (side.has(oldest)) {
      // A pair keeps its oldest: alone are both.
      const isAlone = staying === 1 && others.size + joining.size > 1
      return isAlone
        ? { verdict: 'pause', reason: `${oldest}, the oldest, is alone` }
        : { verdict: 'run', reason: `${oldest}, the oldest, is on this side` }
    }
    const isAlone = others.size + joining.size === 1 && others.has(oldest) && staying > 1
    return isAlone
      ? { verdict: 'run', reason: `${oldest}, the oldest, is alone on the other side` }
      : { verdict: 'pause', reason: `${oldest}, the oldest, is on the other side` }
  }
}

function oldestOf(members: readonly Member[]): string | undefined {
  const [oldest] = members.toSorted((a, b) => a.since - b.since || (a.peer < b.peer ? -1 : 1))
  return oldest?.peer
}
