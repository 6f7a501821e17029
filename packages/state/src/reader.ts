import { decodeDocument } from '@murmuration/crdt'
import type { Document } from '@murmuration/crdt'
import { InvalidParametersError, UnavailableError } from '@murmuration/interface'
import type { AgentRecord, Epoch, RpcContext, VersionVector, View } from '@murmuration/interface'
import { serverOf } from '@murmuration/placement'
import { withHedge } from '@murmuration/resilience'
import { currentView, pause, withDeadline } from './context.ts'
import type { Context, HeldDocument } from './context.ts'
import type { DocumentReading, ReadOptions } from './contract.ts'
import { Closings } from './core/closings.ts'
import type { DocumentCopy } from './core/document-copy.ts'
import { readReply, readRequest } from './core/messages.ts'
import type { ReadReply } from './core/messages.ts'
import { includesVersion } from './core/versions.ts'
import { hedgeAfterMsMax, hedgesMax, sessionPollMs, stateBytesMax } from './defaults.ts'
import { edgeOf, placementOf } from './placements.ts'
import type { Replica } from './replica.ts'
import { checkRecord } from './settings.ts'
import type { Tenure } from './tenure.ts'

interface Answer {
  readonly document: Document
  readonly epoch: Epoch | undefined
  /** The writers that have left its version. */
  readonly closings: Closings
}

/** Asks one that may have the answer. */
type Way = (ended: AbortSignal) => Promise<Answer>

/** Reads documents from any peer: the owner answers, or any replica where that is enough. */
export class Reader {
  readonly #context: Context
  readonly #own: (record: AgentRecord, signal: AbortSignal) => Promise<Tenure>

  readonly #replica: Replica

  constructor(
    context: Context,
    init: {
      readonly replica: Replica
      readonly own: (record: AgentRecord, signal: AbortSignal) => Promise<Tenure>
    }
  ) {
    this.#context = context
    this.#replica = init.replica
    this.#own = init.own
  }

  register(): void {
    this.#context.rpc.handle('state.read', (bytes, call) => this.#onRead(bytes, call))
  }

  unregister(): void {
    this.#context.rpc.unhandle('state.read')
  }

  async read(record: AgentRecord, options: ReadOptions): Promise<DocumentReading> {
    const context = this.#context
    currentView(context)
    const { document, epoch, closings } = await withDeadline(
      context,
      context.settings.ownTimeoutMs,
      (signal) => this.#find(record, options, signal),
      options.signal
    )
    const replicas = this.#replicas(record)
    const { version } = document
    const includes = (seen: VersionVector): boolean => includesVersion(version, seen, closings)
    return { document, version, epoch, replicas, includes }
  }

  #find(record: AgentRecord, options: ReadOptions, signal: AbortSignal): Promise<Answer> {
    const { stale = false, after, hedgeAfterMs } = options
    checkHedge(hedgeAfterMs)
    if (stale) return this.#fromAny(record, signal, hedgeAfterMs)
    if (after !== undefined) return this.#forSession(record, after, signal, hedgeAfterMs)
    if (hedgeAfterMs === undefined) return this.#fromOwner(record, signal)
    throw new InvalidParametersError('only the owner may answer this read: it has no hedge')
  }

  /** The next one is asked when the one before has failed, or also when it is late by that much. */
  async #firstOf(
    ways: readonly Way[],
    signal: AbortSignal,
    hedgeAfterMs: number | undefined
  ): Promise<Answer> {
    if (hedgeAfterMs === undefined || ways.length < 2) return await oneByOne(ways, signal)
    const failures: unknown[] = []
    const ask = async (index: number, ended: AbortSignal): Promise<Answer> => {
      try {
        return await oneByOne(ways.slice(index, index + 1), ended)
      } catch (error) {
        failures[index] = error
        throw error
      }
    }
    const read = withHedge(ask, {
      idempotent: true,
      afterMs: hedgeAfterMs,
      hedgesMax: Math.min(hedgesMax, ways.length - 1),
      clock: this.#context.clock
    })
    try {
      return await read({ signal })
    } catch (error) {
      // As without a hedge: the last one knows best.
      throw signal.aborted ? error : failures.at(-1)
    }
  }

  /**
   * For a session that has seen something: the own copy, or that of one other replica, or of the next
   * ones with a hedge, if it has that too; and else the owner.
   */
  async #forSession(
    record: AgentRecord,
    after: VersionVector,
    signal: AbortSignal,
    hedgeAfterMs: number | undefined
  ): Promise<Answer> {
    const own = this.#context.table.get(record.id)
    const isHere = this.#replicas(record).includes(this.#context.membership.self.peer)
    const isOwn = own !== undefined && !own.damaged && isHere
    if (isOwn && (await this.#waitFor(own, after, signal))) {
      return { ...answerOf(own.copy), epoch: undefined }
    }
    const near = isOwn
      ? []
      : this.#others(record).slice(0, hedgeAfterMs === undefined ? 1 : hedgesMax)
    const ways = near.map(
      (peer): Way =>
        (ended) =>
          this.#fromReplica(peer, record, after, ended)
    )
    ways.push((ended) => this.#ofOwner(record, after, ended))
    return await this.#firstOf(ways, signal, hedgeAfterMs)
  }

  async #ofOwner(record: AgentRecord, after: VersionVector, signal: AbortSignal): Promise<Answer> {
    const answer = await this.#fromOwner(record, signal)
    if (hasSeen(answer, after)) return answer
    throw new UnavailableError(
      `the owner of ${record.id} has not got an update that this session saw before it was acknowledged`
    )
  }

  /** Throws where the replica is behind, or does not answer: the owner will. */
  async #fromReplica(
    peer: string,
    record: AgentRecord,
    after: VersionVector,
    signal: AbortSignal
  ): Promise<Answer> {
    try {
      const reply = await this.#ask(peer, record, { stale: true, signal, after })
      if (reply.status !== 'behind' && reply.status !== 'absent') {
        const answer = await this.#answer(peer, record, reply)
        if (hasSeen(answer, after) || this.#context.mutants.ignoreToken === true) return answer
      }
    } catch (error) {
      if (!signal.aborted) this.#context.log?.('%s did not answer a session: %e', peer, error)
      throw error
    }
    throw new UnavailableError(`${peer} has not got what this session saw of ${record.id}`)
  }

  /**
   * Whether a copy has, or gets in a short while, what a session has seen. A copy with holes shows
   * updates without what their sessions had seen before: it has to wait for the rest.
   */
  async #waitFor(held: HeldDocument, after: VersionVector, signal: AbortSignal): Promise<boolean> {
    const { clock, mutants, settings } = this.#context
    const until = clock.monotonic() + settings.sessionWaitMs
    const isReady = (): boolean => {
      const { live } = held.copy
      return mutants.ignoreToken === true || (!live.hasHoles && held.copy.includes(after))
    }
    while (!isReady()) {
      if (held.dropped || signal.aborted || clock.monotonic() >= until) return false
      // oxlint-disable-next-line no-await-in-loop -- looks again and again, for a bounded time.
      await pause(this.#context, sessionPollMs)
    }
    return true
  }

  /** The other replicas, the nearest first as far as is known. */
  #others(record: AgentRecord): string[] {
    const { membership } = this.#context
    const rank = { reachable: 0, suspected: 1, unreachable: 2 }
    return this.#replicas(record)
      .filter((peer) => peer !== membership.self.peer)
      .toSorted((a, b) => rank[membership.reachability(a)] - rank[membership.reachability(b)])
  }

  #isKeptUpToDate(record: AgentRecord): boolean {
    const self = this.#context.membership.self.peer
    const placement = placementOf(currentView(this.#context))
    return serverOf(placement, record) === self || this.#replicas(record).includes(self)
  }

  #replicas(record: AgentRecord): string[] {
    return placementOf(currentView(this.#context))
      .homeOf(record)
      .map((member) => member.peer)
  }

  /** Asks the owner; whoever is behind, this peer or that one, takes up the newer view first. */
  async #fromOwner(record: AgentRecord, signal: AbortSignal): Promise<Answer> {
    const { membership } = this.#context
    for (;;) {
      const view = currentView(this.#context)
      const owner = serverOf(placementOf(view), record)
      if (owner === undefined) {
        throw new UnavailableError(`${record.id} is pinned to a peer that is not in the view`)
      }
      if (owner === membership.self.peer) {
        // oxlint-disable-next-line no-await-in-loop -- the last thing that this loop does.
        const { copy, epoch } = await this.#ownCopy(record, signal)
        return { ...answerOf(copy), epoch }
      }
      const asked = this.#ways(view, record, owner)
      // oxlint-disable-next-line no-await-in-loop -- as above.
      const reply = await this.#ask(asked, record, { stale: false, signal })
      const newer = reply.status === 'elsewhere' ? (reply.view ?? 0) : 0
      if (newer <= view.number) {
        return this.#answer(asked, record, reply)
      }
      // oxlint-disable-next-line no-await-in-loop -- as above.
      await membership.catchUp(newer, asked, { signal })
    }
  }

  /** Edge peers seldom reach each other: a member, which reaches both, hands the question on. */
  #ways(view: View, record: AgentRecord, owner: string): string {
    const { edge } = this.#context
    const isBetweenEdges = edge !== undefined && edgeOf(view, record) === owner
    return (isBetweenEdges ? placementOf(view).homeOf(record)[0]?.peer : undefined) ?? owner
  }

  /**
   * The own copy where this peer is one that gets the updates, else that of the first replica that
   * answers. A copy may be left of a time when this peer was a replica, or wanted to own the
   * document: that one learns of nothing any more, and shows only where no replica answers.
   */
  async #fromAny(
    record: AgentRecord,
    signal: AbortSignal,
    hedgeAfterMs: number | undefined
  ): Promise<Answer> {
    const held = this.#context.table.get(record.id)
    const own = held === undefined || held.damaged ? undefined : held.copy
    if (own !== undefined && !own.empty && this.#isKeptUpToDate(record)) {
      return { ...answerOf(own), epoch: undefined }
    }
    const ways = this.#others(record).map((peer): Way => async (ended) => {
      const reply = await this.#ask(peer, record, { stale: true, signal: ended })
      return await this.#answer(peer, record, reply)
    })
    try {
      return await this.#firstOf(ways, signal, hedgeAfterMs)
    } catch (cause) {
      if (own !== undefined) return { ...answerOf(own), epoch: undefined }
      throw new UnavailableError(`no replica of ${record.id} has an answer`, { cause })
    }
  }

  async #ask(
    peer: string,
    record: AgentRecord,
    how: {
      readonly stale: boolean
      readonly signal: AbortSignal
      readonly after?: VersionVector
    }
  ): Promise<ReadReply> {
    const { rpc, settings } = this.#context
    const asked = currentView(this.#context).number
    const after = how.after === undefined ? {} : { after: how.after }
    const request = readRequest.encode({ asked, record, stale: how.stale, ...after })
    return readReply.decode(
      await rpc.call(peer, 'state.read', request, {
        timeoutMs: how.stale ? settings.requestTimeoutMs : settings.ownTimeoutMs,
        signal: how.signal
      })
    )
  }

  async #answer(peer: string, record: AgentRecord, reply: ReadReply): Promise<Answer> {
    const bytes =
      reply.status === 'large' ? await this.#context.transfer.pull(peer, record.id) : reply.document
    if (bytes === undefined) {
      throw new UnavailableError(`${peer} has no answer for ${record.id}`)
    }
    const { view, boot, branch, partial } = reply
    const epoch =
      view === undefined || boot === undefined
        ? undefined
        : {
            view,
            boot,
            ...(branch === undefined ? {} : { branch }),
            ...(partial === undefined ? {} : { partial })
          }
    return { document: decodeDocument(bytes), epoch, closings: new Closings(reply.closed) }
  }

  async #onRead(bytes: Uint8Array, call: RpcContext): Promise<Uint8Array> {
    const { asked, record, stale, after } = readRequest.decode(bytes)
    if (stale) {
      const held = this.#context.table.get(record.id)
      if (held === undefined || held.damaged) return readReply.encode({ status: 'absent' })
      const isCurrent = after === undefined || (await this.#waitFor(held, after, call.signal))
      return readReply.encode(isCurrent ? inline(held.copy) : { status: 'behind' })
    }
    const view = await this.#replica.follow(asked, call)
    checkRecord(record)
    const outside = this.#context.edge === undefined ? edgeOf(view, record) : undefined
    if (outside !== undefined) {
      const options = { timeoutMs: call.remainingMs, signal: call.signal }
      return this.#context.rpc.call(outside, 'state.read', bytes, options)
    }
    if (serverOf(placementOf(view), record) !== this.#context.membership.self.peer) {
      return readReply.encode({ status: 'elsewhere', view: view.number })
    }
    const { copy, epoch } = await this.#ownCopy(record, call.signal)
    return readReply.encode({ ...inline(copy), ...epoch })
  }

  async #ownCopy(
    record: AgentRecord,
    signal: AbortSignal
  ): Promise<{ readonly copy: DocumentCopy; readonly epoch: Epoch }> {
    const { epoch, held } = await this.#own(record, signal)
    return { copy: held.copy, epoch }
  }
}

/** Throws what the last of them says. */
async function oneByOne(ways: readonly Way[], signal: AbortSignal): Promise<Answer> {
  let failure: unknown = new UnavailableError('there is nobody to ask')
  for (const way of ways) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- the next one is asked only if this one fails.
      return await way(signal)
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

function checkHedge(afterMs: number | undefined): void {
  if (afterMs === undefined || (afterMs >= 0 && afterMs <= hedgeAfterMsMax)) return
  throw new InvalidParametersError(`hedgeAfterMs must be 0 to ${hedgeAfterMsMax}, not ${afterMs}`)
}

function answerOf({ closings, live }: DocumentCopy): Pick<Answer, 'closings' | 'document'> {
  return { document: live.clone(), closings }
}

function hasSeen({ closings, document }: Answer, after: VersionVector): boolean {
  return includesVersion(document.version, after, closings)
}

function inline({ closings, live }: DocumentCopy): ReadReply {
  const { list } = closings
  const closed = list.length === 0 ? {} : { closed: [...list] }
  const bytes = live.encode()
  return bytes.length > stateBytesMax
    ? { status: 'large', ...closed }
    : { status: 'inline', document: bytes, ...closed }
}
