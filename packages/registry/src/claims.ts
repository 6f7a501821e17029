import { AgentRegister, claimed, registerKeyOf, released } from '@murmuration/agent-register'
import type { Claimant } from '@murmuration/agent-register'
import type { AbortOptions } from '@libp2p/interface'
import { UnavailableError } from '@murmuration/interface'
import type {
  AgentRecord,
  Membership,
  RegisterOutcome,
  Registers,
  Registration
} from '@murmuration/interface'
import { keptIn, mergedClaim } from './core/merging.ts'
import type { BranchClaim } from './core/merging.ts'
import type { Mutants } from './core/mutants.ts'
import { defaults } from './defaults.ts'
import type { RegistryComponents } from './index.ts'
import { registrationToWire } from './registration-store.ts'

/** What a ballot on the register of an agent came to. */
export type BallotResult =
  | {
      readonly status: 'committed'
      readonly register: AgentRegister | undefined
      /** The register before it. */
      readonly previous: AgentRegister | undefined
      /** The claim that this ballot ended. */
      readonly released?: AgentRegister | undefined
    }
  | { readonly status: 'unavailable' }
  | { readonly status: 'unknown' }

/** Claims as ballots on the one register of each agent: a majority of its home decides. */
export class Claims {
  readonly #registers: Registers
  readonly #membership: Membership
  readonly #tenure: Pick<RegistryComponents['tenure'], 'held'>

  constructor(
    registers: Registers,
    membership: Membership,
    tenure: Pick<RegistryComponents['tenure'], 'held'>
  ) {
    this.#registers = registers
    this.#membership = membership
    this.#tenure = tenure
  }

  /**
   * Claims for this peer: `claimed` where the view has brought the agent, else on its way. An agent
   * without state here was likely never claimed: then one round trip does.
   */
  async claim(
    agent: AgentRecord,
    placed: string | undefined,
    registration: Registration | undefined,
    options: AbortOptions
  ): Promise<BallotResult> {
    const claimant = this.#claimant(placed)
    if (claimant === undefined) return { status: 'unavailable' }
    const wire = registration === undefined ? undefined : registrationToWire(registration)
    const isPlaced = placed === claimant.peer
    const status = isPlaced ? 'claimed' : 'claiming'
    const isNew = isPlaced && !this.#tenure.held(agent.id)
    return this.#change(
      agent,
      (current) => claimed(current, claimant, wordsAfter(current, wire), status),
      { ...options, isNew }
    )
  }

  /** As the owner in the agreed view: merges what one side of a split had granted. */
  async merge(claim: BranchClaim, mutants: Mutants): Promise<BallotResult> {
    const owner = this.#claimant(this.#membership.self.peer)
    if (owner === undefined) return { status: 'unavailable' }
    const { agent } = claim.registration
    return this.#change(agent, (current) => mergedClaim(current, owner, claim, mutants), {})
  }

  /** Ends a claim of this peer, and of nobody else. */
  giveUp(agent: AgentRecord): Promise<BallotResult> {
    const { peer, incarnation } = this.#membership.self
    const isOwn = (current: AgentRegister | undefined): boolean =>
      current?.owner === peer && current.incarnation === incarnation
    return this.#change(agent, (current) => (isOwn(current) ? released(current) : current), {})
  }

  release(agent: AgentRecord, options: AbortOptions): Promise<BallotResult> {
    return this.#change(agent, released, options)
  }

  async read(agent: AgentRecord, options: AbortOptions): Promise<BallotResult> {
    const timeoutMs = defaults.questionTimeoutMs
    return resultOf(await this.#registers.read(registerKeyOf(agent), { ...options, timeoutMs }))
  }

  #claimant(placed: string | undefined): Claimant | undefined {
    const { self, view } = this.#membership
    if (view === undefined) return undefined
    const { peer, incarnation, boot } = self
    return { peer, incarnation, epoch: { view: view.number, boot }, view, placed }
  }

  /**
   * The claim that stands in the agent's register, with what was registered: it outlives every owner,
   * and is then shown where placement says.
   *
   * @throws UnavailableError where that cannot be known now: it is never taken for absent
   */
  async standing(
    agent: AgentRecord,
    placed: string | undefined,
    options: AbortOptions
  ): Promise<AgentRegister | undefined> {
    const result = await this.read(agent, options)
    if (result.status !== 'committed') {
      throw new UnavailableError(`the register of ${agent.id} cannot be read now`)
    }
    const { register } = result
    if (register?.status !== 'claimed') return undefined
    const { view } = this.#membership
    const owner = view?.members.find(({ peer }) => peer === register.owner)
    if (owner?.incarnation === register.incarnation) return register
    return placed === undefined ? undefined : { ...register, owner: placed }
  }

  async #change(
    agent: AgentRecord,
    next: (current: AgentRegister | undefined) => AgentRegister | undefined,
    options: AbortOptions & { readonly isNew?: boolean }
  ): Promise<BallotResult> {
    const change = (bytes: Uint8Array | undefined): Uint8Array | undefined => {
      const current = bytes === undefined ? undefined : AgentRegister.decode(bytes)
      const after = next(current)
      // The very bytes that were given say that nothing changes.
      return after === current || after === undefined ? bytes : AgentRegister.encode(after)
    }
    const timeoutMs = defaults.ballotTimeoutMs
    let result: BallotResult = { status: 'unknown' }
    for (let attempt = 0; attempt < defaults.ballotsMax; attempt++) {
      if (options.signal?.aborted === true) break
      const outcome = await this.#registers.change(registerKeyOf(agent), change, {
        ...options,
        timeoutMs
      })
      result = resultOf(outcome)
      // To claim or release again what was claimed or released changes nothing.
      const isContended = outcome.status === 'unavailable' && outcome.reason === 'contended'
      if (result.status !== 'unknown' && !isContended) break
    }
    return result
  }
}

/** New words leave what the register knows of merges, so that none is done or told twice. */
function wordsAfter(
  current: AgentRegister | undefined,
  words: ReturnType<typeof registrationToWire> | undefined
): AgentRegister['registration'] {
  const { merged } = keptIn(current)
  if (words === undefined) return current?.registration
  return merged === undefined ? words : { ...words, merged }
}

function resultOf(outcome: RegisterOutcome): BallotResult {
  if (outcome.status !== 'committed') return { status: outcome.status }
  const { previous, value } = outcome
  const before = previous === undefined ? undefined : AgentRegister.decode(previous)
  const register = value === undefined ? undefined : AgentRegister.decode(value)
  const isEnd =
    before !== undefined && before.status !== 'released' && register?.status === 'released'
  return {
    status: 'committed',
    register,
    previous: before,
    ...(isEnd ? { released: before } : {})
  }
}
