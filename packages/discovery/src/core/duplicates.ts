/** What the rule for duplicates needs to know of a connection. */
export interface ObservedConnection {
  readonly id: string
  /** True where this peer dialled it. */
  readonly outbound: boolean
  /** Milliseconds, on any clock that all connections of this peer share. */
  readonly openedAt: number
}

/** Bytewise order of the texts; PeerIds are base58 or base32, hence ASCII. */
export function isLower(self: string, peer: string): boolean {
  return self < peer
}

/**
 * The one connection to keep of several to the same peer: dialled by the peer with the lower id
 * where there is such a one, and of those the newest (the dialler opens a second one only when it
 * has lost the first). Both sides come to the same answer without talking.
 */
export function survivorOf<C extends ObservedConnection>(
  self: string,
  peer: string,
  connections: readonly C[]
): C | undefined {
  const byLower = connections.filter(({ outbound }) => outbound === isLower(self, peer))
  const candidates = byLower.length > 0 ? byLower : connections
  return candidates.reduce<C | undefined>(
    (best, next) => (best === undefined || next.openedAt > best.openedAt ? next : best),
    undefined
  )
}

/**
 * The connections this side may close. Of two with the survivor's direction only the dialler knows
 * for sure which is newer, so only the dialler closes one.
 */
export function losersOf<C extends ObservedConnection>(
  connections: readonly C[],
  survivor: C
): readonly C[] {
  return connections.filter(
    (one) => one !== survivor && (one.outbound || one.outbound !== survivor.outbound)
  )
}
