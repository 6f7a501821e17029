import type { AgentType } from '@murmuration/agent'
import type { LeaseWaitOptions, Leases, Partition, PeerLease } from '@murmuration/interface'
import type { OwnerLeases } from '@murmuration/state'

interface Parts {
  readonly membership: Leases
  readonly types: readonly AgentType[]
  /** Made later than the state, which asks. */
  readonly partition: () => Partition | undefined
}

/**
 * The lease under which the owner of an agent acts: that of its peer. Types that go on on the smaller
 * side of a split act there without one (rule 8).
 */
export function ownerLeases({ membership, types, partition }: Parts): OwnerLeases {
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
  readonly #partition: () => Partition | undefined

  constructor(lease: PeerLease, type: AgentType, partition: () => Partition | undefined) {
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
    const partition = this.#partition()
    const ended = new AbortController()
    const { signal, ...rest } = options
    const goesOn = new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.#goesOn) resolve()
      }
      partition?.addEventListener('status', look, { signal: ended.signal })
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
    const partition = this.#partition()
    return (
      partition?.status === 'minority' && partition.verdict(this.#type.onPartition) === 'run'
    )
  }
}
