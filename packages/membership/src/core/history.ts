import type { View } from '@murmuration/interface'
import { pageMembersMax, pageViewsMax } from '../defaults.ts'
import { memberOf, positionOf } from './lookup.ts'
import { placesOf } from './moves.ts'
import type { ChainHead, Decision } from './records.ts'

/** The adopted views of one lineage, from the oldest unsettled one to the newest. */
export interface StoredHistory extends ChainHead {
  /** Each one after the other, the oldest first, at least one. */
  readonly decisions: readonly Decision[]
}

/** What changed, for the store. */
export interface HistoryChange {
  readonly added: readonly Decision[]
  /** Numbers of views that are no longer kept. */
  readonly dropped: readonly number[]
}

/**
 * The chain of views that this peer has adopted, and what is known of their settling. A view is
 * settled when all its members have reported exactly it.
 */
export class History {
  #lineage = ''
  #settled = 0
  #decisions: readonly Decision[] = []
  /** One bit per member of the newest view, by position. */
  #reports = new Uint8Array()

  constructor(stored: StoredHistory | undefined) {
    if (stored !== undefined) {
      this.#lineage = stored.lineage
      this.#settled = stored.settled
      this.#become(stored.decisions)
    }
  }

  get lineage(): string {
    return this.#lineage
  }

  get settled(): number {
    return this.#settled
  }

  /** 0 without a view. */
  get number(): number {
    return this.view?.number ?? 0
  }

  get view(): View | undefined {
    return this.#decisions.at(-1)?.view
  }

  get views(): readonly View[] {
    return this.#decisions.map(({ view }) => view)
  }

  /** One bit per member of the newest view: it has reported it. */
  get reports(): Uint8Array {
    return this.#reports
  }

  /** The views after a number, as many as one answer holds. */
  page(after: number): readonly Decision[] {
    const page: Decision[] = []
    let members = 0
    for (const decision of this.#decisions) {
      if (decision.view.number <= after) {
        continue
      }
      // Four moved agents take about as much room as one member.
      members += decision.view.members.length + placesOf(decision.view.moved).size / 4
      if (page.length > 0 && (page.length >= pageViewsMax || members > pageMembersMax)) {
        break
      }
      page.push(decision)
    }
    return page
  }

  /** Whether a chain continues what is known, or starts at a settled view above a gap. */
  continues({ lineage, settled, decisions }: StoredHistory): boolean {
    const first = decisions[0]?.view.number
    const last = decisions.at(-1)?.view.number
    if (lineage !== this.#lineage || first === undefined || last === undefined) {
      return false
    }
    // Above a forced view nothing has to fit to what this peer took for decided meanwhile.
    const isForced = decisions[0]?.forced !== undefined
    return last > this.number && (isForced || first <= this.number + 1 || first <= settled)
  }

  /** Appends a chain that {@link continues} this one. */
  extend(chain: StoredHistory): HistoryChange {
    const added = chain.decisions.filter(({ view }) => view.number > this.number)
    const isForced = added[0]?.forced !== undefined
    const isGap = !isForced && (added[0]?.view.number ?? 0) > this.number + 1
    const dropped = isGap ? this.#decisions.map(({ view }) => view.number) : []
    this.#become(isGap ? added : [...this.#decisions, ...added])
    const settled = isGap ? Math.max(this.#settled, added[0]?.view.number ?? 0) : this.#settled
    this.#settled = settled
    return { added, dropped: [...dropped, ...this.settle(chain.settled)] }
  }

  /** Takes over the chain of another lineage, or the first one. */
  replace(chain: StoredHistory): HistoryChange {
    const dropped = this.#decisions.map(({ view }) => view.number)
    this.#lineage = chain.lineage
    this.#settled = Math.max(chain.settled, chain.decisions[0]?.view.number ?? 0)
    this.#become(chain.decisions)
    return { added: chain.decisions, dropped: [...dropped, ...this.#prune()] }
  }

  /** Learns that all below a view is superseded; the numbers of the views that may go. */
  settle(number: number): readonly number[] {
    if (number <= this.#settled || number > this.number) {
      return []
    }
    this.#settled = number
    return this.#prune()
  }

  /** A member of the newest view has reported it. */
  report(peer: string): void {
    const index = positionOf(this.view, peer)
    if (index >= 0) {
      this.#reports[index >> 3] = (this.#reports[index >> 3] ?? 0) | (1 << (index & 7))
    }
  }

  /** Takes the reports that another member knows of; they must be of the same view. */
  mergeReports(reports: Uint8Array): void {
    for (const [index, bits] of this.#reports.entries()) {
      this.#reports[index] = bits | (reports[index] ?? 0)
    }
  }

  /** The members of the newest view that have not reported it, as far as is known here. */
  get unreported(): readonly string[] {
    return (this.view?.members ?? []).flatMap(({ peer }, index) =>
      ((this.#reports[index >> 3] ?? 0) & (1 << (index & 7))) === 0 ? peer : []
    )
  }

  /** Whether all members of the newest view have reported it. */
  get isReported(): boolean {
    return this.view !== undefined && this.unreported.length === 0
  }

  /** Whether a kept view had this peer in another life of its store than the newest one has. */
  isRetired(peer: string, incarnation: string): boolean {
    const now = memberOf(this.view, peer)
    return (
      now !== undefined &&
      now.incarnation !== incarnation &&
      this.#decisions.some(({ view }) => memberOf(view, peer)?.incarnation === incarnation)
    )
  }

  #become(decisions: readonly Decision[]): void {
    this.#decisions = decisions
    this.#reports = new Uint8Array(Math.ceil((this.view?.members.length ?? 0) / 8))
  }

  #prune(): readonly number[] {
    const dropped = this.#decisions.filter(({ view }) => view.number < this.#settled)
    this.#decisions = this.#decisions.filter(({ view }) => view.number >= this.#settled)
    return dropped.map(({ view }) => view.number)
  }
}
