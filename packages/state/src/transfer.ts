import { MalformedMessageError } from '@murmuration/interface'
import type { AgentRecord } from '@murmuration/interface'
import type { Context, HeldDocument } from './context.ts'
import { CopyPuller, pageOf } from './copy-puller.ts'
import type { Pulled, PullOptions } from './copy-puller.ts'
import { CopySource, heldFor } from './copy-source.ts'
import { equalDigests } from './core/digest.ts'
import { DocumentCopy } from './core/document-copy.ts'
import { fetchReply, fetchRequest } from './core/copy-messages.ts'
import type { FetchRequest } from './core/copy-messages.ts'
import { decodeState, encodeState, pullRequest } from './core/messages.ts'
import { chunkBytes, documentBytesMax } from './defaults.ts'
import { progressing } from './streams.ts'

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

/** Whole copies between peers: in one message where they fit, else as a stream. */
export class Transfer {
  readonly #context: Context
  readonly #source: CopySource
  readonly #puller: CopyPuller

  constructor(context: Context) {
    this.#context = context
    this.#source = new CopySource(context)
    this.#puller = new CopyPuller(context)
  }

  /** Documents that open streams have still to bring. */
  get pending(): number {
    return this.#puller.pending
  }

  register(): void {
    const { rpc } = this.#context
    // Mostly for a take-over, for which calls wait: these copies do not wait behind other calls.
    rpc.handle('state.fetch', (bytes) => this.#onFetch(bytes), { urgent: true })
    rpc.handleStream('state.pull', (bytes) => this.#onPull(bytes), { concurrencyMax: 16 })
    // For edge peers, which get what is pinned to them and nothing else.
    rpc.handle('state.pinned.fetch', (bytes, { peer }) => this.#onFetch(bytes, peer))
    this.#source.register()
  }

  unregister(): void {
    const names = ['state.fetch', 'state.pull', 'state.pinned.fetch']
    for (const name of names) this.#context.rpc.unhandle(name)
    this.#source.unregister()
    this.#puller.stop()
  }

  /** Joins the states into the copies here; returns what came of each. `check` may throw. */
  merge(states: readonly Uint8Array[], check?: (record: AgentRecord) => void): Joined[] {
    // All are decoded and checked before the first one changes anything.
    const copies = states.map((bytes) => this.#decode(bytes))
    copies.forEach(({ record }) => check?.(record))
    return copies.map((copy) => this.#join(copy))
  }

  /** The live document of a peer, however large. */
  async pull(peer: string, id: string): Promise<Uint8Array> {
    const { signal } = this.#context
    const chunks: Uint8Array[] = []
    let total = 0
    const request = pullRequest.encode({ id })
    const call = { peer, method: 'state.pull', request, signal }
    for await (const chunk of progressing(this.#context, call)) {
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

  /** Copies of a peer as a stream, joined and written item by item. */
  copies(
    peer: string,
    ids: readonly string[],
    options: Omit<PullOptions, 'merge'>
  ): AsyncGenerator<Pulled> {
    return this.#puller.pull(peer, ids, {
      ...options,
      merge: (states, check) => this.merge(states, check)
    })
  }

  /**
   * Fetches the copies of a peer and joins them: with one call where they fit, and what does not as a
   * stream. Ends early where they are not needed any more.
   */
  async fetch(
    peer: string,
    ids: readonly string[],
    options: {
      readonly signal: AbortSignal
      readonly isNeeded?: () => boolean
      /** Those that are the same here need not come, as far as one call holds all. */
      readonly isDifferingOnly?: boolean
    }
  ): Promise<Fetched> {
    const { signal, isNeeded = () => true, isDifferingOnly = false } = options
    if (ids.length === 0) return { absent: [], changed: false }
    const absent: string[] = []
    let rest = ids
    let changed = false
    if (pageOf(ids, 0).length === ids.length) {
      const digestOf = (id: string): string => this.#context.table.get(id)?.copy.digestAsText ?? ''
      const known = isDifferingOnly ? { known: ids.map((id) => digestOf(id)) } : {}
      const reply = await this.#fetchSome(peer, { ids, ...known }, signal)
      absent.push(...reply.absent)
      changed = this.merge(reply.states).some((one) => one.changed)
      rest = reply.rest
    }
    const write = (joined: readonly Joined[]): Promise<void> => this.#write(joined)
    for await (const pulled of this.copies(peer, rest, { signal, write })) {
      for (const { id, joined } of pulled) {
        if (joined === undefined) absent.push(id)
        changed ||= joined?.changed === true
      }
      if (!isNeeded()) break
    }
    return { absent, changed }
  }

  async #fetchSome(
    peer: string,
    request: FetchRequest,
    signal: AbortSignal
  ): Promise<ReturnType<typeof fetchReply.decode>> {
    const { edge, rpc, settings } = this.#context
    const method = edge === undefined ? 'state.fetch' : 'state.pinned.fetch'
    const bytes = await rpc.call(peer, method, fetchRequest.encode(request), {
      timeoutMs: settings.requestTimeoutMs,
      signal
    })
    const reply = fetchReply.decode(bytes)
    const asked = new Set(request.ids)
    if (!reply.rest.every((id) => asked.has(id))) {
      throw new MalformedMessageError(`${peer} names documents that it was not asked for`)
    }
    return reply
  }

  /**
   * What was fetched goes to the disk as it comes. One that takes no writes is no reason to stop: it
   * is tried again by itself, and the source keeps its copy until this one is safe.
   */
  async #write(joined: readonly Joined[]): Promise<void> {
    const { disk, log } = this.#context
    try {
      await Promise.all(joined.map(({ held }) => disk.save(held, { sync: true })))
    } catch (error) {
      log?.('%d copies that were fetched could not be written yet: %e', joined.length, error)
    }
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
      if (held.tenure !== undefined) context.merged(held)
      context.changed(held)
    }
    return { held, changed, equal: equalDigests(held.copy.digest, copy.digest) }
  }

  #onFetch(bytes: Uint8Array, edge?: string): Uint8Array {
    const { messageBytes } = this.#context.streams
    const { ids, known = [] } = fetchRequest.decode(bytes)
    const states: Uint8Array[] = []
    const rest: string[] = []
    const absent: string[] = []
    let total = 0
    for (const [at, id] of ids.entries()) {
      const held = heldFor(this.#context, id, edge)
      if (held === undefined) {
        absent.push(id)
      } else if (held.copy.digestAsText === known[at]) {
        continue
      } else if (rest.length > 0) {
        // The first one that does not fit is encoded in vain, and no other.
        rest.push(id)
      } else {
        const state = encodeState(held.copy.state())
        if (total + state.length > messageBytes) {
          rest.push(id)
        } else {
          total += state.length
          states.push(state)
        }
      }
    }
    return fetchReply.encode({ states, rest, absent })
  }

  async *#onPull(request: Uint8Array): AsyncIterable<Uint8Array> {
    const { id } = pullRequest.decode(request)
    const held = this.#context.table.get(id)
    if (held === undefined) {
      throw new MalformedMessageError(`no document ${id} here`)
    }
    const bytes = held.copy.live.encode()
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      yield bytes.subarray(at, at + chunkBytes)
    }
  }
}
