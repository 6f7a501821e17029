import type { RpcContext, View } from '@murmuration/interface'
import { isSamePlace, jittered, placeIn } from './context.ts'
import type { Context, HeldDocument } from './context.ts'
import { bucketCount, bucketOf, digestsOf, pagesOf } from './core/buckets.ts'
import type { Page } from './core/buckets.ts'
import { countPacked, differingDigests, packDigests } from './core/digest.ts'
import type { Digest } from './core/digest.ts'
import { memberKey } from './core/homes.ts'
import type { MemberKey } from './core/homes.ts'
import {
  compareReply,
  compareRequest,
  encodeState,
  listReply,
  listRequest,
  putRequest,
  verdicts
} from './core/messages.ts'
import type { IndexEntry, ListReply, ListRequest } from './core/messages.ts'
import { Patience } from './core/patience.ts'
import { copiesMax, indexPageMax, quietMs, sentMax } from './defaults.ts'
import { offer } from './offering.ts'
import type { Tenure } from './tenure.ts'

const damagedDigest = 'damaged'

/**
 * Finds and repairs differences between owners and everyone else who holds their documents. A
 * replica compares one digest of all with each owner, one per bucket where that differs, and lists
 * documents only in buckets that differ. Who is no replica (any more) hands its copies to the owner and, once they are safe and the
 * views in which it was a replica are settled, forgets them.
 */
export class AntiEntropy {
  readonly #context: Context
  readonly #self: MemberKey
  /**
   * Copies of replicas that were found to differ and were sent what is here. Only one that differs
   * once more afterwards has anything to tell, and only then it is asked for.
   */
  readonly #sent = new Set<string>()
  /** Copies of documents that are never at rest. */
  readonly #busy = new Patience(sentMax)
  #cancel: (() => void) | undefined
  #running = false

  constructor(context: Context, self: MemberKey) {
    this.#context = context
    this.#self = self
  }

  start(): void {
    const { edge, rpc } = this.#context
    // It holds only what it owns, and those who hold copies of that ask by themselves.
    if (edge !== undefined) return
    rpc.handle('state.compare', (bytes, call) => this.#onCompare(bytes, call))
    rpc.handle('state.list', (bytes, call) => this.#onList(bytes, call))
    this.soon(this.#context.settings.compareMs)
  }

  stop(): void {
    this.#cancel?.()
    this.#context.rpc.unhandle('state.compare')
    this.#context.rpc.unhandle('state.list')
  }

  /** Compares after so long at the latest, instead of at the next regular time. */
  soon(delayMs: number): void {
    const { clock, edge, settings, signal } = this.#context
    if (edge !== undefined) return
    this.#cancel?.()
    this.#cancel = clock.schedule(jittered(this.#context, delayMs), () => {
      void this.#round().finally(() => {
        if (!signal.aborted) {
          this.soon(settings.compareMs)
        }
      })
    })
  }

  async #round(): Promise<void> {
    const { membership, signal } = this.#context
    const { view } = membership
    if (view === undefined || signal.aborted || this.#running) {
      return
    }
    this.#running = true
    try {
      const byOwner = this.#group(view)
      await Promise.all(
        [...byOwner].map(([owner, documents]) => this.#withOwner(view, owner, documents))
      )
    } finally {
      this.#running = false
    }
  }

  #group(view: View): Map<string, { replica: HeldDocument[]; stray: HeldDocument[] }> {
    const { membership, table } = this.#context
    const homes = this.#context.homes(view)
    const byOwner = new Map<string, { replica: HeldDocument[]; stray: HeldDocument[] }>()
    for (const held of table.values()) {
      const { owner, home } = held.locate(view, homes)
      if (owner === undefined || owner === membership.self.peer || held.copy.empty) {
        continue
      }
      const group = byOwner.get(owner) ?? { replica: [], stray: [] }
      byOwner.set(owner, group)
      const here = home.some((member) => memberKey(member) === this.#self)
      ;(here ? group.replica : group.stray).push(held)
    }
    for (const { peer } of view.members) {
      // Also an owner of whom nothing is held here: perhaps something should be.
      if (peer !== membership.self.peer && !byOwner.has(peer)) {
        byOwner.set(peer, { replica: [], stray: [] })
      }
    }
    return byOwner
  }

  async #withOwner(
    view: View,
    owner: string,
    documents: {
      readonly replica: readonly HeldDocument[]
      readonly stray: readonly HeldDocument[]
    }
  ): Promise<void> {
    if (this.#context.mutants.forgetBeforeSettled === true) {
      documents.stray.forEach((held) => this.#forget(held, view))
    }
    try {
      await this.#compare(view, owner, documents.replica)
      for (let at = 0; at < documents.stray.length; at += indexPageMax) {
        // oxlint-disable-next-line no-await-in-loop -- page by page, at the owner's pace.
        await this.#handOver(view, owner, documents.stray.slice(at, at + indexPageMax))
      }
    } catch (error) {
      if (!this.#context.signal.aborted) {
        this.#context.log?.('comparing with %s failed, to be tried again: %e', owner, error)
      }
    }
  }

  /** One digest of all first: mostly nothing differs. */
  async #compare(view: View, owner: string, documents: readonly HeldDocument[]): Promise<void> {
    if ((await this.#differing(view, owner, bucketsOf(documents, 1))).length === 0) {
      return
    }
    const count = bucketCount(documents.length)
    const differing = await this.#differing(view, owner, bucketsOf(documents, count))
    const byBucket = new Map<number, HeldDocument[]>(differing.map((bucket) => [bucket, []]))
    for (const held of documents) {
      byBucket.get(bucketOf(held.id, count))?.push(held)
    }
    for (const { buckets, documents: listed } of pagesOf(byBucket)) {
      // oxlint-disable-next-line no-await-in-loop -- page by page, at the owner's pace.
      const { want } = await this.#list(view, owner, { buckets, count, documents: listed })
      // oxlint-disable-next-line no-await-in-loop -- as above.
      await this.#put(view, owner, want)
    }
  }

  /** The buckets of which the owner has others; none where it does not serve now. */
  async #differing(
    view: View,
    owner: string,
    digests: readonly Digest[]
  ): Promise<readonly number[]> {
    const request = compareRequest.encode({ ...placeIn(view), buckets: packDigests(digests) })
    const reply = compareReply.decode(await this.#call(owner, 'state.compare', request))
    return reply.busy ? [] : reply.differing
  }

  async #handOver(view: View, owner: string, documents: readonly HeldDocument[]): Promise<void> {
    const digests = new Map(documents.map((held) => [held.id, held.copy.digestAsText]))
    const { have, want } = await this.#list(view, owner, { buckets: [], count: 0, documents })
    const safe = [...have, ...(await this.#put(view, owner, want))]
    for (const id of safe) {
      const held = this.#context.table.get(id)
      if (held !== undefined && held.copy.digestAsText === digests.get(id)) {
        this.#forget(held, view)
      }
    }
  }

  /** Drops a copy that no unsettled view places here. */
  #forget(held: HeldDocument, handedOverIn: View): void {
    const { disk, log, membership, mutants, table } = this.#context
    const { view } = membership
    if (view === undefined || view !== handedOverIn || held.tenure !== undefined || held.damaged) {
      return
    }
    const unsettled = membership.unsettledViews()
    const known = unsettled.length === view.number - membership.settled + 1
    const early = mutants.forgetBeforeSettled === true
    const views = early ? [view] : unsettled
    const needed = views.some((one) =>
      this.#context
        .homes(one)
        .homeOf(held.copy.record)
        .some((member) => memberKey(member) === this.#self)
    )
    if (needed || (!known && !early)) {
      return
    }
    table.drop(held)
    disk.remove(held).catch((error: unknown) => {
      // It stays on disk, is loaded at the next start and handed over again.
      log?.('could not delete %s: %e', held.id, error)
    })
  }

  async #list(
    view: View,
    owner: string,
    what: Page<HeldDocument> & { readonly count: number }
  ): Promise<ListReply> {
    const request: ListRequest = {
      ...placeIn(view),
      buckets: what.buckets,
      count: what.count,
      documents: what.documents.map((held) => ({
        id: held.id,
        digest: stateOf(held)
      }))
    }
    return listReply.decode(await this.#call(owner, 'state.list', listRequest.encode(request)))
  }

  /** Sends copies; returns the ids that hold nothing new and are safe with the owner. */
  async #put(view: View, owner: string, ids: readonly string[]): Promise<string[]> {
    const { self, table } = this.#context
    const wanted = ids
      .flatMap((id) => table.get(id) ?? [])
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    const states = this.#statesOf(wanted)
    if (states === undefined) return this.#offer(owner, wanted)
    if (states.length === 0) return []
    const { boot, incarnation } = self
    const request = putRequest.encode({
      ...placeIn(view),
      incarnation,
      boot,
      from: 'holder',
      states
    })
    const reply = verdicts.decode(await this.#call(owner, 'state.put', request))
    return wanted.flatMap(({ id }, at) => (!reply.fenced && reply.results[at] === 'ok' ? id : []))
  }

  /** Undefined where they are more than one message holds. */
  #statesOf(documents: readonly HeldDocument[]): Uint8Array[] | undefined {
    const states: Uint8Array[] = []
    let bytes = 0
    for (const { copy } of documents) {
      const state = encodeState(copy.state())
      bytes += state.length
      if (bytes > this.#context.streams.messageBytes) return undefined
      states.push(state)
    }
    return states
  }

  async #offer(owner: string, documents: readonly HeldDocument[]): Promise<string[]> {
    const safe: string[] = []
    for (let at = 0; at < documents.length; at += copiesMax) {
      const offered = offer(this.#context, owner, {
        from: 'holder',
        documents: documents.slice(at, at + copiesMax),
        isValid: ({ fenced }) => Promise.resolve(!fenced)
      })
      // oxlint-disable-next-line no-await-in-loop -- page by page, at the owner's pace.
      for await (const { id, verdict } of offered) {
        if (verdict === 'ok') safe.push(id)
      }
    }
    return safe
  }

  #call(peer: string, method: string, request: Uint8Array): Promise<Uint8Array> {
    const { rpc, settings, signal } = this.#context
    return rpc.call(peer, method, request, { timeoutMs: settings.requestTimeoutMs, signal })
  }

  /** Documents that this peer serves and of which the other one should have a copy. */
  #servedFor(peer: string): HeldDocument[] {
    const served: HeldDocument[] = []
    for (const held of this.#context.table.values()) {
      if (
        !held.copy.empty &&
        held.tenure?.replication.home.some((member) => member.peer === peer) === true
      ) {
        served.push(held)
      }
    }
    return served
  }

  #onCompare(bytes: Uint8Array, call: RpcContext): Uint8Array {
    const request = compareRequest.decode(bytes)
    const { buckets } = request
    if (!isSamePlace(this.#context, request)) {
      return compareReply.encode({ busy: true, differing: [] })
    }
    const own = packDigests(bucketsOf(this.#servedFor(call.peer), countPacked(buckets)))
    const differing = differingDigests(own, buckets)
    return compareReply.encode({ busy: false, differing })
  }

  #onList(bytes: Uint8Array, call: RpcContext): Uint8Array {
    const request = listRequest.decode(bytes)
    if (!isSamePlace(this.#context, request)) {
      return listReply.encode({ busy: true, want: [], have: [] })
    }
    const want: string[] = []
    const have: string[] = []
    for (const document of request.documents) {
      const verdict = this.#judge(document, call.peer, request.buckets.length > 0)
      if (verdict === 'want') {
        want.push(document.id)
      } else if (verdict === 'have') {
        have.push(document.id)
      }
    }
    this.#sendMissing(request, call.peer)
    return listReply.encode({ busy: false, want, have })
  }

  #judge({ id, digest }: IndexEntry, peer: string, isReplica: boolean): 'want' | 'have' | 'later' {
    const { clock, table } = this.#context
    const held = table.get(id)
    const tenure = held?.tenure
    if (held === undefined) return digest === damagedDigest ? 'later' : 'want'
    if (held.copy.digestAsText === digest) {
      return tenure?.durable === true ? 'have' : 'later'
    }
    if (tenure === undefined) return 'later'
    if (digest === damagedDigest) {
      // What is left of it counts for nothing until it was replaced, and nobody may update it for long.
      this.#sendTo(peer, tenure)
      return 'later'
    }
    const isQuiet = clock.monotonic() - held.changedAt >= quietMs
    if (!isQuiet) {
      return this.#busy.isDue(this.#nameOf(peer, id), isReplica ? 1 : 0) ? 'want' : 'later'
    }
    this.#sendTo(peer, tenure)
    return isReplica && this.#isFirst(`${peer} ${id}`) ? 'later' : 'want'
  }

  /** Of a copy since the latest view, with which somebody may have brought something. */
  #nameOf(peer: string, id: string): string {
    const { number = 0, branch } = this.#context.membership.view ?? {}
    return `${number} ${branch?.id ?? ''} ${peer} ${id}`
  }

  /** Remembers a difference until it is found again. */
  #isFirst(copy: string): boolean {
    if (this.#sent.delete(copy)) return false
    this.#sent.add(copy)
    const [oldest] = this.#sent
    if (this.#sent.size > sentMax && oldest !== undefined) this.#sent.delete(oldest)
    return true
  }

  #sendMissing(request: ListRequest, peer: string): void {
    if (request.buckets.length === 0) {
      return
    }
    const buckets = new Set(request.buckets)
    const listed = new Set(request.documents.map(({ id }) => id))
    for (const held of this.#servedFor(peer)) {
      if (
        buckets.has(bucketOf(held.id, request.count)) &&
        !listed.has(held.id) &&
        held.tenure !== undefined
      ) {
        this.#sendTo(peer, held.tenure)
      }
    }
  }

  /** Sends the whole copy, unless something is on its way there already. */
  #sendTo(peer: string, tenure: Tenure): void {
    for (const target of tenure.replication.targets) {
      if (target.peer === peer && target.mode === 'append' && target.queue.length === 0) {
        tenure.replication.needsFull(target.key)
      }
    }
    this.#context.send(tenure)
  }
}

function bucketsOf(documents: readonly HeldDocument[], count: number): Digest[] {
  return digestsOf(documents, { count, stateOf })
}

function stateOf({ copy, damaged }: HeldDocument): string {
  return damaged ? damagedDigest : copy.digestAsText
}
