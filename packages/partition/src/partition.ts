import { TypedEventEmitter } from 'main-event'
import type {
  Partition,
  PartitionEvents,
  PartitionPolicy,
  PartitionStatus,
  Verdict
} from '@murmuration/interface'
import { standingOf, verdictOf } from './core/standing.ts'
import type { PartitionComponents } from './index.ts'

export class MembershipPartition extends TypedEventEmitter<PartitionEvents> implements Partition {
  readonly #membership: PartitionComponents['membership']
  readonly #log: PartitionComponents['log']
  readonly #onChange = (): void => this.#update()
  #status: PartitionStatus = 'whole'

  constructor(components: PartitionComponents) {
    super()
    this.#membership = components.membership
    this.#log = components.log
  }

  get status(): PartitionStatus {
    return this.#status
  }

  verdict(policy: PartitionPolicy): Verdict {
    return verdictOf(policy, this.#status)
  }

  start(): void {
    this.#membership.addEventListener('view', this.#onChange)
    this.#membership.addEventListener('reachability', this.#onChange)
    this.#update()
  }

  stop(): void {
    this.#membership.removeEventListener('view', this.#onChange)
    this.#membership.removeEventListener('reachability', this.#onChange)
  }

  #update(): void {
    const view = this.#membership.view
    if (view === undefined) return
    const self = this.#membership.self.peer
    // Who is outside the view is on no side of a split: the owners that it asks judge for themselves.
    const inside = view.members.some(({ peer }) => peer === self)
    const { status, unreachable } = standingOf(view, (peer) =>
      peer === self || !inside ? 'reachable' : this.#membership.reachability(peer)
    )
    const previous = this.#status
    if (status === previous) return
    this.#status = status
    this.#log?.(`partition status ${previous} -> ${status}`, {
      view: view.number,
      unreachable: unreachable.length
    })
    this.safeDispatchEvent('status', { detail: { previous, status, unreachable } })
  }
}
