import { TypedEventEmitter } from 'main-event'
import { MalformedMessageError } from '@murmuration/interface'
import type {
  Branch,
  Clock,
  LogSink,
  Member,
  Membership,
  MembershipEvents,
  Partition,
  PartitionStrategy,
  Reachability,
  Rpc,
  RpcContext,
  SelfIdentity,
  SplitSituation,
  View
} from '@murmuration/interface'
import { branchProposal, isSameSide, restrict, sideOf } from './core/branch.ts'
import { defaults } from './defaults.ts'

const METHOD = 'partition.branch'

type Options = Parameters<Membership['leave']>[0]

export interface BranchComponents {
  readonly membership: Membership
  readonly partition: Partition
  readonly rpc: Pick<Rpc, 'handle' | 'unhandle' | 'call'>
  readonly clock: Clock
  readonly log?: LogSink | undefined
}

export interface BranchInit {
  /**
   * Agent types (`namespace/type`) of which the steward of a branch runs all agents; without them they
   * are placed over the members of the side. @default []
   */
  readonly stewarded?: readonly string[]
}

/** Membership as the layers above see it, where a side of a split may go on by itself. */
export interface BranchingMembership extends Membership {
  /** The branch in which this peer is; undefined where it follows the agreed view. */
  readonly branch: Branch | undefined
}

/**
 * Membership for what merges: while this side of a split cannot decide a view, and its links have
 * come to rest, its steward makes a branch of the last agreed view with the members of this side,
 * and everything is placed by that. Any agreed view ends it, and so does the heal.
 *
 * Nothing of it needs to be durable: who restarts begins in the agreed view, and members of a branch
 * confirm nothing for anybody who is not in that very branch. An owner asks all members of its
 * branch for their copies before it serves.
 */
export class Branches extends TypedEventEmitter<MembershipEvents> implements BranchingMembership {
  readonly #components: BranchComponents
  readonly #stewarded: readonly string[]
  /** Judges nothing: it takes down what strategies are shown, at rest. */
  readonly #observer: PartitionStrategy
  #situation: SplitSituation | undefined
  #view: View | undefined
  #unsettled: readonly View[] = []
  #count = 0
  #cancel: (() => void) | undefined
  readonly #onView = ({ detail }: MembershipEvents['view']): void => this.#show(detail.view)
  readonly #onSettled = ({ detail }: MembershipEvents['settled']): void => {
    this.safeDispatchEvent('settled', { detail })
  }
  readonly #onReachability = ({ detail }: MembershipEvents['reachability']): void => {
    this.safeDispatchEvent('reachability', { detail })
  }
  readonly #onLease = ({ detail }: MembershipEvents['lease']): void => {
    this.safeDispatchEvent('lease', { detail })
  }
  readonly #onForced = ({ detail }: MembershipEvents['forced']): void => {
    this.safeDispatchEvent('forced', { detail })
  }
  readonly #onStatus = (): void => this.#look()

  constructor(components: BranchComponents, { stewarded = [] }: BranchInit = {}) {
    super()
    this.#components = components
    this.#stewarded = stewarded
    this.#observer = {
      name: 'branches',
      decide: (situation) => {
        this.#situation = situation
        return { verdict: 'run', reason: 'seen' }
      }
    }
  }

  get self(): SelfIdentity {
    return this.#components.membership.self
  }

  get view(): View | undefined {
    return this.branch === undefined ? this.#components.membership.view : this.#view
  }

  get branch(): Branch | undefined {
    return this.#view?.branch
  }

  /** In a branch nothing is settled: nobody forgets a copy, and no update is folded. */
  get settled(): number {
    const { settled, view } = this.#components.membership
    return this.branch === undefined ? settled : Math.min(settled, (view?.number ?? 0) - 1)
  }

  /** Of a branch: the views that were not settled, as far as their members are on this side. */
  unsettledViews(): readonly View[] {
    return this.branch === undefined
      ? this.#components.membership.unsettledViews()
      : this.#unsettled
  }

  async catchUp(number: number, from: string, options?: Options): Promise<View> {
    const agreed = await this.#components.membership.catchUp(number, from, options)
    return this.view ?? agreed
  }

  reportSettled(number: number, reporter?: string): void {
    if (this.branch === undefined) this.#components.membership.reportSettled(number, reporter)
  }

  reachability(peer: string): Reachability {
    return this.#components.membership.reachability(peer)
  }

  leave(options?: Options): Promise<void> {
    return this.#components.membership.leave(options)
  }

  start(): void {
    const { membership, partition, rpc } = this.#components
    membership.addEventListener('view', this.#onView)
    membership.addEventListener('settled', this.#onSettled)
    membership.addEventListener('reachability', this.#onReachability)
    membership.addEventListener('lease', this.#onLease)
    membership.addEventListener('forced', this.#onForced)
    partition.addEventListener('status', this.#onStatus)
    rpc.handle(METHOD, (bytes, context) => this.#onProposal(bytes, context))
    this.#view = membership.view
    this.#tick()
  }

  stop(): void {
    const { membership, partition, rpc } = this.#components
    membership.removeEventListener('view', this.#onView)
    membership.removeEventListener('settled', this.#onSettled)
    membership.removeEventListener('reachability', this.#onReachability)
    membership.removeEventListener('lease', this.#onLease)
    membership.removeEventListener('forced', this.#onForced)
    partition.removeEventListener('status', this.#onStatus)
    rpc.unhandle(METHOD)
    this.#cancel?.()
    this.#cancel = undefined
  }

  #tick(): void {
    this.#cancel = this.#components.clock.schedule(defaults.reportMs, () => {
      this.#tick()
      this.#look()
      this.#propose()
    })
  }

  /** Ends the branch where this side may take part in agreeing on views again. */
  #look(): void {
    const { membership, partition } = this.#components
    if (this.branch === undefined || partition.status === 'minority') return
    if (membership.view !== undefined) this.#show(membership.view)
  }

  /** The side of this peer, if it is one that cannot decide and has come to rest. */
  #side(): readonly Member[] | undefined {
    const { membership, partition } = this.#components
    if (partition.status !== 'minority') return undefined
    partition.decide(this.#observer)
    const side = sideOf(this.#situation)
    const { view } = membership
    return view !== undefined && this.#situation?.view.number === view.number ? side : undefined
  }

  /** As the steward: makes a branch for its side, and tells all members, again and again. */
  #propose(): void {
    const { membership, partition, clock } = this.#components
    const side = this.#side()
    const { view } = membership
    const { steward } = partition.decide('leader-election')
    if (side === undefined || view === undefined || steward !== this.self.peer) return
    const current = this.branch
    const isCurrent =
      current !== undefined &&
      current.steward === steward &&
      isSameSide(this.#view?.members ?? [], side)
    if (!isCurrent) {
      const { peer, incarnation, boot } = this.self
      // Nobody else ever makes this name, and this process makes it once.
      const id = `${peer.slice(-12)}.${incarnation.slice(-12)}.${boot}.${++this.#count}`
      this.#enter(view, side, {
        id,
        agreed: view,
        steward,
        stewarded: this.#stewarded,
        began: Math.max(0, Math.floor(clock.now()))
      })
    }
    const { branch } = this
    if (branch !== undefined) this.#tell(view, side, branch)
  }

  #tell(view: View, side: readonly Member[], { id, began, stewarded = [] }: Branch): void {
    const { rpc, log } = this.#components
    const members = side.map(({ peer, incarnation }) => ({ peer, incarnation }))
    const { cluster, number } = view
    const told = { cluster, view: number, id, began, members, stewarded: [...stewarded] }
    const bytes = branchProposal.encode(told)
    for (const { peer } of side) {
      if (peer === this.self.peer) continue
      rpc
        .call(peer, METHOD, bytes, { timeoutMs: defaults.sendTimeoutMs })
        // Told again a second later.
        .catch((error: unknown) => log?.(`branch ${id} was not told to ${peer}: ${String(error)}`))
    }
  }

  /** Takes up the branch of its steward, if this peer sees the same side and the same view. */
  #onProposal(bytes: Uint8Array, { peer }: RpcContext): Uint8Array {
    const { cluster, view: number, id, began, members, stewarded } = branchProposal.decode(bytes)
    if (!members.some((member) => member.peer === peer)) {
      throw new MalformedMessageError('branch: its steward is no member')
    }
    const { view } = this.#components.membership
    const side = this.#side()
    if (this.branch?.id === id || view === undefined || side === undefined) return empty
    const { steward } = this.#components.partition.decide('leader-election')
    const isOurs = view.cluster === cluster && view.number === number && steward === peer
    if (isOurs && isSameSide(side, members)) {
      this.#enter(view, side, {
        id,
        agreed: view,
        steward: peer,
        began,
        ...(stewarded === undefined ? {} : { stewarded })
      })
    }
    return empty
  }

  #enter(agreed: View, side: readonly Member[], branch: Branch): void {
    const view = restrict(agreed, side, branch)
    const older = this.#components.membership
      .unsettledViews()
      .filter(({ number }) => number < agreed.number)
      .map((one) => restrict(one, side, branch))
      .filter(({ members }) => members.length > 0)
    this.#unsettled = [...older, view]
    this.#show(view)
  }

  /** Goes over to a view, agreed or of a branch. */
  #show(view: View): void {
    const previous = this.#view
    if (previous === view) return
    this.#view = view
    const { partition, log } = this.#components
    const announce = (status: 'begun' | 'ended', of: View | undefined): void => {
      if (of?.branch === undefined) return
      const members = of.members.map(({ peer }) => peer)
      log?.(`branch ${of.branch.id} has ${status}`, { members: members.length })
      const detail = { status, branch: of.branch.id, members }
      partition.safeDispatchEvent('branch', { detail })
    }
    if (previous?.branch?.id !== view.branch?.id) announce('ended', previous)
    this.safeDispatchEvent('view', { detail: { previous, view } })
    if (previous?.branch?.id !== view.branch?.id) announce('begun', view)
  }
}

const empty = new Uint8Array()
