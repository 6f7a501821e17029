import type { Clock, Partition, Random } from '@murmuration/interface'
import type { JoiningMembership } from '@murmuration/membership'
import type { State } from '@murmuration/state'
import { defaults } from './defaults.ts'
import type { MotionSettings } from './motion.ts'

export interface FirstAgentsParts {
  readonly membership: Pick<
    JoiningMembership,
    'view' | 'settled' | 'propose' | 'addEventListener' | 'removeEventListener'
  >
  readonly state: Pick<State, 'records'>
  readonly partition: Pick<Partition, 'status'>
  readonly clock: Clock
  readonly random: Random
}

/**
 * Says once in the life of a cluster, in its view, that there are agents: who joins from then on gets
 * its share step by step. As long as nothing can move, members that join own by weight at once, and a
 * start of many of them makes no more views than their joins. It waits until the joins of a start are
 * over, as nobody has come or gone for a while; what they move meanwhile moves without steps.
 */
export class FirstAgents {
  readonly #parts: FirstAgentsParts
  readonly #startMs: number
  /** The members of the newest view, and since when there are no others. */
  #still = { peers: '', since: 0 }
  #cancel: (() => void) | undefined
  #isStopped = false

  constructor(parts: FirstAgentsParts, { startMs }: Pick<MotionSettings, 'startMs'>) {
    this.#parts = parts
    this.#startMs = startMs
  }

  start(): void {
    this.#parts.membership.addEventListener('view', this.#onView)
    this.#onView()
    this.#wait()
  }

  stop(): void {
    this.#isStopped = true
    this.#parts.membership.removeEventListener('view', this.#onView)
    this.#cancel?.()
  }

  readonly #onView = (): void => {
    const { clock, membership } = this.#parts
    const peers = (membership.view?.members ?? []).map(({ peer }) => peer).join(' ')
    if (peers !== this.#still.peers) this.#still = { peers, since: clock.monotonic() }
  }

  #wait(): void {
    const { clock, random, membership } = this.#parts
    if (membership.view?.inUse === true) this.stop()
    if (this.#isStopped) return
    const delayMs = defaults.firstAgentsMs * (0.5 + random.next())
    this.#cancel = clock.schedule(delayMs, () => void this.#look())
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
    this.#wait()
  }

  /** While joins or splits are under way, nobody is troubled with one more view. */
  #isDue(): boolean {
    const { membership, state, partition, clock } = this.#parts
    const { view, settled } = membership
    return (
      view !== undefined &&
      clock.monotonic() - this.#still.since >= this.#startMs &&
      settled >= view.number &&
      partition.status === 'whole' &&
      state.records().some(({ placement }) => placement !== 'pinned')
    )
  }
}
