import { decodeDocument } from '@murmuration/crdt'
import type { Document } from '@murmuration/crdt'
import { UnavailableError } from '@murmuration/interface'
import type { AgentRecord, Epoch, RpcContext } from '@murmuration/interface'
import { currentView, withDeadline } from './context.ts'
import type { Context } from './context.ts'
import type { DocumentReading, OwnedDocument, ReadOptions } from './contract.ts'
import { readReply, readRequest } from './core/messages.ts'
import type { ReadReply } from './core/messages.ts'
import { stateBytesMax } from './defaults.ts'
import { placementOf } from './placements.ts'

interface Answer {
  readonly document: Document
  readonly epoch: Epoch | undefined
}

/** Reads documents from any peer: the owner answers, or any replica where that is enough. */
export class Reader {
  readonly #context: Context
  readonly #own: (record: AgentRecord, signal: AbortSignal) => Promise<OwnedDocument>

  constructor(
    context: Context,
    own: (record: AgentRecord, signal: AbortSignal) => Promise<OwnedDocument>
  ) {
    this.#context = context
    this.#own = own
  }

  register(): void {
    this.#context.rpc.handle('state.read', (bytes, call) => this.#onRead(bytes, call))
  }

  unregister(): void {
    this.#context.rpc.unhandle('state.read')
  }

  async read(record: AgentRecord, options: ReadOptions): Promise<DocumentReading> {
    const context = this.#context
    const view = currentView(context)
    const placement = placementOf(view)
    const replicas = placement.homeOf(record).map((member) => member.peer)
    const { document, epoch } = await withDeadline(
      context,
      context.settings.ownTimeoutMs,
      (signal) =>
        options.stale === true
          ? this.#fromAny(record, replicas, signal)
          : this.#fromOwner(record, placement.ownerOf(record)?.peer, signal),
      options.signal
    )
    return { document, version: document.version, epoch, replicas }
  }

  async #fromOwner(
    record: AgentRecord,
    owner: string | undefined,
    signal: AbortSignal
  ): Promise<Answer> {
    if (owner === undefined) {
      throw new UnavailableError(`${record.id} is pinned to a peer that is not in the view`)
    }
    if (owner === this.#context.membership.self.peer) {
      const owned = await this.#own(record, signal)
      return { document: owned.document.clone(), epoch: owned.epoch }
    }
    const answer = await this.#ask(owner, record, { stale: false, signal })
    if (answer === undefined) {
      throw new UnavailableError(`${owner} has no answer for ${record.id}`)
    }
    return answer
  }

  /** The own copy if there is one, else that of the first replica that answers. */
  async #fromAny(
    record: AgentRecord,
    replicas: readonly string[],
    signal: AbortSignal
  ): Promise<Answer> {
    const { membership, table } = this.#context
    const held = table.get(record.id)
    if (held !== undefined && !held.damaged) {
      return { document: held.copy.live.clone(), epoch: undefined }
    }
    const rank = { reachable: 0, suspected: 1, unreachable: 2 }
    const others = replicas
      .filter((peer) => peer !== membership.self.peer)
      .toSorted((a, b) => rank[membership.reachability(a)] - rank[membership.reachability(b)])
    let cause: unknown
    for (const peer of others) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- the next one is asked only if this one fails.
        const answer = await this.#ask(peer, record, { stale: true, signal })
        if (answer !== undefined) {
          return answer
        }
      } catch (error) {
        cause = error
      }
    }
    throw new UnavailableError(`no replica of ${record.id} has an answer`, { cause })
  }

  async #ask(
    peer: string,
    record: AgentRecord,
    how: { readonly stale: boolean; readonly signal: AbortSignal }
  ): Promise<Answer | undefined> {
    const { rpc, settings, transfer } = this.#context
    const request = readRequest.encode({ record, stale: how.stale })
    const reply = readReply.decode(
      await rpc.call(peer, 'state.read', request, {
        timeoutMs: how.stale ? settings.requestTimeoutMs : settings.ownTimeoutMs,
        signal: how.signal
      })
    )
    const bytes =
      reply.status === 'large' ? await transfer.pull(peer, record.id, 'document') : reply.document
    if (bytes === undefined) {
      return undefined
    }
    const { view, boot } = reply
    const epoch = view === undefined || boot === undefined ? undefined : { view, boot }
    return { document: decodeDocument(bytes), epoch }
  }

  async #onRead(bytes: Uint8Array, call: RpcContext): Promise<Uint8Array> {
    const { record, stale } = readRequest.decode(bytes)
    if (!stale) {
      const owned = await this.#own(record, call.signal)
      const { view, boot } = owned.epoch
      return readReply.encode({ ...inline(owned.document), view, boot })
    }
    const held = this.#context.table.get(record.id)
    return readReply.encode(
      held === undefined || held.damaged ? { status: 'absent' } : inline(held.copy.live)
    )
  }
}

function inline(document: Document): ReadReply {
  const bytes = document.encode()
  return bytes.length > stateBytesMax ? { status: 'large' } : { status: 'inline', document: bytes }
}
