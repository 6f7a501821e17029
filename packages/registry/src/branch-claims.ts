import { message } from '@murmuration/codec'
import type {
  AgentRecord,
  Clock,
  Epoch,
  LogSink,
  MergedAgent,
  MergedSide,
  Registration,
  RegistryChange,
  Rpc,
  Store,
  View
} from '@murmuration/interface'
import type { Placement } from '@murmuration/placement'
import type { BranchClaim } from './core/merging.ts'
import type { Mutants } from './core/mutants.ts'
import { branchClaimShape } from './core/shapes.ts'
import { defaults } from './defaults.ts'
import { MergeReply, MergeRequest } from './messages.ts'
import { registrationToWire } from './registration-store.ts'
import { Told } from './told.ts'

export const MERGE = 'registry.merge'

export interface BranchClaimsComponents {
  readonly rpc: Rpc
  readonly clock: Clock
  readonly placement: () => Placement | undefined
  /** What became of the state that this peer made of an agent in a branch, as far as it is known. */
  readonly stateOf: (branch: string, id: string) => 'pending' | MergedAgent | undefined
  /** The branch in which this peer is; undefined where it follows the agreed view. */
  readonly branch: () => View['branch']
  readonly store: Store | undefined
  readonly log: LogSink | undefined
}

export interface BranchClaimsInit {
  /** Takes a claim up on this peer, if it is the owner in the agreed view. */
  readonly merge: (claim: BranchClaim) => Promise<MergeReply>
  readonly report: (change: RegistryChange) => void
  readonly mutants: Mutants
}

const ClaimRecord = message({ claim: branchClaimShape })

/**
 * The claims that this peer granted while it went on with one side of a split by itself. Each is on
 * its disk until the owner in an agreed view has merged it into the register of the agent; what came
 * of that is told by this peer, once.
 */
export class BranchClaims {
  readonly #components: BranchClaimsComponents
  readonly #init: BranchClaimsInit
  /** By branch and id: a peer may have gone through several branches. */
  readonly #claims = new Map<string, BranchClaim>()
  /** Answers of owners, while it is not known yet whether several sides changed the agent. */
  readonly #replies = new Map<string, MergeReply>()
  /** What was told, so that the report of the agent's state does not tell it again. */
  readonly #told = new Told()
  #cancel: (() => void) | undefined
  #isStopped = true

  constructor(components: BranchClaimsComponents, init: BranchClaimsInit) {
    this.#components = components
    this.#init = init
  }

  /** @throws CorruptDataError, StorageError, MalformedMessageError */
  async start(): Promise<void> {
    this.#isStopped = false
    for await (const [name, bytes] of this.#components.store?.entries() ?? []) {
      this.#claims.set(name, ClaimRecord.decode(bytes).claim)
    }
    this.#soon()
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
    this.#cancel = undefined
  }

  get isFull(): boolean {
    return this.#claims.size >= defaults.branchClaimsMax
  }

  /** Keeps a claim: it is on the disk when the promise resolves. */
  async keep(agent: Registration, epoch: Epoch, { members }: View): Promise<void> {
    const { branch = '' } = epoch
    const known = this.#claims.get(nameOf(branch, agent.id))
    const words = agent.labels === undefined && agent.metadata === undefined ? known : undefined
    const claim: BranchClaim = {
      registration: words?.registration ?? registrationToWire(agent),
      branch,
      epoch: { view: epoch.view, boot: epoch.boot, branch },
      members: members.map(({ peer }) => peer)
    }
    await this.#write(nameOf(branch, agent.id), claim)
    this.#soon()
  }

  /** Gives the claims of an agent up, as if they had never been. */
  async drop(id: string): Promise<boolean> {
    const names = [...this.#claims].filter(([, claim]) => idOf(claim) === id).map(([name]) => name)
    for (const name of names) await this.#write(name, undefined)
    return names.length > 0
  }

  /** What was registered here of an agent on this side. */
  of(id: string): BranchClaim | undefined {
    return [...this.#claims.values()].findLast((claim) => idOf(claim) === id)
  }

  /** Whether the merge of this agent is told, or will be, as that of a claim. */
  tells(branch: string, id: string): boolean {
    const name = nameOf(branch, id)
    return this.#claims.has(name) || this.#told.has(name)
  }

  #soon(): void {
    if (this.#isStopped || this.#claims.size === 0 || this.#cancel !== undefined) return
    this.#cancel = this.#components.clock.schedule(defaults.mergeRetryMs, () => {
      void this.#mergeAll().finally(() => {
        this.#cancel = undefined
        this.#soon()
      })
    })
  }

  /** One after the other: a heal has enough to do. */
  async #mergeAll(): Promise<void> {
    const { branch, placement, log } = this.#components
    for (const [name, claim] of this.#claims) {
      if (this.#isStopped || branch() !== undefined) return
      const owner = placement()?.ownerOf(recordOf(claim))?.peer
      if (owner === undefined) continue
      try {
        const reply = this.#replies.get(name) ?? (await this.#ask(owner, claim))
        if (this.#isStopped || reply.status === 'not-now') continue
        this.#replies.set(name, reply)
        const state = this.#stateOf(claim)
        if (state === 'pending' && reply.status === 'taken') continue
        // Given up while the owner was asked: nothing of it is left to tell.
        if (this.#claims.get(name) === claim) this.#report(owner, claim, { ...reply, state })
        if (this.#init.mutants.mergeTwice === true) this.#replies.delete(name)
        else await this.#write(name, undefined)
      } catch (error) {
        // The owner is silent, or the view changes: again a second later.
        log?.(`the claim of ${idOf(claim)} in ${claim.branch} waits: ${String(error)}`)
      }
    }
  }

  async #ask(owner: string, claim: BranchClaim): Promise<MergeReply> {
    const { rpc } = this.#components
    if (owner === rpc.peer) return this.#init.merge(claim)
    const timeoutMs = defaults.mergeTimeoutMs
    return MergeReply.decode(
      await rpc.call(owner, MERGE, MergeRequest.encode({ claim }), { timeoutMs })
    )
  }

  #stateOf(claim: BranchClaim): 'pending' | MergedAgent | undefined {
    if (this.#init.mutants.tellEarly === true) return undefined
    return this.#components.stateOf(claim.branch, idOf(claim))
  }

  /**
   * What becomes of a claim is one change, whether its state is merged before or after: a conflict where
   * another side had claimed the agent, or had changed it.
   */
  #report(owner: string, claim: BranchClaim, { status, other, state }: Answer): void {
    const { branch } = claim
    const id = idOf(claim)
    if (this.#init.mutants.tellEarly !== true) this.#told.add(nameOf(branch, id))
    const there = status === 'merged' ? other : changedBy(state, other)
    if (there === undefined) {
      const reason = `claimed in branch ${branch}`
      this.#init.report({ type: 'registered', id, peer: owner, reason })
      return
    }
    const here = sideOf(this.#components.rpc.peer, claim)
    const reason = `branch ${branch}`
    this.#init.report({ type: 'merged', id, peer: owner, reason, sides: [here, there] })
  }

  async #write(name: string, claim: BranchClaim | undefined): Promise<void> {
    // What its owner said of an earlier one does not hold for this one.
    this.#replies.delete(name)
    if (claim === undefined) this.#claims.delete(name)
    else this.#claims.set(name, claim)
    const value = claim === undefined ? undefined : ClaimRecord.encode({ claim })
    await this.#components.store?.write([{ key: name, value }], { sync: true })
  }
}

/** An owner's answer, and what became of the state. */
interface Answer extends MergeReply {
  readonly state: 'pending' | MergedAgent | undefined
}

/** The side that changed an agent without a claim, by what had been registered before. */
function changedBy(
  state: 'pending' | MergedAgent | undefined,
  before: MergeReply['other']
): MergedSide | undefined {
  if (state === undefined || state === 'pending' || state.sides !== 'both') return undefined
  const { owner, epoch } = state
  if (owner === undefined) return undefined
  const { labels = {}, metadata = {} } = before ?? {}
  return { peer: owner, ...(epoch === undefined ? {} : { epoch }), labels, metadata }
}

function nameOf(branch: string, id: string): string {
  return `${branch} ${id}`
}

function idOf({ registration }: BranchClaim): string {
  return registration.agent.id
}

export function recordOf({ registration }: BranchClaim): AgentRecord {
  return registration.agent
}

/** What the side that went on by itself had. */
export function sideOf(peer: string, claim: BranchClaim): MergedSide {
  const { branch, epoch, registration } = claim
  const { labels, metadata } = registration
  return { peer, branch, epoch, labels, metadata }
}
