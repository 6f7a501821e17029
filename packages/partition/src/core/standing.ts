import type {
  PartitionPolicy,
  PartitionStatus,
  Reachability,
  Verdict,
  View
} from '@murmuration/interface'

/**
 * How a peer stands in a split, counted over the members of the last agreed view and never over
 * what is visible now: a side that shrinks its own count could call itself the majority.
 *
 * Each member weighs 1; with an even number of members the view's tie-breaker weighs 2, so that of
 * two complementary sides exactly one is the majority.
 */
export function standingOf(
  view: View,
  reachability: (peer: string) => Reachability
): { readonly status: PartitionStatus; readonly unreachable: readonly string[] } {
  const tieBreakerWeight = view.members.length % 2 === 0 ? 2 : 1
  let total = 0
  let reachable = 0
  const unreachable: string[] = []
  for (const { peer } of view.members) {
    const weight = peer === view.tieBreaker ? tieBreakerWeight : 1
    total += weight
    if (reachability(peer) === 'unreachable') unreachable.push(peer)
    else reachable += weight
  }
  if (unreachable.length === 0) return { status: 'whole', unreachable }
  return { status: reachable * 2 > total ? 'majority' : 'minority', unreachable }
}

/** What an agent type with this policy does on a peer that stands so. */
export function verdictOf(policy: PartitionPolicy, status: PartitionStatus): Verdict {
  switch (policy) {
    case 'pause-minority':
      return status === 'minority' ? 'pause' : 'run'
    case 'continue-all':
    case 'leader-election':
      return 'run'
  }
}
