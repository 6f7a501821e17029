import type { AgentType } from '@murmuration/agent'
import type {
  AgentRecord,
  LeaseWaitOptions,
  Leases,
  Partition,
  PeerLease
} from '@murmuration/interface'
import type { Clearance, Seat } from '@murmuration/registry'
import type { OwnerLeases } from '@murmuration/state'

/**
 * The lease under which the owner of an agent acts: that of its peer. Types that go on on the smaller
 * side of a split act there without one (rule 8).
 */
export function ownerLeases(
  membership: Leases,
  partition: Partition,
  types: readonly AgentType[],
  clearance?: Clearance
): OwnerLeases {
  const byType = new Map(
    types.map((type): [string, PeerLease] => [
      `${type.namespace}/${type.type}`,
      cleared(
        new TypeLease(membership.lease, type, partition),
        isPinned(type) ? clearance : undefined
      )
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

/** Whether agents of a type run on the peer that their key names. */
export function isPinned(type: AgentType): boolean {
  return type.placement === 'pinned'
}

/** Of what is pinned: not before an edge peer of this name has ended. */
function cleared(lease: PeerLease, clearance: Clearance | undefined): PeerLease {
  if (clearance === undefined) return lease
  return {
    get held() {
      return clearance.isClear && lease.held
    },
    get remainingMs() {
      return clearance.isClear ? lease.remainingMs : 0
    },
    whenHeld: async (options) => {
      await clearance.whenClear(options)
      await lease.whenHeld(options)
    }
  }
}

/**
 * Those of an edge peer: whoever gets its seat has waited for the lease of the life before. Types that
 * go on on all sides of a split go on here without any member: nobody else may own these agents, and
 * what only this peer has is acknowledged as local.
 */
export function seatLeases(
  seat: Seat | undefined,
  goesOn: (record: Pick<AgentRecord, 'id'>) => boolean
): OwnerLeases | undefined {
  if (seat === undefined) return undefined
  const { lease } = seat
  const alone: PeerLease = {
    get held() {
      return lease.held || seat.isTaken
    },
    get remainingMs() {
      return lease.remainingMs
    },
    whenHeld: async (options) => {
      if (!seat.isTaken) await lease.whenHeld(options)
    }
  }
  return {
    of: (id) => (goesOn({ id }) ? alone : lease),
    mayReplace: () => false,
    whenReplaceable: async () => {}
  }
}
