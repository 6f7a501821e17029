import type { AbortOptions } from '@libp2p/interface'
import { InvalidParametersError } from '@murmuration/interface'
import type { RpcContext } from '@murmuration/interface'
import type { Context } from './context.ts'
import { prepareReply, prepareRequest } from './core/messages.ts'
import { preparedMax, prepareTimeoutMs } from './defaults.ts'

/**
 * Make before break (rule 20): whoever is to own documents has copies of them before a view says so,
 * and at the take-over fetches only what has changed since.
 */
export class Preparing {
  readonly #context: Context

  constructor(context: Context) {
    this.#context = context
  }

  register(): void {
    this.#context.rpc.handle('state.prepare', (bytes, call) => this.#onPrepare(bytes, call))
  }

  unregister(): void {
    this.#context.rpc.unhandle('state.prepare')
  }

  /** Has `peer` fetch copies from their owner; rejects where it does not answer, false if it cannot. */
  async prepare(
    peer: string,
    owner: string,
    ids: readonly string[],
    { signal = this.#context.signal }: AbortOptions = {}
  ): Promise<boolean> {
    let areCopied = true
    for (let at = 0; at < ids.length; at += preparedMax) {
      const request = { owner, ids: ids.slice(at, at + preparedMax) }
      if (peer === this.#context.rpc.peer) {
        // oxlint-disable-next-line no-await-in-loop -- as many at a time as one message may name.
        areCopied = (await this.#fetch(request, signal)) && areCopied
      } else {
        const bytes = prepareRequest.encode(request)
        const options = { timeoutMs: prepareTimeoutMs, signal }
        // oxlint-disable-next-line no-await-in-loop -- as above.
        const reply = await this.#context.rpc.call(peer, 'state.prepare', bytes, options)
        areCopied = prepareReply.decode(reply).copied && areCopied
      }
    }
    return areCopied
  }

  async #onPrepare(bytes: Uint8Array, call: RpcContext): Promise<Uint8Array> {
    const request = prepareRequest.decode(bytes)
    if (request.ids.length > preparedMax) {
      throw new InvalidParametersError(`at most ${preparedMax} documents are prepared at a time`)
    }
    return prepareReply.encode({ copied: await this.#fetch(request, call.signal) })
  }

  /** What the owner does not hold has no state yet. */
  async #fetch(
    { owner, ids }: { readonly owner: string; readonly ids: readonly string[] },
    signal: AbortSignal
  ): Promise<boolean> {
    const { log, rpc, transfer } = this.#context
    if (owner === rpc.peer) return true
    try {
      await transfer.fetch(owner, ids, { signal, isDifferingOnly: true })
      return true
    } catch (error) {
      // An owner that is silent must not keep its agents: they are merged from their replicas then.
      log?.('%d documents were not copied from %s ahead of a move: %e', ids.length, owner, error)
      return false
    }
  }
}
