import type { AgentType } from '@murmuration/agent'
import type { LeaseWaitOptions, Leases, Partition, PeerLease } from '@murmuration/interface'
import type { OwnerLeases } from '@murmuration/state'

/**
 * The lease under which the owner of an agent acts: that of its peer. Types that go on on the smaller
 * side of a split act there without one (rule 8).
 */
export function ownerLeases(
  membership: Leases,
  partition: Partition,
  types: readonly AgentType[]
): OwnerLeases {
  const byType = new Map(
    types.map((type): [string, PeerLease] => [
      `${type.namespace}/${type.type}`,
      new TypeLease(membership.lease, type, partition)
    ])
  )
  return {
    of: (id) => byType.get(id.slice(0, id.indexOf('/', id.indexOf('/') + 1))) ?? membership.lease,
    mayReplace: (owner) => membership.mayReplace(owner),
    whenReplaceable: (owner, options) => membership.whenReplaceable(owner, options)
  }
}

class TypeLease implements PeerLease {
  readonly #lease: PeerLease
  readonly #type: AgentType
  readonly #partition: Partition

  constructor(lease: PeerLease, type: AgentType, partition: Partition) {
    this.#lease = lease
    this.#type = type
    this.#partition = partition
  }

  get held(): boolean {
    return this.#lease.held || this.#goesOn
  }

  get remainingMs(): number {
    return this.#lease.remainingMs
  }

  async whenHeld(options: LeaseWaitOptions = {}): Promise<void> {
    if (this.held) return
    const ended = new AbortController()
    const { signal, ...rest } = options
    const goesOn = new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.#goesOn) resolve()
      }
      this.#partition.addEventListener('status', look, { signal: ended.signal })
    })
    const signals = signal === undefined ? [ended.signal] : [ended.signal, signal]
    const held = this.#lease.whenHeld({ ...rest, signal: AbortSignal.any(signals) })
    try {
      await Promise.race([goesOn, held])
    } finally {
      // Whichever came first, the other one need not be waited for.
      held.catch(() => {})
      ended.abort()
    }
  }

  /** On the smaller side of a split, by the policy of the type. */
  get #goesOn(): boolean {
    const { status } = this.#partition
    return status === 'minority' && this.#partition.verdict(this.#type.onPartition) === 'run'
  }
}
