import { NotOwnerError } from '@murmuration/interface'
import type { AgentRecord, RpcContext, View } from '@murmuration/interface'
import { currentView, isSamePlace, withDeadline } from './context.ts'
import type { Context, HeldDocument } from './context.ts'
import { equalDigests } from './core/digest.ts'
import { decodeEntry } from './core/entry.ts'
import type { Entry } from './core/entry.ts'
import { edgeIncarnation, memberKey } from './core/homes.ts'
import {
  appendRequest,
  collectionFromWire,
  putRequest,
  stepFromWire,
  verdicts
} from './core/messages.ts'
import type { AppendDocument, PutRequest, Sender, Verdict } from './core/messages.ts'
import { touched } from './keeping.ts'
import { edgeOf } from './placements.ts'
import type { Joined, Transfer } from './transfer.ts'

/** Of a message with whole copies: who sends them. */
type Whole = Pick<PutRequest, 'from'>

/** Stores what owners send: merges always, and confirms only under the view that it has adopted. */
export class Replica {
  readonly #context: Context
  readonly #transfer: Transfer

  constructor(context: Context, transfer: Transfer) {
    this.#context = context
    this.#transfer = transfer
  }

  register(): void {
    const { rpc } = this.#context
    rpc.handle('state.append', (bytes, call) => this.#onAppend(bytes, call, 'member'))
    rpc.handle('state.put', (bytes, call) => this.#onPut(bytes, call, 'member'))
    // What an edge peer may send: copies of what is pinned to it, and of nothing else.
    rpc.handle('state.pinned.append', (bytes, call) => this.#onAppend(bytes, call, 'edge'))
    rpc.handle('state.pinned.put', (bytes, call) => this.#onPut(bytes, call, 'edge'))
  }

  unregister(): void {
    const names = ['state.append', 'state.put', 'state.pinned.append', 'state.pinned.put']
    for (const name of names) this.#context.rpc.unhandle(name)
  }

  /** Brings this peer to the view of a request, if that is newer. */
  async follow(number: number, call: RpcContext): Promise<View> {
    const view = currentView(this.#context)
    if (number <= view.number) {
      return view
    }
    const { membership, settings } = this.#context
    return withDeadline(
      this.#context,
      Math.min(settings.requestTimeoutMs, call.remainingMs),
      (signal) => membership.catchUp(number, call.peer, { signal }),
      call.signal
    )
  }

  /** Brings this peer to a view that another one has, outside of a request. */
  async followTo(number: number, peer: string): Promise<void> {
    const { membership, settings } = this.#context
    await withDeadline(this.#context, settings.requestTimeoutMs, (signal) =>
      membership.catchUp(number, peer, { signal })
    )
  }

  /** Whether the sender acts in the view of this peer, with its newest boot. */
  fenced(request: Sender, peer: string): boolean {
    const { mutants, table } = this.#context
    if (mutants.acknowledgeAnyView === true) {
      return false
    }
    return (
      !isSamePlace(this.#context, request) ||
      request.boot < (table.boots.get(memberKey({ peer, ...request })) ?? 0)
    )
  }

  async #onAppend(
    bytes: Uint8Array,
    call: RpcContext,
    role: 'member' | 'edge'
  ): Promise<Uint8Array> {
    const request = asSentBy(role, appendRequest.decode(bytes))
    // Everything is decoded before anything changes.
    const decoded = request.documents.map((document) => ({
      document,
      entries: document.entries.map((entry) => decodeEntry(entry))
    }))
    await this.follow(request.view, call)
    if (role === 'edge') {
      for (const { record } of request.documents) this.checkPinned(record, call.peer)
    }
    const saves: Promise<void>[] = []
    const results = decoded.map(({ document, entries }): Verdict => {
      const { verdict, held } = this.#store(document, entries, call.peer)
      if (held !== undefined) {
        saves.push(this.#context.disk.save(held, { sync: entries.length > 0 }))
      }
      return verdict
    })
    return this.answer(request, call, { results, saves })
  }

  #store(
    { record, folds, collection }: AppendDocument,
    entries: readonly Entry[],
    peer: string
  ): { readonly verdict: Verdict; readonly held?: HeldDocument } {
    const context = this.#context
    const held = context.table.get(record.id)
    if (held === undefined || held.damaged) {
      return { verdict: 'full' }
    }
    const isEdges = edgeOf(currentView(context), record) === peer
    let verdict: Verdict = isEdges || this.#mayConfirm(held, peer) ? 'ok' : 'failed'
    const before = held.tenure === undefined ? undefined : held.copy.digest
    for (const entry of entries) {
      if (held.copy.add(entry) !== entry && !this.#same(held, entry)) {
        // Another execution stands here, or the floor is higher: the owner has to see that.
        verdict = 'more'
      }
    }
    if (folds.length > 0 && !held.copy.fold(folds.map((step) => stepFromWire(step)))) {
      verdict = 'full'
    }
    if (collection !== undefined && !held.copy.collect(collectionFromWire(collection))) {
      verdict = 'full'
    }
    context.counters.appends?.increment(entries.length)
    if (before !== undefined && !equalDigests(before, held.copy.digest)) {
      if (!isEdges) held.tenure?.merged()
      else if (held.tenure !== undefined) touched(context, held.tenure)
      if (held.tenure !== undefined) context.merged(held)
    }
    context.changed(held)
    return { verdict, held }
  }

  /** Throws `NotOwnerError` where a document is not pinned to this peer outside the view. */
  checkPinned(record: AgentRecord, peer: string): void {
    const { mayPin, table } = this.#context
    // What is held here under that id, or defined, says more than what the peer says of it.
    const held = table.get(record.id)?.copy.record ?? record
    const isPinned = [held, record].every(
      (each) => edgeOf(currentView(this.#context), each) === peer
    )
    if (isPinned && mayPin(record)) return
    throw new NotOwnerError(`${record.id} is not pinned to ${peer}, or that is a member`)
  }

  #same(held: HeldDocument, entry: Entry): boolean {
    const standing = held.copy.get(entry.key)
    const { high, low } = entry.digest
    return standing?.digest.high === high && standing.digest.low === low
  }

  /** Only the owner's own updates count, and only on a replica. */
  #mayConfirm(held: HeldDocument, peer: string): boolean {
    const view = currentView(this.#context)
    const { owner } = held.locate(view, this.#context.homes(view))
    if (edgeOf(view, held.copy.record) === peer) return true
    return owner === peer || this.#context.mutants.acknowledgeAnyView === true
  }

  async #onPut(bytes: Uint8Array, call: RpcContext, role: 'member' | 'edge'): Promise<Uint8Array> {
    const request = asSentBy(role, putRequest.decode(bytes))
    await this.follow(request.view, call)
    const check = (record: AgentRecord): void => {
      if (role === 'edge') this.checkPinned(record, call.peer)
    }
    const joined = this.#transfer.merge(request.states, check)
    const saves = joined.map(({ held }) => this.keep(held, request, call.peer))
    const results = joined.map((one) => this.judge(one, request, call.peer))
    return this.answer(request, call, { results, saves })
  }

  /** What the sender of a whole copy is told of it, once that is on disk. */
  judge({ held, equal, changed }: Joined, { from }: Whole, peer: string): Verdict {
    const context = this.#context
    // Whoever keeps the copies complete while an edge peer is away begins with the first of them.
    if (from === 'holder' || edgeOf(currentView(context), held.copy.record) === peer) {
      context.consider(held)
    }
    if (from === 'holder') {
      if (held.tenure?.durable === false) context.send(held.tenure)
      // The holder may forget its copy only when nothing in it is new to W replicas.
      return !changed && held.tenure?.durable === true ? 'ok' : 'failed'
    }
    if (!this.#mayConfirm(held, peer)) {
      return 'failed'
    }
    return equal ? 'ok' : 'more'
  }

  /** Writes a whole copy that came; one from the owner replaces a damaged one. */
  async keep(held: HeldDocument, { from }: Whole, peer: string): Promise<void> {
    const { disk, table } = this.#context
    const repaired = held.damaged && from === 'owner' && this.#mayConfirm(held, peer)
    if (repaired) {
      held.copy.markAllUnsaved()
    }
    await disk.save(held, { sync: true })
    if (repaired || (from === 'owner' && table.damaged.has(held.id))) {
      await disk.clearDamage(held.id)
      held.damaged = false
      table.damaged.delete(held.id)
    }
  }

  /** The verdicts, and in which view they are given. */
  async answer(
    request: Sender,
    call: RpcContext,
    stored: { readonly results: readonly Verdict[]; readonly saves: readonly Promise<void>[] }
  ): Promise<Uint8Array> {
    await Promise.all(stored.saves)
    // Looked at after the write: a view adopted meanwhile may have handed this copy over already.
    return verdicts.encode({
      view: currentView(this.#context).number,
      incarnation: this.#context.self.incarnation,
      fenced: this.fenced(request, call.peer),
      results: stored.results,
      now: Math.max(0, Math.floor(this.#context.clock.now()))
    })
  }
}

/** Lives of an edge peer are told apart by the number of its seat, whatever else it says. */
export function asSentBy<T extends Sender>(role: 'member' | 'edge', request: T): T {
  return role === 'edge' ? { ...request, incarnation: edgeIncarnation } : request
}
