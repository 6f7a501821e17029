import type { View } from '@murmuration/interface'

/** How fast the members of one view watch each other, in milliseconds. */
export interface Pace {
  /** Between two heartbeats on one edge. */
  readonly beatMs: number
  /** Between two renewals of a lease; a renewal is a heartbeat to an acceptor. */
  readonly renewMs: number
  /** Silence after which a peer is suspected, and within which an acceptor vouches for it. */
  readonly suspectMs: number
  /** Silence after which a peer is accused: 5 s of allowed stall, two beats, and a margin. */
  readonly removeMs: number
  /** How long an accusation counts after its accuser last confirmed it: four beats. */
  readonly accusationMs: number
  /** How long one renewal counts: at least three of them. */
  readonly leaseMs: number
}

/**
 * Faster finds silence sooner and costs each member more messages: about
 * `4 · watched / beatMs + 4 · acceptors / renewMs` sent and received (rule 9).
 */
const paces: readonly (readonly [membersMax: number, pace: Pace])[] = [
  [
    50,
    {
      beatMs: 500,
      renewMs: 500,
      suspectMs: 3000,
      removeMs: 6000,
      accusationMs: 2000,
      leaseMs: 1500
    }
  ],
  [
    100,
    {
      beatMs: 1000,
      renewMs: 1000,
      suspectMs: 4000,
      removeMs: 7500,
      accusationMs: 4000,
      leaseMs: 3000
    }
  ],
  [
    Number.POSITIVE_INFINITY,
    {
      beatMs: 2000,
      renewMs: 3000,
      suspectMs: 6000,
      removeMs: 9500,
      accusationMs: 8000,
      leaseMs: 9000
    }
  ]
]

export function paceOf(members: number): Pace {
  const found = paces.find(([membersMax]) => members <= membersMax) ?? paces[0]
  if (found === undefined) {
    throw new RangeError('there is a pace for every size')
  }
  return found[1]
}

/** How long one renewal counts in this view; what is agreed in it holds. */
export function leaseMsOf(view: View): number {
  return view.leaseMs ?? paceOf(1).leaseMs
}
