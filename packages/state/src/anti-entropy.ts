import type { RpcContext, View } from '@murmuration/interface'
import { isSamePlace, jittered, placeIn } from './context.ts'
import type { Context, HeldDocument } from './context.ts'
import { combine, differingDigests, digestText, emptyDigest, packDigests } from './core/digest.ts'
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
import {
  compareBuckets,
  indexPageMax,
  quietMs,
  sentMax,
  stateBytesMax,
  transferTimeoutMs
} from './defaults.ts'
import { homesOf } from './placements.ts'
import type { Tenure } from './tenure.ts'

const damagedDigest = 'damaged'

/**
 * Finds and repairs differences between owners and everyone else who holds their documents. A
 * replica compares one digest per bucket with each owner, and lists documents only where those
 * differ. Who is no replica (any more) hands its copies to the owner and, once they are safe and the
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
  #cancel: (() => void) | undefined
  #running = false

  constructor(context: Context, self: MemberKey) {
    this.#context = context
    this.#self = self
  }

  start(): void {
    const { rpc } = this.#context
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
    const { clock, settings, signal } = this.#context
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
    const homes = homesOf(view)
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

  async #compare(view: View, owner: string, documents: readonly HeldDocument[]): Promise<void> {
    const buckets = packDigests(bucketsOf(documents))
    const request = compareRequest.encode({ ...placeIn(view), buckets })
    const reply = compareReply.decode(await this.#call(owner, 'state.compare', request))
    if (reply.busy || reply.differing.length === 0) {
      return
    }
    const differing = new Set(reply.differing)
    const listed = documents.filter(({ id }) => differing.has(bucketOf(id)))
    // One bucket list must be complete to be of use; if it is too long, the rest waits for a round.
    for (const bucket of reply.differing) {
      const inBucket = listed.filter(({ id }) => bucketOf(id) === bucket)
      // oxlint-disable-next-line no-await-in-loop -- bucket by bucket, at the owner's pace.
      const { want } = await this.#list(view, owner, { buckets: [bucket], documents: inBucket })
      // oxlint-disable-next-line no-await-in-loop -- as above.
      await this.#put(view, owner, want)
    }
  }

  async #handOver(view: View, owner: string, documents: readonly HeldDocument[]): Promise<void> {
    const digests = new Map(documents.map((held) => [held.id, held.copy.digestAsText]))
    const { have, want } = await this.#list(view, owner, { buckets: [], documents })
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
      homesOf(one)
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
    what: { readonly buckets: readonly number[]; readonly documents: readonly HeldDocument[] }
  ): Promise<ListReply> {
    const request: ListRequest = {
      ...placeIn(view),
      buckets: what.buckets,
      documents: what.documents.map((held) => ({
        id: held.id,
        digest: held.damaged ? damagedDigest : held.copy.digestAsText
      }))
    }
    return listReply.decode(await this.#call(owner, 'state.list', listRequest.encode(request)))
  }

  /** Sends copies; returns the ids that hold nothing new and are safe with the owner. */
  async #put(view: View, owner: string, ids: readonly string[]): Promise<string[]> {
    const { membership, rpc, signal, table } = this.#context
    const safe: string[] = []
    let left = ids.flatMap((id) => table.get(id) ?? [])
    while (left.length > 0) {
      const { batch, large, states } = takeBatch(left)
      left = left.slice(batch.length)
      const request = putRequest.encode({
        ...placeIn(view),
        incarnation: membership.self.incarnation,
        boot: membership.self.boot,
        from: 'holder',
        states,
        large: large.map((held) => held.copy.record)
      })
      // oxlint-disable-next-line no-await-in-loop -- memory is bounded to one batch.
      const bytes = await rpc.call(owner, 'state.put', request, {
        timeoutMs: transferTimeoutMs,
        signal
      })
      const reply = verdicts.decode(bytes)
      const order = [...batch.filter((held) => !large.includes(held)), ...large]
      order.forEach((held, at) => {
        if (!reply.fenced && reply.results[at] === 'ok') {
          safe.push(held.id)
        }
      })
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
    const own = packDigests(bucketsOf(this.#servedFor(call.peer)))
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
    if (held === undefined) {
      return digest === damagedDigest ? 'later' : 'want'
    }
    if (held.copy.digestAsText === digest) {
      return tenure?.durable === true ? 'have' : 'later'
    }
    const quiet = clock.monotonic() - held.changedAt >= quietMs
    if (digest === damagedDigest || !quiet || tenure === undefined) {
      return 'later'
    }
    sendFull(tenure, peer)
    this.#context.send(tenure)
    return isReplica && this.#isFirst(`${peer} ${id}`) ? 'later' : 'want'
  }

  /** Remembers a difference until it is found again. */
  #isFirst(copy: string): boolean {
    if (this.#sent.delete(copy)) {
      return false
    }
    this.#sent.add(copy)
    const [oldest] = this.#sent
    if (this.#sent.size > sentMax && oldest !== undefined) {
      this.#sent.delete(oldest)
    }
    return true
  }

  #sendMissing(request: ListRequest, peer: string): void {
    if (request.buckets.length === 0) {
      return
    }
    const buckets = new Set(request.buckets)
    const listed = new Set(request.documents.map(({ id }) => id))
    for (const held of this.#servedFor(peer)) {
      if (buckets.has(bucketOf(held.id)) && !listed.has(held.id) && held.tenure !== undefined) {
        sendFull(held.tenure, peer)
        this.#context.send(held.tenure)
      }
    }
  }
}

function sendFull(tenure: Tenure, peer: string): void {
  for (const target of tenure.replication.targets) {
    if (target.peer === peer && target.mode === 'append' && target.queue.length === 0) {
      tenure.replication.needsFull(target.key)
    }
  }
}

function bucketOf(id: string): number {
  return digestText(id).low % compareBuckets
}

function bucketsOf(documents: readonly HeldDocument[]): Digest[] {
  const buckets = Array.from({ length: compareBuckets }, () => emptyDigest)
  for (const held of documents) {
    const at = bucketOf(held.id)
    const state = held.damaged ? damagedDigest : held.copy.digestAsText
    buckets[at] = combine(buckets[at] ?? emptyDigest, digestText(held.id + ' ' + state))
  }
  return buckets
}

function takeBatch(documents: readonly HeldDocument[]): {
  readonly batch: HeldDocument[]
  readonly large: HeldDocument[]
  readonly states: Uint8Array[]
} {
  const batch: HeldDocument[] = []
  const large: HeldDocument[] = []
  const states: Uint8Array[] = []
  let total = 0
  for (const held of documents) {
    const state = encodeState(held.copy.state())
    if (state.length > stateBytesMax) {
      large.push(held)
    } else if (total + state.length > stateBytesMax) {
      break
    } else {
      total += state.length
      states.push(state)
    }
    batch.push(held)
  }
  return { batch, large, states }
}
