import type { AbortOptions } from '@libp2p/interface'
import type { AgentRecord } from '@murmuration/interface'
import { defaults } from './defaults.ts'
import type { RegistryComponents } from './index.ts'
import { RemoveReply, RemoveRequest, WhereReply, WhereRequest } from './messages.ts'

export const WHERE = 'registry.where'
export const REMOVE = 'registry.remove'

/** What a peer said of an agent, and which one. */
export type Found = WhereReply & { readonly peer: string }

/** Asks other peers where an agent is. */
export class Asking {
  readonly #components: Pick<RegistryComponents, 'rpc' | 'log'>
  readonly #timeoutMs: number

  constructor(components: Pick<RegistryComponents, 'rpc' | 'log'>, timeoutMs: number) {
    this.#components = components
    this.#timeoutMs = timeoutMs
  }

  /** Asks the owner, and follows those who know of a later one; undefined where somebody is silent. */
  async where(peer: string, agent: AgentRecord, options: AbortOptions): Promise<Found | undefined> {
    let at = peer
    for (let hop = 0; ; hop++) {
      const answer = await this.#ask(at, agent, options)
      const { owner = at, running, held } = answer ?? {}
      const isThere = running === true || held === true || owner === at
      if (answer === undefined) return undefined
      if (isThere || hop >= defaults.redirectsMax) return { ...answer, peer: at }
      at = owner
    }
  }

  /** Has a peer end an agent; whether it knew it. */
  async remove(peer: string, agent: AgentRecord, options: AbortOptions): Promise<boolean> {
    const request = RemoveRequest.encode({ agent })
    const limits = { ...options, timeoutMs: this.#timeoutMs }
    const reply = await this.#components.rpc.call(peer, REMOVE, request, limits)
    return RemoveReply.decode(reply).removed
  }

  async #ask(
    peer: string,
    agent: AgentRecord,
    options: AbortOptions
  ): Promise<WhereReply | undefined> {
    const { rpc, log } = this.#components
    try {
      const reply = await rpc.call(peer, WHERE, WhereRequest.encode({ agent }), {
        ...options,
        timeoutMs: this.#timeoutMs
      })
      return WhereReply.decode(reply)
    } catch (error) {
      if (options.signal?.aborted === true) throw error
      // A silent owner is an outcome of its own (`unknown`), not a failure of the question.
      log?.(`owner ${peer} did not answer for ${agent.id}: ${String(error)}`)
      return undefined
    }
  }
}
