import type { AgentRecord, RpcContext, View } from '@murmuration/interface'
import { currentView, isSamePlace, jittered, pause, placeIn } from './context.ts'
import type { Context, HeldDocument } from './context.ts'
import type { Round } from './core/coverage.ts'
import { edgeIncarnation, memberKey } from './core/homes.ts'
import type { MemberKey } from './core/homes.ts'
import { collectReply, collectRequest } from './core/messages.ts'
import type { CollectReply, IndexEntry, Sender } from './core/messages.ts'
import { collectConcurrency, indexBytesMax, indexPageMax, retryMs } from './defaults.ts'
import { edgeOf } from './placements.ts'
import type { Replica } from './replica.ts'

/**
 * Taking over: before this peer serves a document under a view, it asks the members of every home
 * set that may hold unique data for a hand-over. Each of them adopts the view first, and so
 * acknowledges nothing for a former owner any more, and then says which documents of the asker it
 * holds. What differs is fetched and merged.
 */
export class TakeOver {
  readonly #context: Context
  readonly #replica: Replica
  readonly #self: MemberKey
  readonly #progress: () => void
  /** Documents that an edge peer wants to serve. */
  readonly #wanted = new Map<string, AgentRecord>()
  /** Whom it has asked in this round. */
  readonly #asked = new Set<MemberKey>()
  #running = 0
  #queue: (() => Promise<void>)[] = []

  constructor(
    context: Context,
    init: { readonly replica: Replica; readonly self: MemberKey; readonly progress: () => void }
  ) {
    this.#context = context
    this.#replica = init.replica
    this.#self = init.self
    this.#progress = init.progress
  }

  register(): void {
    const { rpc } = this.#context
    // All calls to what moves wait for these answers: they do not wait behind other calls.
    const options = { urgent: true }
    rpc.handle('state.collect', (bytes, call) => this.#onCollect(bytes, call, 'member'), options)
    rpc.handle('state.pinned.collect', (bytes, call) => this.#onCollect(bytes, call, 'edge'))
  }

  unregister(): void {
    this.#context.rpc.unhandle('state.collect')
    this.#context.rpc.unhandle('state.pinned.collect')
  }

  /** Begins a round, with the unsettled views as they are known now; ends the former one. */
  begin(): void {
    const { coverage, edge, membership } = this.#context
    if (edge !== undefined && (edge.number === undefined || !this.#isWanting())) {
      return
    }
    const round = coverage.begin(membership.settled, membership.unsettledViews())
    if (round === undefined) {
      return
    }
    if (edge !== undefined) {
      this.#asked.clear()
      this.#askHomes(round)
      return
    }
    for (const [key, peer] of coverage.membersOf(round)) {
      if (key === this.#self) {
        this.#collectOwn(round)
      } else if (peer !== membership.self.peer && !round.collected.has(key)) {
        this.#queue.push(() => this.#ask(round, key, peer))
      }
    }
    this.#progress()
    this.#work()
  }

  /** The own disk; what is damaged on it may be replaced by its owners meanwhile. */
  #collectOwn(round: Round): void {
    const { coverage, table } = this.#context
    coverage.collected(round, this.#self, [...table.damaged])
    if (table.damaged.size > 0) {
      this.#askAgain(round, () => {
        this.#collectOwn(round)
        this.#progress()
        return Promise.resolve()
      })
    }
  }

  /** Who had something damaged counts for less than it may, until that was replaced. */
  #askAgain(round: Round, ask: () => Promise<void>): void {
    const { coverage } = this.#context
    const isDone = (): boolean => coverage.complete(round)
    this.#askLater(round, () => (isDone() ? Promise.resolve() : ask()))
  }

  #askLater(round: Round, ask: () => Promise<void>, delayMs = retryMs.longest): void {
    void pause(this.#context, jittered(this.#context, delayMs)).then(() => {
      if (!this.#current(round)) return
      this.#queue.push(ask)
      this.#work()
    })
  }

  /**
   * On an edge peer, which asks only for what it wants to serve, and only those who may have copies of
   * that: it may be one of thousands, and mostly has nothing to take over.
   */
  want(record: AgentRecord): void {
    const { coverage } = this.#context
    this.#wanted.set(record.id, record)
    if (coverage.covers(record)) {
      return
    }
    const { round } = coverage
    if (round === undefined || round.view !== coverage.view) {
      this.begin()
    } else {
      this.#askHomes(round)
    }
  }

  #askHomes(round: Round): void {
    const { coverage } = this.#context
    const missing = [...this.#wanted.values()].filter((record) => !coverage.covers(record))
    const records = missing.length === 0 ? [...this.#wanted.values()] : missing
    for (const [key, peer] of coverage.membersOf(round, records)) {
      if (!this.#asked.has(key)) {
        this.#asked.add(key)
        this.#queue.push(() => this.#ask(round, key, peer))
      }
    }
    this.#work()
  }

  /** On an edge peer: whether something that it wants to serve is not covered. */
  #isWanting(): boolean {
    const { coverage } = this.#context
    if (this.#wanted.size > 0 && coverage.isLong) return true
    return [...this.#wanted.values()].some((record) => !coverage.covers(record))
  }

  #work(): void {
    while (this.#running < collectConcurrency) {
      const task = this.#queue.shift()
      if (task === undefined) {
        return
      }
      this.#running++
      void task().then(() => {
        this.#running--
        this.#work()
      })
    }
  }

  #current(round: Round): boolean {
    return this.#context.coverage.round === round && !this.#context.signal.aborted
  }

  /** One attempt; a failed one goes to the end of the queue after a while. */
  async #ask(round: Round, key: MemberKey, peer: string, failures = 0): Promise<void> {
    if (!this.#current(round)) {
      return
    }
    try {
      await this.#collect(round, key, peer)
      this.#progress()
    } catch (error) {
      if (!this.#current(round)) {
        return
      }
      if (this.#context.edge !== undefined && !this.#isWanting()) {
        // Enough others have answered.
        this.#asked.delete(key)
        return
      }
      this.#context.log?.('hand-over from %s failed, to be tried again: %e', peer, error)
      const delay = Math.min(retryMs.longest, retryMs.first * 2 ** failures)
      this.#askLater(round, () => this.#ask(round, key, peer, Math.min(failures + 1, 10)), delay)
    }
  }

  async #collect(round: Round, key: MemberKey, peer: string): Promise<void> {
    const { coverage, edge, rpc, self, settings, signal, transfer } = this.#context
    const damaged: string[] = []
    let after: string | undefined
    for (;;) {
      const { boot, incarnation } = self
      const request = { ...placeIn(round.view), incarnation, boot }
      // oxlint-disable-next-line no-await-in-loop -- a page says where the next one begins.
      const bytes = await rpc.call(
        peer,
        edge === undefined ? 'state.collect' : 'state.pinned.collect',
        collectRequest.encode(after === undefined ? request : { ...request, after }),
        { timeoutMs: settings.requestTimeoutMs, signal }
      )
      const reply = collectReply.decode(bytes)
      if (!this.#current(round)) {
        return
      }
      const isAsked = memberKey({ peer, incarnation: reply.incarnation }) === key
      if (isAsked) {
        this.#context.predecessors.saw(key, reply.view)
      }
      if (reply.fenced || !isAsked) {
        // oxlint-disable-next-line no-await-in-loop -- there is nothing else to do in this round.
        await this.#refused(round, reply, peer)
        return
      }
      damaged.push(...reply.damaged)
      // oxlint-disable-next-line no-await-in-loop -- memory is bounded to one page.
      const { absent } = await transfer.fetch(peer, this.#differing(reply.documents), {
        signal,
        // A later round asks the same peer, and must not be sent the same once more.
        isNeeded: () => this.#current(round)
      })
      if (!this.#current(round)) {
        return
      }
      if (absent.length > 0) {
        throw new Error(`${absent.length} documents were dropped while they were fetched`)
      }
      after = reply.documents.at(-1)?.id
      if (!reply.more || after === undefined) {
        break
      }
    }
    coverage.collected(round, key, damaged)
    if (damaged.length > 0) this.#askAgain(round, () => this.#ask(round, key, peer))
  }

  /** The peer is further, or another life of the one that was asked: that one cannot answer now. */
  async #refused(round: Round, reply: CollectReply, peer: string): Promise<void> {
    if (reply.view > round.view.number) {
      await this.#replica.followTo(reply.view, peer)
    }
    throw new Error(`${peer} is in view ${reply.view}, incarnation ${reply.incarnation}`)
  }

  #differing(documents: readonly IndexEntry[]): string[] {
    const { table } = this.#context
    return documents
      .filter(({ id, digest }) => table.get(id)?.copy.digestAsText !== digest)
      .map(({ id }) => id)
  }

  async #onCollect(
    bytes: Uint8Array,
    call: RpcContext,
    role: 'member' | 'edge'
  ): Promise<Uint8Array> {
    const context = this.#context
    const sent = collectRequest.decode(bytes)
    const request = role === 'edge' ? { ...sent, incarnation: edgeIncarnation } : sent
    if (context.mutants.collectWithoutFence !== true) {
      await this.#replica.follow(request.view, call)
    }
    const fenced =
      context.mutants.collectWithoutFence !== true && this.#replica.fenced(request, call.peer)
    const asker = memberKey({ peer: call.peer, incarnation: request.incarnation })
    if (!fenced && request.boot > (context.table.boots.get(asker) ?? 0)) {
      context.table.boots.set(asker, request.boot)
      await context.disk.raiseBoot(asker, request.boot)
    }
    const view = currentView(context)
    const page = fenced
      ? { documents: [], more: false }
      : this.#index(view, call.peer, request.after, role)
    return collectReply.encode({
      view: view.number,
      incarnation: context.self.incarnation,
      fenced: fenced || this.#changedMeanwhile(request),
      ...page,
      damaged: [...context.table.damaged]
    })
  }

  /** The view moved on while the boot was written: the answer would be for the wrong owner. */
  #changedMeanwhile(request: Sender): boolean {
    const { mutants } = this.#context
    return mutants.collectWithoutFence !== true && !isSamePlace(this.#context, request)
  }

  /** A page of the documents held here that the asker owns, from `after` on. */
  #index(
    view: View,
    asker: string,
    after: string | undefined,
    role: 'member' | 'edge'
  ): { readonly documents: IndexEntry[]; readonly more: boolean } {
    const homes = this.#context.homes(view)
    const isOwn = (held: HeldDocument): boolean =>
      role === 'edge'
        ? edgeOf(view, held.copy.record) === asker
        : held.locate(view, homes).owner === asker
    const ids: string[] = []
    for (const held of this.#context.table.values()) {
      const { id, copy } = held
      if ((after === undefined || id > after) && !copy.empty && isOwn(held)) {
        ids.push(id)
      }
    }
    ids.sort()
    let bytes = 0
    const fits = (id: string): boolean => {
      bytes += id.length + 64
      return bytes <= indexBytesMax
    }
    const cut = ids.slice(0, indexPageMax).findIndex((id) => !fits(id))
    const page = ids.slice(0, cut === -1 ? indexPageMax : Math.max(1, cut))
    return {
      more: page.length < ids.length,
      documents: page.map((id) => ({
        id,
        digest: this.#context.table.get(id)?.copy.digestAsText ?? ''
      }))
    }
  }
}
