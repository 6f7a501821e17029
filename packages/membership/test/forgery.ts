import { Decided } from '../src/core/messages.ts'
import { nextDecision } from '../src/core/view-change.ts'
import { votesOf } from '../src/core/verifying.ts'
import type { Cluster } from './cluster.ts'

/**
 * A member announces a next view that nobody has decided, with the votes that are given: what a
 * mistake in a proposer would do.
 */
export async function announce(
  cluster: Cluster,
  {
    from,
    to,
    votes
  }: { readonly from: string; readonly to: string; readonly votes: readonly string[] }
): Promise<void> {
  const { self, view } = cluster.of(from)
  if (view === undefined) {
    return
  }
  const [gone = from] = view.members.map(({ peer }) => peer).filter((peer) => peer !== to)
  const change = { join: [], remove: [gone], leave: [], advance: false }
  const ballot = { counter: 1, proposer: `${from}#${self.incarnation}#${self.boot}` }
  const proof = { ballot, votes: votesOf(view, new Set(votes)), graceMs: 0 }
  const standing = {
    cluster: view.cluster,
    lineage: cluster.lineage,
    number: view.number,
    settled: 1,
    size: view.members.length,
    incarnation: self.incarnation,
    boot: self.boot
  }
  const decision = { ...nextDecision(view, change), proof }
  const bytes = Decided.encode({ standing, decision })
  await cluster.simulation.node(from).rpc.call(to, 'membership.decided', bytes)
}
