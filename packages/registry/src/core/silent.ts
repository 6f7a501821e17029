import type { AgentRecord, ClaimResult, FindResult } from '@murmuration/interface'
import type { Placement } from '@murmuration/placement'

/**
 * What is known of an agent whose owner does not answer: the agreed view still says where it belongs.
 * Not so of an edge peer, for which no member keeps a place when it is gone.
 */
export function foundSilent(
  placement: Placement | undefined,
  agent: AgentRecord,
  owner: string
): FindResult {
  return placement?.ownerOf(agent) === undefined
    ? { status: 'not-found', freshness: 'cached' }
    : { status: 'remote', peer: owner, freshness: 'cached' }
}

/** The same, of a claim. */
export function claimSilent(placement: Placement, agent: AgentRecord): ClaimResult {
  return placement.ownerOf(agent) === undefined
    ? { status: 'unavailable', reason: 'pinned-peer-absent' }
    : { status: 'unknown' }
}
