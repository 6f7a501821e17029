import { integer, list, message, object, optional, text } from '@murmuration/codec'
import { InvalidParametersError, isAbandoned, UnavailableError } from '@murmuration/interface'
import type { Discovery, Member, Rpc, RpcContext, StoreLife, View } from '@murmuration/interface'
import type { JoiningMembership } from '@murmuration/membership'
import { createPlacement } from '@murmuration/placement'
import type { State } from '@murmuration/state'
import { defaults } from './defaults.ts'
import type { ClusterRecovery, GivenUp, LostDisk, LostDisks } from './index.ts'
import type { Settings } from './settings.ts'

const SURVEY = 'recovery.survey'
const GIVE_UP = 'recovery.give-up'
const ACKNOWLEDGE = 'recovery.acknowledge'

const name = text({ max: 256 })
const count = integer({ min: 0 })
const life = object({ peer: name, incarnation: name })
const Survey = message({
  view: count,
  settled: count,
  disks: list(object({ peer: name, incarnation: name, views: list(count, { max: 64 }) }), {
    max: 1_024
  }),
  answering: list(name, { max: 1_024 }),
  agents: count,
  examples: list(text({ max: 512 }), { max: defaults.recoveryExamplesMax }),
  unsafe: list(
    object({ view: count, by: name, reason: text({ max: 256 }), abandoned: optional(count) }),
    { max: 64 }
  )
})
const GiveUp = message({ view: count, lives: list(life, { max: 1_024 }), reason: name })
const Acknowledge = message({ view: count })
const Done = message({ view: count })
const nothing = message({})

interface RecoveryParts {
  readonly rpc: Rpc
  readonly membership: JoiningMembership
  readonly state: Pick<State, 'records'>
  readonly discovery: Pick<Discovery, 'connected'> | undefined
  readonly isMember: boolean
}

/** What operators may ask of this peer, or of a member that it is connected to. */
export function openRecovery(
  { role }: Settings,
  parts: Omit<RecoveryParts, 'isMember'>
): ClusterRecovery & { start(): void; stop(): void } {
  return new Recovery({ ...parts, isMember: role === 'member' })
}

/**
 * What an operator may do where the disks of a majority of an agent's replicas are lost for good. A
 * member does it; from a peer outside of the view it is asked of one, which takes it from members' and
 * operators' certificates only.
 */
class Recovery implements ClusterRecovery {
  readonly #parts: RecoveryParts

  constructor(parts: RecoveryParts) {
    this.#parts = parts
  }

  start(): void {
    const { rpc, isMember } = this.#parts
    if (!isMember) return
    rpc.handle(SURVEY, () => Survey.encode(toWire(this.#surveyHere())))
    rpc.handle(GIVE_UP, async (bytes, call: RpcContext) => {
      const { view, lives, reason } = GiveUp.decode(bytes)
      return Done.encode(await this.#giveUpHere(lives, { view, reason, by: call.peer }))
    })
    rpc.handle(ACKNOWLEDGE, async (bytes) =>
      Done.encode(await this.#acknowledgeHere(Acknowledge.decode(bytes).view))
    )
  }

  stop(): void {
    for (const method of [SURVEY, GIVE_UP, ACKNOWLEDGE]) this.#parts.rpc.unhandle(method)
  }

  async survey(): Promise<LostDisks> {
    if (this.#parts.isMember) return this.#surveyHere()
    return fromWire(Survey.decode(await this.#ask(SURVEY, nothing.encode({}))))
  }

  async giveUp(
    lives: readonly StoreLife[],
    { view, reason }: { readonly view: number; readonly reason: string }
  ): Promise<GivenUp> {
    const { isMember, rpc } = this.#parts
    if (isMember) return this.#giveUpHere(lives, { view, reason, by: rpc.peer })
    const request = GiveUp.encode({ view, reason, lives: lives.map(lifeOf) })
    return Done.decode(await this.#ask(GIVE_UP, request))
  }

  async acknowledge(view: number): Promise<GivenUp> {
    if (this.#parts.isMember) return this.#acknowledgeHere(view)
    return Done.decode(await this.#ask(ACKNOWLEDGE, Acknowledge.encode({ view })))
  }

  /** Asks a member that is connected: whatever one decides, a majority agrees to. */
  async #ask(method: string, request: Uint8Array): Promise<Uint8Array> {
    const { rpc, membership, discovery } = this.#parts
    const connected = new Set(discovery?.connected())
    const member = membership.view?.members.find(({ peer }) => connected.has(peer))
    if (member === undefined) throw new UnavailableError('no member is connected')
    return rpc.call(member.peer, method, request, { timeoutMs: defaults.recoveryTimeoutMs })
  }

  #surveyHere(): LostDisks {
    const { membership, discovery } = this.#parts
    const { settled } = membership
    const view = this.#view()
    const connected = new Set(discovery?.connected())
    const present = new Set(view.members.map(nameOf))
    const lost = new Map<string, LostDisk>()
    for (const { number, members } of membership.unsettledViews()) {
      for (const member of members) {
        const known = lost.get(nameOf(member))
        if (present.has(nameOf(member)) || isAbandoned(view, member)) continue
        const { peer, incarnation } = member
        const isIn = view.members.some((one) => one.peer === peer)
        const isAnswering = !isIn && connected.has(peer)
        const views = [...(known?.views ?? []), number]
        lost.set(nameOf(member), { peer, incarnation, views, isAnswering })
      }
    }
    const waiting = this.#waiting(view)
    return {
      view: view.number,
      settled,
      disks: [...lost.values()],
      agents: waiting.length,
      examples: waiting.slice(0, defaults.recoveryExamplesMax),
      unsafe: view.unsafe ?? []
    }
  }

  /** Agents of which copies are here, and of which too few replicas of some view are left. */
  #waiting(view: View): string[] {
    const { membership, state } = this.#parts
    const present = new Set(view.members.map(nameOf))
    const placements = membership.unsettledViews().map((one) => createPlacement(one))
    return state
      .records()
      .filter((record) =>
        placements.some((placement) => {
          const home = placement.homeOf(record)
          const left = home.filter((member) => present.has(nameOf(member)))
          const notGivenUp = home.filter((member) => !isAbandoned(view, member))
          // R − W + 1 of them have all that was acknowledged.
          const needed = home.length - Math.min(2, home.length) + 1
          return left.length < Math.min(needed, notGivenUp.length)
        })
      )
      .map(({ id }) => id)
  }

  async #giveUpHere(
    lives: readonly StoreLife[],
    {
      view: number,
      reason,
      by
    }: { readonly view: number; readonly reason: string; readonly by: string }
  ): Promise<GivenUp> {
    const { view, disks } = this.#surveyHere()
    if (view !== number) {
      throw new InvalidParametersError(
        `view ${number} was looked at, and now it is view ${view}: look again before anything is given up`
      )
    }
    if (lives.length === 0) throw new InvalidParametersError('no disks were named')
    for (const one of lives) {
      const disk = disks.find((other) => nameOf(other) === nameOf(one))
      if (disk === undefined) {
        throw new InvalidParametersError(`nobody waits for the disk ${nameOf(one)}`)
      }
      if (disk.isAnswering) {
        throw new InvalidParametersError(
          `${one.peer} answers, so its disk may be there: let it come back, or stop it for good`
        )
      }
    }
    const { membership } = this.#parts
    const after = await membership.propose(
      { abandon: { lives: lives.map(lifeOf), reason, by } },
      { timeoutMs: defaults.recoveryTimeoutMs }
    )
    return { view: after.number }
  }

  async #acknowledgeHere(view: number): Promise<GivenUp> {
    const { membership } = this.#parts
    const after = await membership.propose(
      { acknowledgeForced: view },
      { timeoutMs: defaults.recoveryTimeoutMs }
    )
    return { view: after.number }
  }

  #view(): View {
    const { view } = this.#parts.membership
    if (view === undefined) throw new UnavailableError('this peer has no view yet')
    return view
  }
}

function toWire({ disks, unsafe, ...rest }: LostDisks): Parameters<typeof Survey.encode>[0] {
  return {
    ...rest,
    examples: [...rest.examples],
    disks: disks.map((disk) => ({ ...lifeOf(disk), views: disk.views.slice(-64) })),
    answering: disks.filter(({ isAnswering }) => isAnswering).map(nameOf),
    unsafe: unsafe.map(({ view, by, reason, abandoned }) => ({
      view,
      by,
      reason,
      ...(abandoned === undefined ? {} : { abandoned })
    }))
  }
}

function fromWire({ disks, answering, ...rest }: ReturnType<typeof Survey.decode>): LostDisks {
  return {
    ...rest,
    disks: disks.map((disk) => ({ ...disk, isAnswering: answering.includes(nameOf(disk)) }))
  }
}

function lifeOf({ peer, incarnation }: StoreLife): { peer: string; incarnation: string } {
  return { peer, incarnation }
}

function nameOf({ peer, incarnation }: StoreLife | Member): string {
  return `${peer}#${incarnation}`
}
