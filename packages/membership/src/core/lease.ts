import type { View } from '@murmuration/interface'
import { leaseMsOf } from './pace.ts'
import type { Rules } from './rules.ts'

/** One round of renewals: who has granted it so far. */
interface Round {
  readonly view: View
  readonly sentAt: number
  readonly granters: Set<string>
}

/**
 * The lease of this peer, as its holder sees it: it holds for so long after a renewal was *sent*
 * that a majority of the acceptors granted.
 */
export class Lease {
  readonly #self: string
  readonly #rules: Rules
  /** Later rounds replace earlier ones only when they are granted. */
  #round: Round | undefined
  #proven: { readonly view: View; readonly granters: readonly string[] } | undefined
  #until = Number.NEGATIVE_INFINITY
  /** Whether it was told that it is held; {@link until} decides. */
  isHeld = false

  constructor(self: string, rules: Rules) {
    this.#self = self
    this.#rules = rules
  }

  /** Up to when it is held. */
  get until(): number {
    return this.#until
  }

  /** Begins a round of renewals; grants of it are to be given with what this returns. */
  renew(view: View, now: number): Round {
    this.#round = { view, sentAt: now, granters: new Set() }
    return this.#round
  }

  /** An acceptor has granted a renewal. True if the lease was extended by it. */
  granted(round: Round, by: string, now: number): boolean {
    round.granters.add(by)
    if (round.view !== this.#round?.view) {
      // Of a view that is over: its acceptors no longer decide about this peer.
      return false
    }
    if (!this.#rules.isLeaseMajority(round.view, this.#self, round.granters)) {
      return false
    }
    const from = this.#rules.countsFromSending ? round.sentAt : now
    const until = from + leaseMsOf(round.view)
    if (until <= this.#until) {
      return false
    }
    this.#until = until
    this.#proven = { view: round.view, granters: [...round.granters] }
    return true
  }

  /** The majority that granted the last renewal, where the lease is fresh: asking it again will do. */
  proven(view: View, now: number): readonly string[] | undefined {
    const isFresh = this.#until - now > leaseMsOf(view) / 2
    return isFresh && this.#proven?.view === view ? this.#proven.granters : undefined
  }

  /** Ends it at once: this peer is no member any more, or does not trust its clock. */
  drop(): void {
    this.#until = Number.NEGATIVE_INFINITY
    this.#round = undefined
  }
}
