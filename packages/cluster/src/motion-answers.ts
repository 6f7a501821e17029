import type { Agents } from '@murmuration/agent'
import type { LogSink, Rpc } from '@murmuration/interface'
import {
  createPlacement,
  ownerPartOf,
  partsFor,
  sharesAt,
  withShares
} from '@murmuration/placement'
import type { State } from '@murmuration/state'
import type { JoiningMembership } from '@murmuration/membership'

import { AskReply, AskRequest, OffersReply, OffersRequest } from './motion-messages.ts'
import { fingerprintOf, ownedAgents } from './owned-agents.ts'

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
    // Whoever is so busy that it sheds what waits needs most that others take agents from it.
    rpc.handle('placement.offers', (bytes) => this.#onOffers(bytes), { urgent: true })
    rpc.handle('placement.ask', (bytes) => this.#onAsk(bytes), { urgent: true })
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

  #onAsk(bytes: Uint8Array): Uint8Array {
    const { peer, ids } = AskRequest.decode(bytes)
    return AskReply.encode({ refused: this.refused(ids, peer) })
  }

  #onOffers(bytes: Uint8Array): Uint8Array {
    const { rpc, membership, state, agents } = this.#parts
    const { shares, peers, until, max } = OffersRequest.decode(bytes)
    const { view } = membership
    const rests = this.#parts.rests()
    const own = view === undefined ? 0 : fingerprintOf(view)
    if (view === undefined || own !== shares) {
      return OffersReply.encode({ shares: own, rests, left: 0, agents: [] })
    }
    const end = createPlacement(withShares(view, sharesAt(view, peers, until / 1_000_000)))
    const partOf = partsFor(view, peers)
    const self = view.members.find((member) => member.peer === rpc.peer && peers.includes(rpc.peer))
    const offered = ownedAgents(view, rpc.peer, state, agents)
      .hashed.filter(({ slot }) => end.ownerOfSlot(slot)?.peer !== rpc.peer)
      // One that rises itself gives something only to those that catch up with it.
      .map(({ id, key, slot }) => ({ id, key, at: self ? ownerPartOf(self) : partOf(slot) }))
      .toSorted((one, other) => one.at - other.at)
    const first = offered.slice(0, max).map(({ id, key }) => ({ id, key }))
    return OffersReply.encode({ shares, rests, left: offered.length, agents: first })
  }
}
