/** Answers that took longer say too little about the clock of the other side. Unit: ms. */
const rttMax = 200

/** What was learnt longer ago does not count: whoever was wrong may have been set right. Unit: ms. */
const ageMax = 60_000

/** A moment by both clocks of this peer, in milliseconds. */
interface Moment {
  readonly wall: number
  readonly monotonic: number
}

/**
 * How far this peer's wall clock is off, by the times in the answers of other members (rule 14).
 * Theirs are kept against the monotonic clock, so that a jump of the own wall clock shows at once,
 * and so does its end.
 */
export class ClockOffsets {
  readonly #others = new Map<string, { readonly ahead: number; readonly at: number }>()

  /** An answer with the other side's wall clock; sent and received by the own monotonic one. */
  saw(peer: string, theirs: number, sent: number, received: number): void {
    if (received - sent > rttMax) return
    this.#others.set(peer, { ahead: theirs - (sent + received) / 2, at: received })
  }

  keep(members: ReadonlySet<string>): void {
    for (const peer of this.#others.keys()) {
      if (!members.has(peer)) this.#others.delete(peer)
    }
  }

  /**
   * How far the own wall clock is ahead of the median of all that are known, itself included; of an
   * even number the one nearer to it. So whoever is alone with its time is wrong. Unit: ms.
   */
  skewMs({ wall, monotonic }: Moment): number {
    const own = wall - monotonic
    const behind = [...this.#others.values()]
      .filter(({ at }) => monotonic - at <= ageMax)
      .map(({ ahead }) => own - ahead)
    const all = [0, ...behind].toSorted((a, b) => a - b)
    const [low, high] = [all[(all.length - 1) >> 1] ?? 0, all[all.length >> 1] ?? 0]
    return Math.abs(low) <= Math.abs(high) ? low : high
  }
}
