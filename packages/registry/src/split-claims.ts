import type {
  AgentRecord,
  Epoch,
  MergedAgent,
  MergedSide,
  PartitionEvents,
  Registration,
  RegistryChange,
  View
} from '@murmuration/interface'
import { createPlacement } from '@murmuration/placement'
import { BranchClaims, MERGE, recordOf, sideOf } from './branch-claims.ts'
import type { BranchClaimsComponents } from './branch-claims.ts'
import type { Claims } from './claims.ts'
import { mergeOf } from './core/merging.ts'
import type { BranchClaim } from './core/merging.ts'
import type { Mutants } from './core/mutants.ts'
import type { RegistryComponents } from './index.ts'
import { MergeReply, MergeRequest } from './messages.ts'
import { registrationOf } from './registration-store.ts'
import { Told } from './told.ts'

export interface SplitClaimsInit {
  readonly claims: Claims | undefined
  /** What is agreed to be registered of an agent; nothing where that cannot be known now. */
  readonly words: (id: string) => Promise<Pick<MergedSide, 'labels' | 'metadata'>>
  /** The register has what was registered of an agent, and nobody on this peer knows better. */
  readonly taken: (id: string) => void
  /** Tells a change to watchers, here and elsewhere. */
  readonly report: (change: RegistryChange) => void
  readonly mutants: Mutants
}

/** Claims while the cluster is split, and what becomes of them after it. */
export class SplitClaims {
  readonly #components: RegistryComponents
  readonly #init: SplitClaimsInit
  readonly #branched: BranchClaims
  /** Conflicts that watchers here have heard of. */
  readonly #heard = new Told()
  /** Those of state alone. */
  readonly #states = new Told()
  readonly #onMerged = ({ detail }: PartitionEvents['merged']): void => {
    for (const agent of detail.agents) void this.#tell(detail.branch, agent)
  }

  constructor(components: RegistryComponents, init: SplitClaimsInit) {
    this.#components = components
    this.#init = init
    const { rpc, clock, placement, sides, log } = components
    const branch = (): View['branch'] => this.#branch
    const stateOf: BranchClaimsComponents['stateOf'] = (name, id) => sides?.stateOf?.(name, id)
    this.#branched = new BranchClaims(
      { rpc, clock, placement, branch, stateOf, store: sides?.store, log },
      { merge: (claim) => this.#merge(claim), report: init.report, mutants: init.mutants }
    )
  }

  async start(): Promise<void> {
    const { rpc, sides } = this.#components
    if (sides === undefined) return
    rpc.handle(MERGE, async (bytes) =>
      MergeReply.encode(await this.#merge(MergeRequest.decode(bytes).claim))
    )
    sides.partition.addEventListener('merged', this.#onMerged)
    await this.#branched.start()
  }

  stop(): void {
    const { rpc, sides } = this.#components
    rpc.unhandle(MERGE)
    sides?.partition.removeEventListener('merged', this.#onMerged)
    this.#branched.stop()
  }

  get #branch(): View['branch'] {
    return this.#components.sides?.membership.view?.branch
  }

  /**
   * By what an agent is claimed now: by its register; by the branch of this side; or by neither, where
   * what is agreed of it must not be claimed by whoever runs it for one side.
   */
  ruleFor(agent: AgentRecord): 'register' | 'branch' | 'neither' {
    const { rpc, sides } = this.#components
    const branch = this.#branch
    if (sides === undefined || branch === undefined) return 'register'
    if (sides.mayBranch(agent)) return 'branch'
    const owner = createPlacement(branch.agreed).ownerOf(agent)
    return owner?.peer === rpc.peer ? 'register' : 'neither'
  }

  /** Of a conflict watchers hear once, also where its peer died after telling and tells again. */
  isNews(change: RegistryChange): boolean {
    const { mergeTwice, mergeOnBothSides } = this.#init.mutants
    if (change.type !== 'merged' || mergeTwice === true || mergeOnBothSides === true) return true
    return this.#heard.add(`${change.sides[0].branch ?? ''} ${change.id}`)
  }

  /** Whether this side goes on by itself. */
  get isApart(): boolean {
    return this.#branch !== undefined
  }

  get isFull(): boolean {
    return this.#branched.isFull
  }

  /** Keeps what was claimed for this side; false where that side is over already. */
  async keep(agent: Registration, epoch: Epoch): Promise<boolean> {
    const view = this.#components.sides?.membership.view
    if (view?.branch === undefined || view.branch.id !== epoch.branch) return false
    await this.#branched.keep(agent, epoch, view)
    return true
  }

  /** Gives up what was claimed for this side. */
  drop(id: string): Promise<boolean> {
    return this.#branched.drop(id)
  }

  /** What was registered for this side. */
  registered(id: string): Registration | undefined {
    const claim = this.#branched.of(id)
    return claim === undefined ? undefined : registrationOf(claim.registration)
  }

  /** As the owner in the agreed view, which decides by the register of the agent. */
  async #merge(claim: BranchClaim): Promise<MergeReply> {
    const { claims, mutants, report, taken } = this.#init
    const { placement, rpc } = this.#components
    const agent = recordOf(claim)
    const isOwner = placement()?.ownerOf(agent)?.peer === rpc.peer
    if (claims === undefined || this.#branch !== undefined || !isOwner) return { status: 'not-now' }
    const result = await claims.merge(claim, mutants)
    if (result.status !== 'committed') return { status: 'not-now' }
    const merge = mergeOf(result.register, claim)
    if (merge === undefined) return { status: 'not-now' }
    taken(agent.id)
    const { other } = merge
    if (!merge.isBoth || other === undefined) {
      return { status: 'taken', ...(other === undefined ? {} : { other }) }
    }
    if (mutants.mergeOnBothSides === true) {
      const reason = `branch ${claim.branch}`
      const sides = [sideOf(rpc.peer, claim), other] as const
      report({ type: 'merged', id: agent.id, peer: rpc.peer, reason, sides })
    }
    return { status: 'merged', other }
  }

  /** Tells that the state of an agent was merged of several sides, where none of them claimed it. */
  async #tell(branch: string, { id, owner, epoch, sides }: MergedAgent): Promise<void> {
    if (sides !== 'both' || owner === undefined || this.#branched.tells(branch, id)) return
    const { rpc } = this.#components
    if (!this.#states.add(`${branch} ${id}`)) return
    const words = await this.#init.words(id)
    const here: MergedSide = { peer: rpc.peer, branch, ...words }
    const there: MergedSide = { peer: owner, ...(epoch === undefined ? {} : { epoch }), ...words }
    const reason = `branch ${branch}`
    this.#init.report({ type: 'merged', id, peer: owner, reason, sides: [here, there] })
  }
}
