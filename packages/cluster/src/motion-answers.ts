import type { Agents } from '@murmuration/agent'
import type { LogSink, Rpc } from '@murmuration/interface'
import { partsFor } from '@murmuration/placement'
import type { State } from '@murmuration/state'
import type { JoiningMembership } from '@murmuration/membership'
import { defaults } from './defaults.ts'
import { AskReply, AskRequest, OffersReply, OffersRequest } from './motion-messages.ts'
import { ownedAgents } from './owned-agents.ts'

export interface AnswerParts {
  readonly rpc: Rpc
  readonly membership: Pick<JoiningMembership, 'view'>
  readonly state: Pick<State, 'records'>
  readonly agents: Pick<Agents, 'running' | 'recordOf' | 'mayMove'>
  readonly log: LogSink
  /** Whether this peer wants no agents now. */
  readonly rests: () => boolean
}

/** What an owner says to those that would have its agents, and to those that move them. */
export class MotionAnswers {
  readonly #parts: AnswerParts

  constructor(parts: AnswerParts) {
    this.#parts = parts
  }

  start(): void {
    const { rpc } = this.#parts
    rpc.handle('placement.offers', (bytes) => this.#onOffers(bytes))
    rpc.handle('placement.ask', (bytes) => {
      const { peer, ids } = AskRequest.decode(bytes)
      return AskReply.encode({ refused: this.refused(ids, peer) })
    })
  }

  stop(): void {
    this.#parts.rpc.unhandle('placement.offers')
    this.#parts.rpc.unhandle('placement.ask')
  }

  /** Which of the own agents may not be moved to a peer now. */
  refused(ids: readonly string[], peer: string): string[] {
    return ids.filter((id) => !this.#mayMove(id, peer))
  }

  #mayMove(id: string, peer: string): boolean {
    const { agents, log } = this.#parts
    try {
      return agents.mayMove(id, peer)
    } catch (error) {
      // Who cannot say does not consent.
      log(`mayMove failed: ${String(error)}`, { id, peer })
      return false
    }
  }

  #onOffers(bytes: Uint8Array): Uint8Array {
    const { rpc, membership, state, agents } = this.#parts
    const { view: number, peers, until, max } = OffersRequest.decode(bytes)
    const { view } = membership
    const rests = this.#parts.rests()
    if (view?.number !== number) {
      return OffersReply.encode({ view: view?.number ?? 0, rests, left: 0, agents: [] })
    }
    const partOf = partsFor(view, peers)
    const parts = new Map<number, number>()
    const offered = ownedAgents(view, rpc.peer, state, agents)
      .hashed.map(({ id, key, slot }) => {
        const at = parts.get(slot) ?? partOf(slot)
        parts.set(slot, at)
        return { id, key, at }
      })
      .filter(({ at }) => at < until / 1_000_000)
      .toSorted((one, other) => one.at - other.at)
    const first = offered.slice(0, max).map(({ id, key }) => ({ id, key }))
    return OffersReply.encode({ view: number, rests, left: offered.length, agents: first })
  }
}
