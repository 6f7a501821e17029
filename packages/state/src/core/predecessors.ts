import type { AgentRecord, Owner, View } from '@murmuration/interface'
import { memberKey } from './homes.ts'
import type { Homes, MemberKey } from './homes.ts'

/** A view that is over, and by when every lease that was held in it has ended. */
interface FormerView {
  readonly view: View
  readonly overAt: number
}

export interface PredecessorsInit {
  readonly self: MemberKey
  readonly homes: (view: View) => Homes
  /** Whether the lease of an owner that is out of the view has ended. */
  readonly mayReplace: (owner: Owner) => boolean
}

/** By how much two clocks may drift apart, both ways. */
const drift = 1.05 ** 2
const leaseMsDefault = 1500

/**
 * Who owned a document before, and may still act (rule 8). An owner of an earlier view is out once
 * it is known to have adopted a later one, or its lease has ended: it is out of the view and may be
 * replaced, or so much time has passed since the next view was adopted here that no lease of its view
 * is left, because whoever decided that next view granted nothing more in the one before.
 */
export class Predecessors {
  readonly #init: PredecessorsInit
  #former: FormerView[] = []
  /** The newest view that each is known to have adopted. */
  readonly #adopted = new Map<MemberKey, number>()

  constructor(init: PredecessorsInit) {
    this.#init = init
  }

  /** Takes up a view. `unsettled` are the adopted ones in which others may have owned something. */
  adopt(view: View, unsettled: readonly View[], now: number): void {
    const known = new Map(this.#former.map((former) => [former.view.number, former]))
    const overAt = now + (view.leaseMs ?? leaseMsDefault) * drift
    this.#former = unsettled
      .filter(({ number }) => number < view.number)
      .map((before) => known.get(before.number) ?? { view: before, overAt })
  }

  /** Whoever owned something in older views is out on all peers. */
  settled(number: number): void {
    this.#former = this.#former.filter(({ view }) => view.number >= number)
  }

  /** A member has said which view it is in. */
  saw(member: MemberKey, number: number): void {
    this.#adopted.set(member, Math.max(number, this.#adopted.get(member) ?? 0))
  }

  /** When, by itself, the next of the former views is over. */
  nextAt(now: number): number | undefined {
    const times = this.#former.map(({ overAt }) => overAt).filter((at) => at > now)
    return times.length === 0 ? undefined : Math.min(...times)
  }

  /** Whether a former owner of the document may still act. */
  mayAct(record: AgentRecord, now: number): boolean {
    return this.#former.some((former) => {
      const owner = this.#init.homes(former.view).ownerOf(record)
      return owner !== undefined && !this.#isOut(owner, former, now)
    })
  }

  /** Whether some former owner may still act that is no member of this view. */
  anyRemoved(present: View, now: number): boolean {
    const members = new Set(present.members.map((member) => memberKey(member)))
    return this.#former.some((former) =>
      former.view.members.some(
        (member) => !members.has(memberKey(member)) && !this.#isOut(member, former, now)
      )
    )
  }

  #isOut(owner: Owner, { view, overAt }: FormerView, now: number): boolean {
    const key = memberKey(owner)
    return (
      key === this.#init.self ||
      overAt <= now ||
      (this.#adopted.get(key) ?? 0) > view.number ||
      this.#init.mayReplace({ peer: owner.peer, incarnation: owner.incarnation })
    )
  }
}
