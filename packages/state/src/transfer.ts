import { MalformedMessageError } from '@murmuration/interface'
import type { AgentRecord } from '@murmuration/interface'
import { equalDigests } from './core/digest.ts'
import { DocumentCopy } from './core/document-copy.ts'
import { decodeState, encodeState, fetchReply, fetchRequest, pullRequest } from './core/messages.ts'
import { currentView } from './context.ts'
import type { Context, HeldDocument } from './context.ts'
import { edgeOf } from './placements.ts'
import { chunkBytes, documentBytesMax, stateBytesMax, transferTimeoutMs } from './defaults.ts'

/** What came of a state that was received. */
export interface Joined {
  readonly held: HeldDocument
  /** The copy here was changed by it. */
  readonly changed: boolean
  /** The copy here holds nothing beyond it. */
  readonly equal: boolean
}

export interface Fetched {
  /** Ids that the peer does not hold any more. */
  readonly absent: readonly string[]
  readonly changed: boolean
}

/** Whole copies between peers: in one message where they fit, else pulled in chunks. */
export class Transfer {
  readonly #context: Context

  constructor(context: Context) {
    this.#context = context
  }

  register(): void {
    const { rpc } = this.#context
    const concurrencyMax = 16
    rpc.handle('state.fetch', (bytes) => this.#onFetch(bytes))
    rpc.handleStream('state.pull', (bytes) => this.#onPull(bytes), { concurrencyMax })
    // The same for edge peers, which get what is pinned to them and nothing else.
    rpc.handle('state.pinned.fetch', (bytes, { peer }) => this.#onFetch(bytes, peer))
    rpc.handleStream('state.pinned.pull', (bytes, { peer }) => this.#onPull(bytes, peer), {
      concurrencyMax
    })
  }

  unregister(): void {
    const names = ['state.fetch', 'state.pull', 'state.pinned.fetch', 'state.pinned.pull']
    for (const name of names) this.#context.rpc.unhandle(name)
  }

  /** Joins the states into the copies here; returns what came of each. `check` may throw. */
  merge(states: readonly Uint8Array[], check?: (record: AgentRecord) => void): Joined[] {
    // All are decoded and checked before the first one changes anything.
    const copies = states.map((bytes) => this.#decode(bytes))
    copies.forEach(({ record }) => check?.(record))
    return copies.map((copy) => this.#join(copy))
  }

  /** The live document or the whole copy of a peer, however large. */
  async pull(peer: string, id: string, what: 'copy' | 'document'): Promise<Uint8Array> {
    const { edge, rpc, signal } = this.#context
    const method = edge === undefined || what === 'document' ? 'state.pull' : 'state.pinned.pull'
    const chunks: Uint8Array[] = []
    let total = 0
    const request = pullRequest.encode({ id, what })
    for await (const chunk of rpc.stream(peer, method, request, {
      timeoutMs: transferTimeoutMs,
      signal
    })) {
      total += chunk.length
      if (total > documentBytesMax) {
        throw new MalformedMessageError(
          `${id} from ${peer} is larger than ${documentBytesMax} bytes`
        )
      }
      chunks.push(chunk)
    }
    const bytes = new Uint8Array(total)
    let at = 0
    for (const chunk of chunks) {
      bytes.set(chunk, at)
      at += chunk.length
    }
    return bytes
  }

  /** Fetches those copies of a peer that differ from the ones here, and joins them. */
  async fetchDiffering(peer: string, ids: readonly string[], signal: AbortSignal): Promise<void> {
    const { table } = this.#context
    await this.fetch(peer, ids, signal, (id) => table.get(id)?.copy.digestAsText ?? '')
  }

  /** Fetches the copies of a peer and joins them. */
  async fetch(
    peer: string,
    ids: readonly string[],
    signal: AbortSignal,
    digestOf?: (id: string) => string
  ): Promise<Fetched> {
    const { edge, rpc, settings } = this.#context
    const method = edge === undefined ? 'state.fetch' : 'state.pinned.fetch'
    const absent: string[] = []
    let changed = false
    const note = (joined: readonly Joined[]): void => {
      changed = joined.some((one) => one.changed) || changed
    }
    let rest: readonly string[] = ids
    while (rest.length > 0) {
      const page = rest.slice(0, fetchMax)
      const request = { ids: page, ...(digestOf && { known: page.map(digestOf) }) }
      // oxlint-disable-next-line no-await-in-loop -- each answer says what is left to ask.
      const bytes = await rpc.call(peer, method, fetchRequest.encode(request), {
        timeoutMs: settings.requestTimeoutMs,
        signal
      })
      const reply = fetchReply.decode(bytes)
      note(this.merge(reply.states))
      for (const id of reply.large) {
        // oxlint-disable-next-line no-await-in-loop -- one large transfer at a time.
        note(this.merge([await this.pull(peer, id, 'copy')]))
      }
      absent.push(...reply.absent)
      if (reply.rest.length >= page.length) {
        throw new MalformedMessageError(`${peer} sent none of ${page.length} documents`)
      }
      rest = [...reply.rest, ...rest.slice(fetchMax)]
    }
    return { absent, changed }
  }

  #decode(bytes: Uint8Array): DocumentCopy {
    const copy = DocumentCopy.from(decodeState(bytes), this.#context.mutants)
    copy.verify()
    return copy
  }

  #join(copy: DocumentCopy): Joined {
    const context = this.#context
    const held = context.table.obtain(copy.record)
    context.counters.transfers?.increment()
    const changed = held.copy.merge(copy)
    if (changed) {
      held.tenure?.merged()
      context.changed(held)
    }
    return { held, changed, equal: equalDigests(held.copy.digest, copy.digest) }
  }

  #onFetch(bytes: Uint8Array, edge?: string): Uint8Array {
    const { ids, known = [] } = fetchRequest.decode(bytes)
    const states: Uint8Array[] = []
    const large: string[] = []
    const rest: string[] = []
    const absent: string[] = []
    let total = 0
    for (const [at, id] of ids.entries()) {
      const held = this.#pinnedTo(id, edge)
      if (held === undefined) {
        absent.push(id)
      } else if (held.copy.digestAsText === known[at]) {
        continue
      } else if (total >= stateBytesMax) {
        rest.push(id)
      } else {
        const state = encodeState(held.copy.state())
        if (state.length > stateBytesMax) {
          large.push(id)
        } else if (total + state.length > stateBytesMax) {
          rest.push(id)
        } else {
          total += state.length
          states.push(state)
        }
      }
    }
    return fetchReply.encode({ states, large, rest, absent })
  }

  /** A document held here; where it is for an edge peer, only one of its own. */
  #pinnedTo(id: string, edge: string | undefined): HeldDocument | undefined {
    const held = this.#context.table.get(id)
    if (held === undefined || edge === undefined) return held
    return edgeOf(currentView(this.#context), held.copy.record) === edge ? held : undefined
  }

  async *#onPull(request: Uint8Array, edge?: string): AsyncIterable<Uint8Array> {
    const { id, what } = pullRequest.decode(request)
    const held = this.#pinnedTo(id, edge)
    if (held === undefined) {
      throw new MalformedMessageError(`no document ${id} here`)
    }
    const { copy } = held
    const bytes = what === 'copy' ? encodeState(copy.state()) : copy.live.encode()
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      yield bytes.subarray(at, at + chunkBytes)
    }
  }
}

/** Ids of one request. */
const fetchMax = 1024
