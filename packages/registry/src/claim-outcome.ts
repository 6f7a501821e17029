import type { ClaimResult, Epoch, UnavailableReason } from '@murmuration/interface'

/** What a start of an agent on this peer came to, as the result of a claim. */
export async function claimOutcomeOf(start: Promise<Epoch>): Promise<ClaimResult> {
  try {
    return { status: 'claimed', epoch: await start }
  } catch (error) {
    const name = error instanceof Error ? error.name : ''
    const reason = reasons[name]
    if (reason !== undefined) return unavailable(reason)
    // The view changed while the claim ran: the next one decides who owns it.
    if (name === 'NotOwnerError' || name === 'FencedError') return { status: 'unknown' }
    throw error
  }
}

export function unavailable(reason: UnavailableReason): ClaimResult {
  return { status: 'unavailable', reason }
}

const reasons: Readonly<Record<string, UnavailableReason | undefined>> = {
  UnavailableError: 'no-quorum',
  PausedError: 'paused',
  ClusterAtCapacityError: 'at-capacity'
}
