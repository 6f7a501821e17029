import type { AbortOptions } from '@libp2p/interface'
import {
  AbortedError,
  InvalidParametersError,
  NotOwnerError,
  NotStartedError,
  UnavailableError
} from '@murmuration/interface'
import type { AgentRecord, Epoch, View } from '@murmuration/interface'
import { serverOf } from '@murmuration/placement'
import { withDeadline } from './context.ts'
import type { Context, HeldDocument } from './context.ts'
import { collectNeeded, memberKey } from './core/homes.ts'
import type { MemberKey } from './core/homes.ts'
import { edgeOf, homesOf, placementOf } from './placements.ts'
import type { Senders } from './senders.ts'
import { checkRecord, sameRecord } from './settings.ts'
import type { Settling } from './settling.ts'
import { Tenure } from './tenure.ts'

/** What ownership sets in motion when a view is adopted. */
export interface Followers {
  readonly senders: Senders
  readonly settling: Settling
  /** Starts to ask for hand-overs. */
  readonly collect: () => void
  /** The same on an edge peer, for one document. */
  readonly want: (record: AgentRecord) => void
  /** Starts to compare with owners soon. */
  readonly compareSoon: () => void
}

/** Which documents this peer serves: begins tenures, carries them from view to view, ends them. */
export class Ownership {
  readonly #context: Context
  readonly #self: MemberKey
  readonly #followers: () => Followers
  readonly #waiting = new Set<() => void>()
  #cancel: (() => void) | undefined

  constructor(context: Context, init: { self: MemberKey; followers: () => Followers }) {
    this.#context = context
    this.#self = init.self
    this.#followers = init.followers
  }

  /** Resolves when this peer serves the document, or rejects at the deadline. */
  async own(record: AgentRecord, options: AbortOptions): Promise<Tenure> {
    const context = this.#context
    checkRecord(record)
    const tenure = await withDeadline(
      context,
      context.settings.ownTimeoutMs,
      async (signal) => {
        for (;;) {
          // oxlint-disable-next-line no-await-in-loop -- a view may have made it pinned to this peer.
          await this.#takeSeat(record, signal)
          const found = this.#find(record)
          if (found !== undefined || signal.aborted) {
            return found
          }
          // oxlint-disable-next-line no-await-in-loop -- looks again whenever something changed.
          await this.#nextChange(signal)
        }
      },
      options.signal
    )
    if (tenure !== undefined) {
      return tenure
    }
    if (options.signal?.aborted === true) {
      throw new AbortedError(`the caller stopped waiting for ${record.id}`)
    }
    const missing = this.#isAnotherActing(record)
      ? 'the lease of its former owner has not ended'
      : context.coverage.missing(record)
    throw new UnavailableError(`${record.id} cannot be served now: ${missing}`)
  }

  /** Takes up the newest view of the membership, if it was not yet. */
  adopt(): void {
    const { coverage, membership, table } = this.#context
    const { view } = membership
    if (view === undefined || this.#isAdopted(view)) {
      return
    }
    const { senders, settling, collect, compareSoon } = this.#followers()
    const former = coverage.view
    coverage.adopt(view, membership.unsettledViews())
    this.#awaitFormer(former, view)
    senders.adopt(new Set([...view.members.map((member) => memberKey(member)), this.#self]))
    this.#context.offsets.keep(new Set(view.members.map(({ peer }) => peer)))
    for (const held of table.values()) {
      this.#moveOn(held, view)
    }
    settling.adopt(view)
    collect()
    compareSoon()
    this.wake()
  }

  /** Enough was merged; or all that can be, of a document that goes on without the rest. */
  #mayServe(record: AgentRecord): boolean {
    const { coverage, goesOn } = this.#context
    return coverage.covers(record) || (goesOn(record) && coverage.coversPartly(record))
  }

  /** Begins a tenure of the document if this peer owns it and has merged enough copies. */
  consider(held: HeldDocument): void {
    const context = this.#context
    const { coverage, membership } = context
    const { view } = coverage
    if (
      view === undefined ||
      held.tenure !== undefined ||
      held.dropped ||
      membership.view === undefined ||
      !this.#isAdopted(membership.view)
    ) {
      return
    }
    const { owner, home } = held.locate(view, context.homes(view))
    if (owner !== membership.self.peer) {
      return
    }
    this.#followers().settling.add(held)
    if (!this.#mayServe(held.copy.record) || this.#isAnotherActing(held.copy.record)) {
      return
    }
    if (held.damaged) {
      held.copy.markAllUnsaved()
    }
    const tenure = new Tenure(context, {
      held,
      self: this.#self,
      view: view.number,
      branch: { ...branchOf(view), ...this.#partialOf(view, held.copy.record) }
    })
    held.tenure = tenure
    tenure.rebase(view.number, home)
    context.counters.takeOvers?.increment()
    context.tenureChanged(tenure, 'begun')
  }

  /** Some member was collected: perhaps more documents can be served. */
  progress(): void {
    for (const held of this.#context.table.values()) {
      this.consider(held)
    }
    this.wake()
  }

  stop(): void {
    this.#cancel?.()
    this.wake()
  }

  /** Whoever waits to own a document looks again. */
  wake(): void {
    for (const done of this.#waiting) {
      done()
    }
  }

  /** Ends all tenures: another life of this edge peer owns its documents. */
  endAll(): void {
    for (const held of this.#context.table.values()) {
      const { tenure } = held
      held.tenure = undefined
      tenure?.end('view')
    }
    this.wake()
  }

  /** An edge peer needs its seat first, and asks those who hold copies of the very document. */
  async #takeSeat(record: AgentRecord, signal: AbortSignal): Promise<void> {
    const { edge, membership } = this.#context
    const { view } = membership
    if (edge === undefined || view === undefined) return
    if (edgeOf(view, record) !== membership.self.peer) return
    try {
      await edge.whenTaken({ signal })
    } catch (error) {
      if (signal.aborted) return
      throw error
    }
    this.adopt()
    this.#followers().want(record)
  }

  /** On a side that goes on by itself, owners of other sides may act as they like. */
  #isAnotherActing(record: AgentRecord): boolean {
    const { clock, coverage, edge, predecessors } = this.#context
    const { view } = coverage
    if (view === undefined || view.branch !== undefined) return false
    // Who keeps the copies of what an edge peer owns does not act.
    if (edge === undefined && edgeOf(view, record) !== undefined) return false
    return predecessors.mayAct(record, clock.monotonic())
  }

  /** Looks again when the leases of former owners have ended. */
  #awaitFormer(former: View | undefined, view: View): void {
    const { clock, leases, membership, predecessors, signal } = this.#context
    predecessors.adopt(view, membership.unsettledViews(), clock.monotonic())
    if (leases === undefined) {
      return
    }
    this.#arm()
    if (view.branch !== undefined) {
      return
    }
    const members = new Set(view.members.map((member) => memberKey(member)))
    const removed = former?.members.filter((member) => !members.has(memberKey(member))) ?? []
    for (const { peer, incarnation } of removed) {
      // What fails because this peer stops need not be looked at again.
      leases.whenReplaceable({ peer, incarnation }, { signal }).then(
        () => this.progress(),
        () => {}
      )
    }
  }

  #arm(): void {
    const { clock, predecessors } = this.#context
    this.#cancel?.()
    const now = clock.monotonic()
    const at = predecessors.nextAt(now)
    if (at !== undefined) {
      this.#cancel = clock.schedule(at - now, () => {
        this.progress()
        this.#arm()
      })
    }
  }

  /** Whether fewer replicas were merged than may be needed to have all that was acknowledged. */
  #partialOf({ branch, members }: View, record: AgentRecord): Pick<Epoch, 'partial'> {
    if (branch === undefined) {
      return this.#context.coverage.covers(record) ? {} : { partial: true }
    }
    const here = new Set(members.map((member) => memberKey(member)))
    const home = homesOf(branch.agreed).homeOf(record)
    const held = home.filter((member) => here.has(memberKey(member))).length
    return held < collectNeeded(home.length) ? { partial: true } : {}
  }

  #isAdopted(view: View): boolean {
    const adopted = this.#context.coverage.view
    return (
      adopted?.number === view.number &&
      adopted.cluster === view.cluster &&
      adopted.branch?.id === view.branch?.id
    )
  }

  /** A tenure goes on where the document has had no other owner in between. */
  #moveOn(held: HeldDocument, view: View): void {
    const { tenure } = held
    if (tenure === undefined) {
      return
    }
    const { home } = held.locate(view, this.#context.homes(view))
    if (this.#context.coverage.covers(held.copy.record)) {
      tenure.rebase(view.number, home)
    } else {
      held.tenure = undefined
      tenure.end('view')
    }
  }

  #find(record: AgentRecord): Tenure | undefined {
    const { membership, signal, table } = this.#context
    if (signal.aborted) {
      throw new NotStartedError('the state service was stopped')
    }
    this.adopt()
    const { view } = membership
    if (view === undefined) {
      return undefined
    }
    const owner = serverOf(placementOf(view), record)
    if (owner !== membership.self.peer) {
      const where = owner ?? 'no member'
      throw new NotOwnerError(`${record.id} is owned by ${where} in view ${view.number}`)
    }
    const held = table.get(record.id)
    if (held !== undefined && !sameRecord(held.copy.record, record)) {
      throw new InvalidParametersError(`${record.id} is held with other placement parameters`)
    }
    if (held === undefined && !this.#mayServe(record)) {
      return undefined
    }
    const obtained = held ?? table.obtain(record)
    this.consider(obtained)
    return obtained.tenure
  }

  #nextChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#waiting.add(done)
      signal.addEventListener('abort', done)
      if (signal.aborted) {
        done()
      }
    })
  }
}

function branchOf({ branch }: View): Pick<Epoch, 'branch'> {
  return branch === undefined ? {} : { branch: branch.id }
}
