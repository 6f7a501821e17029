import type { Member, View } from '@murmuration/interface'
import { clockDrift } from '../defaults.ts'
import { memberOf } from './lookup.ts'
import { leaseMsOf } from './pace.ts'
import type { Rules } from './rules.ts'

/**
 * What this peer, as an acceptor, has granted to others in the present view, and thus how long they
 * may act after it voted for a view without them.
 *
 * Whoever has a lease has it from a majority, of which at least one voted for the view without it
 * later: so the longest time that the voters give covers it. What was granted in earlier views was
 * asked for before the present one was decided, which this peer adopted later: so what it does not
 * know counts as granted when it adopted the view, or when it started.
 */
export class Grants {
  readonly #rules: Rules
  readonly #at = new Map<string, number>()
  /** Before it, everything may have been granted. */
  #since: number
  /** After a start with stored views: no grant, and no vote for a removal, before this time. */
  #quietUntil: number

  constructor(rules: Rules, view: View | undefined, now: number) {
    this.#rules = rules
    const isRestart = view !== undefined && view.members.length > 1
    const isForgetful = !rules.remembersGrants
    this.#since = isForgetful ? Number.NEGATIVE_INFINITY : now
    this.#quietUntil = isRestart && !isForgetful ? now + leaseMsOf(view) : now
  }

  isQuiet(now: number): boolean {
    return now < this.#quietUntil
  }

  grant(peer: string, now: number): void {
    this.#at.set(peer, now)
  }

  adopted(now: number): void {
    this.#at.clear()
    this.#since = now
  }

  /** For how many milliseconds the members that `next` lacks may still act, at most. */
  graceMs(view: View, next: View, now: number): number {
    const leaseMs = leaseMsOf(view)
    const left = removedBy(view, next).map(({ peer }) => {
      const at = Math.max(this.#since, this.#at.get(peer) ?? Number.NEGATIVE_INFINITY)
      return at + leaseMs * (1 + clockDrift) - now
    })
    return this.#rules.waitsForLeases ? Math.ceil(Math.max(0, ...left)) : 0
  }
}

/** Members of one view that are not in the next one, in this life of their store. */
export function removedBy(view: View, next: View): readonly Member[] {
  return view.members.filter(({ peer, incarnation }) => {
    return memberOf(next, peer)?.incarnation !== incarnation
  })
}
