import type { Owner, View } from '@murmuration/interface'
import { clockDrift } from '../defaults.ts'
import { removedBy } from './grants.ts'
import { memberOf } from './lookup.ts'
import { leaseMsOf } from './pace.ts'
import type { Decision } from './records.ts'

/** Who has been seen under which boot. */
interface Seen {
  readonly incarnation: string
  readonly boot: number
}

/** Knows when the leases of those who are out of the view have ended. */
export class Replacing {
  /** By owner: from when on it may be replaced. Only those that are still waited for. */
  readonly #from = new Map<string, number>()
  /** Of members, the latest boot that was heard. */
  readonly #seen = new Map<string, Seen>()
  /** From when on peers may be replaced that were out of the first view that is known here. */
  #others = Number.POSITIVE_INFINITY
  #view: View | undefined

  /** The views that the store held, or the first one that was learned. */
  begin(view: View, now: number): void {
    this.#view = view
    this.#from.clear()
    this.#others = now + leaseMsOf(view) * (1 + clockDrift)
  }

  /** A view was adopted. Without its votes, or where views were skipped, a full lease may be left. */
  adopted({ proof, view }: Decision, now: number): void {
    const before = this.#view
    if (before === undefined) {
      this.begin(view, now)
      return
    }
    this.#view = view
    const isNext = view.number === before.number + 1
    const fullMs = leaseMsOf(view) * (1 + clockDrift)
    const graceMs = isNext ? (proof?.graceMs ?? fullMs) : fullMs
    for (const [owner, from] of this.#from) {
      if (from <= Math.min(now, this.#others)) {
        this.#from.delete(owner)
      }
    }
    for (const { peer, incarnation } of removedBy(before, view)) {
      this.#from.set(`${peer}#${incarnation}`, now + graceMs * (1 + clockDrift))
      this.#seen.delete(peer)
    }
  }

  /** A member was heard. True if it has started anew, so that its former boot is over. */
  heard(peer: string, incarnation: string, boot: number): boolean {
    const seen = this.#seen.get(peer)
    const isNews = seen?.incarnation !== incarnation || seen.boot < boot
    if (isNews) {
      this.#seen.set(peer, { incarnation, boot })
    }
    return isNews
  }

  /** From when on an owner may be replaced; infinite as long as it is a member. */
  from({ peer, incarnation, boot }: Owner): number {
    const seen = this.#seen.get(peer)
    if (boot !== undefined && seen?.incarnation === incarnation && seen.boot > boot) {
      // The number is raised durably by the one process that has the store: the other one is gone.
      return Number.NEGATIVE_INFINITY
    }
    const isMember = memberOf(this.#view, peer)?.incarnation === incarnation
    if (this.#view === undefined || isMember) {
      return Number.POSITIVE_INFINITY
    }
    return this.#from.get(`${peer}#${incarnation}`) ?? this.#others
  }
}
