import { isMajority } from '@murmuration/membership'
import type { PartitionStatus, Reachability, View } from '@murmuration/interface'

/**
 * How a peer stands in a split, counted over the acceptors of the last agreed view and never over
 * what is visible now: a side that shrinks its own count could call itself the majority. The majority
 * is the side that can decide the next view, so that of two complementary sides exactly one is it.
 */
export function standingOf(
  view: View,
  reachability: (peer: string) => Reachability
): { readonly status: PartitionStatus; readonly unreachable: readonly string[] } {
  const peers = view.members.map(({ peer }) => peer)
  const unreachable = peers.filter((peer) => reachability(peer) === 'unreachable')
  if (unreachable.length === 0) return { status: 'whole', unreachable }
  const gone = new Set(unreachable)
  const reachable = new Set(peers.filter((peer) => !gone.has(peer)))
  return { status: isMajority(view, reachable) ? 'majority' : 'minority', unreachable }
}
