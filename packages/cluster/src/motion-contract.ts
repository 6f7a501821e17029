/**
 * How agents come to this peer when it joins or its weight changes, and go before it leaves. Each
 * view moves at most `perView` of them (1 to 2048), and the next one comes when all members have
 * what the last one moved, or after `patienceMs` milliseconds, and after a pause of `pauseMs` on
 * average, jittered by half. Until nobody has joined or left for `startMs`, a cluster is starting,
 * and its agents come at once. With `hold` none come by themselves, until `placement.motion.resume()`.
 * Times are from 0 to 60,000.
 *
 * @default { perView: 256, pauseMs: 200, patienceMs: 2000, startMs: 10000, hold: false }
 */
export interface MotionInit {
  readonly perView?: number
  readonly pauseMs?: number
  readonly patienceMs?: number
  readonly startMs?: number
  readonly hold?: boolean
}

/** Agents on their way to or from a member that has joined, will leave, or has another weight. */
export interface Motion {
  /** How far this peer is. */
  readonly progress: MotionProgress
  /** All members on such a way, by the agreed view. */
  peers(): readonly PeerMotion[]
  /**
   * Cancels what is not under way yet: agents that have come to this peer stay, and no others come
   * or go until `resume`. A drain goes on; it is ended by its signal.
   */
  hold(): void
  resume(): void
}

export interface MotionProgress {
  /** `waiting`: for the reason given; tried again by itself. */
  readonly status: 'idle' | 'waiting' | 'moving' | 'held'
  /** Agents moved since the last way began. */
  readonly moved: number
  /** Agents that still have to move. */
  readonly left: number
  /** Ids of agents whose type refused in the last step: they stay where they are. */
  readonly refused: readonly string[]
  readonly reason: string | undefined
}

export interface PeerMotion {
  /** PeerId (text). */
  readonly peer: string
  /** The weight by which agents run on it now. */
  readonly ownerWeight: number
  readonly weight: number
}
