import { isFactual } from '@murmuration/interface'
import type { AgentRecord } from '@murmuration/interface'
import { pinnedPeer } from '@murmuration/placement'
import { defaults } from './defaults.ts'
import type { AgentComponents } from './index.ts'

/** The way that is tried next, and whether the last one led nowhere. */
interface Way {
  readonly count: number
  readonly isFailing: boolean
}

/**
 * Whom to ask for an agent. A member is asked itself. An edge peer may be behind a translator of
 * addresses, so that nobody can dial it: where it does not answer, one of the members that keep the
 * agent's copies is asked to hand the request on, each in turn, as the edge peer is connected to them.
 */
export class Ways {
  readonly #components: AgentComponents
  /** Edge peers to which a way has failed; the oldest are forgotten. */
  readonly #known = new Map<string, Way>()

  constructor(components: AgentComponents) {
    this.#components = components
  }

  to(agent: AgentRecord, owner: string, remainingMs: number): string {
    const { membership, state } = this.#components
    const placement = state.placement()
    if (placement === undefined || pinnedPeer(agent) !== owner) return owner
    if (placement.ownerOf(agent) !== undefined) return owner
    const { count = 0, isFailing = false } = this.#known.get(owner) ?? {}
    // At the end nothing is sent any more to who may not be able to say in time that it did not begin.
    if (isFailing && remainingMs < defaults.handOnMs) return owner
    const home = placement.homeOf(agent).map(({ peer }) => peer)
    const self = membership.self.peer
    const isMember = placement.view.members.some(({ peer }) => peer === self)
    const others = home.filter((peer) => peer !== self)
    // Edge peers are seldom connected to each other.
    const ways = isMember ? [owner, ...others] : [...others, owner]
    return ways[count % ways.length] ?? owner
  }

  /** Takes another way the next time, where this one leads nowhere. */
  async try(owner: string, ask: () => Promise<Uint8Array>): Promise<Uint8Array> {
    try {
      const answer = await ask()
      const way = this.#known.get(owner)
      if (way?.isFailing === true) this.#known.set(owner, { ...way, isFailing: false })
      return answer
    } catch (error) {
      if (isFactual(error) && (error.retryable || error.outcomeUnknown)) this.#fail(owner)
      throw error
    }
  }

  #fail(owner: string): void {
    const count = (this.#known.get(owner)?.count ?? 0) + 1
    this.#known.delete(owner)
    this.#known.set(owner, { count, isFailing: true })
    const [oldest] = this.#known.keys()
    if (this.#known.size > defaults.waysMax && oldest !== undefined) this.#known.delete(oldest)
  }
}
