import { InvalidParametersError } from '@murmuration/interface'
import type { PartitionPolicy, Reachability, SimulatedSide, View } from '@murmuration/interface'
import { situationOf } from './links.ts'
import type { Row } from './links.ts'
import { strategyOf } from './strategies.ts'

/**
 * What a policy would do on each side of a split of a view, before it happens. Members that no side
 * names are on none: they are unreachable for all.
 *
 * @throws InvalidParametersError when a side names somebody twice or who is no member
 */
export function simulateSplit(
  view: View,
  policy: PartitionPolicy,
  sides: readonly (readonly string[])[]
): readonly SimulatedSide[] {
  const named = sides.flat()
  const members = new Set(view.members.map(({ peer }) => peer))
  if (new Set(named).size < named.length)
    throw new InvalidParametersError('a side names a peer twice')
  const stranger = named.find((peer) => !members.has(peer))
  if (stranger !== undefined) throw new InvalidParametersError(`${stranger} is no member`)
  const strategy = strategyOf(policy)
  return sides
    .filter((side) => side.length > 0)
    .map((side) => {
      const own = new Set(side)
      const missed = [...members].filter((peer) => !own.has(peer))
      const row: Row = new Map(missed.map((peer): [string, Reachability] => [peer, 'unreachable']))
      const rows = new Map(side.map((peer) => [peer, row]))
      const [self = ''] = side
      return { members: side, decision: strategy.decide(situationOf({ self, view, rows })) }
    })
}
