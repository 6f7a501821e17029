import type { Clock, Partition, Random } from '@murmuration/interface'
import type { JoiningMembership } from '@murmuration/membership'
import type { State } from '@murmuration/state'
import { defaults } from './defaults.ts'

export interface FirstAgentsParts {
  readonly membership: Pick<JoiningMembership, 'view' | 'settled' | 'propose'>
  readonly state: Pick<State, 'records'>
  readonly partition: Pick<Partition, 'status'>
  readonly clock: Clock
  readonly random: Random
}

/**
 * Says once in the life of a cluster, in its view, that there are agents: who joins from then on gets
 * its share step by step. As long as nothing can move, members that join own by weight at once, and a
 * start of many of them makes no more views than their joins. It waits until the joins of a start are
 * over; what they move meanwhile moves without steps.
 */
export class FirstAgents {
  readonly #parts: FirstAgentsParts
  #cancel: (() => void) | undefined
  #isStopped = false

  constructor(parts: FirstAgentsParts) {
    this.#parts = parts
  }

  start(): void {
    const { clock, random, membership } = this.#parts
    if (this.#isStopped || membership.view?.inUse === true) return
    const delayMs = defaults.firstAgentsMs * (0.5 + random.next())
    this.#cancel = clock.schedule(delayMs, () => void this.#look())
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
  }

  async #look(): Promise<void> {
    const { membership } = this.#parts
    if (this.#isDue()) {
      try {
        await membership.propose({ inUse: true }, { timeoutMs: defaults.moveTimeoutMs })
      } catch {
        // Too much else is proposed, or a majority is lost: the next look proposes it again.
      }
    }
    this.start()
  }

  /** While joins or splits are under way, nobody is troubled with one more view. */
  #isDue(): boolean {
    const { membership, state, partition } = this.#parts
    const { view, settled } = membership
    return (
      view !== undefined &&
      settled >= view.number &&
      partition.status === 'whole' &&
      state.records().some(({ placement }) => placement !== 'pinned')
    )
  }
}
