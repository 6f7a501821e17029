import type { Agents, PeerLoad } from '@murmuration/agent'
import { InvalidParametersError } from '@murmuration/interface'
import type {
  AgentRecord,
  Clock,
  Member,
  Random,
  Rpc,
  View,
  ViewControl
} from '@murmuration/interface'
import { arrived, planRebalance } from '@murmuration/placement'
import type { Placement, RebalancePlan } from '@murmuration/placement'
import type { State } from '@murmuration/state'
import { defaults } from './defaults.ts'
import type { ClusterPlacement, Motion, MoveOptions, MoveReport, PlanOptions } from './index.ts'
import { stillness } from './motion.ts'
import { AskReply, AskRequest } from './motion-messages.ts'

export interface PlacingParts {
  readonly agents: Agents
  readonly membership: { readonly view: View | undefined } & Pick<ViewControl, 'propose'>
  readonly state: {
    records(): readonly AgentRecord[]
    placement(): Placement | undefined
    prepare: State['prepare']
  }
  /** Undefined where no agents come or go by themselves. */
  readonly motion: Motion | undefined
  readonly rpc: Rpc
  readonly clock: Clock
  readonly random: Random
}

/** A move that was asked for. */
interface Wanted {
  readonly id: string
  readonly peer: string
}

/** Where agents belong, and how they are moved. */
export class Placing implements ClusterPlacement {
  readonly #parts: PlacingParts
  readonly motion: Motion

  constructor(parts: PlacingParts) {
    this.#parts = parts
    this.motion = parts.motion ?? stillness
  }

  homeOf(agent: string | AgentRecord): readonly string[] {
    const home = this.#placement?.homeOf(this.#recordOf(agent)) ?? []
    return home.map(({ peer }) => peer)
  }

  ownerOf(agent: string | AgentRecord): string | undefined {
    return this.#placement?.ownerOf(this.#recordOf(agent))?.peer
  }

  selectPeerForAgent(id: string): Promise<PeerLoad> {
    return this.#parts.agents.selectPeerForAgent(id)
  }

  plan({ leave = [], join = [], agents }: PlanOptions = {}): RebalancePlan {
    const view = this.#view()
    const stay = view.members.filter(({ peer }) => !leave.includes(peer))
    const joined = join.map(({ weight = 100, labels = {} }, at): Member => {
      const since = view.number + 1
      return { peer: `joins-${at + 1}`, incarnation: '', addresses: [], labels, weight, since }
    })
    const records = agents?.map((agent) => this.#recordOf(agent)) ?? this.#parts.state.records()
    const number = view.number + 1
    if (leave.length === 0 && join.length === 0) {
      // Without a change of members: what it takes to have everything where hashing puts it.
      const { moved: _, ...rest } = view
      return planRebalance(view, { ...rest, number }, records)
    }
    const members = [...stay, ...joined]
      // Where it ends, and not on the way.
      .map(arrived)
      .toSorted((a, b) => (a.peer < b.peer ? -1 : 1))
    return planRebalance(view, { ...view, number, members }, records)
  }

  async move(
    agents: string | readonly string[],
    peer: string,
    options: MoveOptions = {}
  ): Promise<MoveReport> {
    const ids = typeof agents === 'string' ? [agents] : agents
    const view = this.#view()
    if (view.members.every((member) => member.peer !== peer)) {
      throw new InvalidParametersError(`${peer} is no member of view ${view.number}`)
    }
    return this.#moveAll(
      ids.map((id) => ({ id, peer })),
      options
    )
  }

  async rebalance(options: MoveOptions = {}): Promise<MoveReport> {
    const away = this.plan().moves.filter(({ from, to }) => from !== to)
    return this.#moveAll(
      away.flatMap(({ id, to }) => (to === undefined ? [] : [{ id, peer: to }])),
      options
    )
  }

  /** In batches, one view each, with a pause in between that no two peers take in step. */
  async #moveAll(wanted: readonly Wanted[], options: MoveOptions): Promise<MoveReport> {
    const { signal, perView = defaults.movesPerView, pauseMs = defaults.movePauseMs } = options
    const moved: string[] = []
    const refused: { id: string; reason: string }[] = []
    for (let at = 0; at < wanted.length; at += perView) {
      if (at > 0) await this.#pause(pauseMs, signal)
      const batch = wanted.slice(at, at + perView)
      if (signal?.aborted === true) {
        refused.push(...batch.map(({ id }) => ({ id, reason: 'the moves were cancelled' })))
        continue
      }
      // oxlint-disable-next-line no-await-in-loop -- a view moves one batch.
      const allowed = await this.#allowed(batch, refused)
      const copied = await this.#copy(allowed, refused, signal)
      if (copied.length === 0) continue
      const { timeoutMs = defaults.moveTimeoutMs } = options
      await this.#parts.membership.propose(
        { move: this.#movesOf(copied) },
        { timeoutMs, ...(signal === undefined ? {} : { signal }) }
      )
      for (const { id, peer } of copied) {
        if (this.ownerOf(id) === peer) moved.push(id)
        else refused.push({ id, reason: `${peer} left before the agent arrived` })
      }
    }
    return { moved, refused }
  }

  /** Make before break: who will run them has copies first. Gives those that may be moved now. */
  async #copy(
    wanted: readonly Wanted[],
    refused: { id: string; reason: string }[],
    signal: AbortSignal | undefined
  ): Promise<readonly Wanted[]> {
    const groups = Map.groupBy(wanted, ({ id, peer }) => `${this.ownerOf(id) ?? ''} ${peer}`)
    const copied = await Promise.all(
      [...groups.values()].map(async (group) => {
        const { id, peer } = group[0] ?? { id: '', peer: '' }
        const owner = this.ownerOf(id)
        if (owner === undefined || owner === peer) return group
        const ids = group.map((one) => one.id)
        try {
          await this.#parts.state.prepare(peer, owner, ids, signal === undefined ? {} : { signal })
          return group
        } catch (error) {
          const reason =
            signal?.aborted === true
              ? 'the moves were cancelled'
              : `${peer} does not answer: ${String(error)}`
          refused.push(...ids.map((one) => ({ id: one, reason })))
          return []
        }
      })
    )
    return copied.flat()
  }

  /** Where hashing agrees, nothing has to be written down. */
  #movesOf(wanted: readonly Wanted[]): { peer: string; keys: string[] }[] {
    const moves = new Map<string, string[]>()
    for (const { id, peer } of wanted) {
      const record = this.#recordOf(id)
      const target = this.#hashedOwner(record) === peer ? '' : peer
      const keys = moves.get(target) ?? []
      moves.set(target, keys)
      keys.push(record.shardKey ?? id)
    }
    return [...moves].map(([peer, keys]) => ({ peer, keys }))
  }

  /** Those that may move now, by the word of their types where they run. */
  async #allowed(
    wanted: readonly Wanted[],
    refused: { id: string; reason: string }[]
  ): Promise<readonly Wanted[]> {
    const isPinned = ({ id }: Wanted): boolean => this.#recordOf(id).placement === 'pinned'
    const reasons = new Map<string, string>()
    for (const one of wanted) if (isPinned(one)) reasons.set(one.id, 'it is pinned')
    const rest = wanted.filter(({ id }) => !reasons.has(id))
    const groups = Map.groupBy(rest, ({ id, peer }) => `${this.ownerOf(id) ?? ''} ${peer}`)
    await Promise.all(
      [...groups.values()].map(async (group) => {
        for (const id of await this.#refusedBy(group)) reasons.set(id, 'its type refuses the move')
      })
    )
    refused.push(...[...reasons].map(([id, reason]) => ({ id, reason })))
    return wanted.filter(({ id }) => !reasons.has(id))
  }

  /** Those of one owner that may not go to one peer. */
  async #refusedBy(group: readonly Wanted[]): Promise<readonly string[]> {
    const { agents, rpc } = this.#parts
    const { id: first = '', peer = '' } = group[0] ?? {}
    const owner = this.ownerOf(first)
    const ids = group.map(({ id }) => id)
    if (owner !== undefined && owner !== rpc.peer) {
      try {
        const request = AskRequest.encode({ peer, ids })
        const timeoutMs = defaults.moveAskMs
        return AskReply.decode(await rpc.call(owner, 'placement.ask', request, { timeoutMs }))
          .refused
      } catch {
        // A silent owner must not keep its agents; what their type says here counts.
      }
    }
    return ids.filter((id) => !agents.mayMove(id, peer))
  }

  /** Who would own it if no view had moved it. */
  #hashedOwner(record: AgentRecord): string | undefined {
    const placement = this.#placement
    return placement?.ownerOfSlot(placement.slotOf(record))?.peer
  }

  async #pause(pauseMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock, random } = this.#parts
    const delayMs = pauseMs * (0.5 + random.next())
    await new Promise<void>((resolve) => {
      const cancel = clock.schedule(delayMs, resolve)
      signal?.addEventListener(
        'abort',
        () => {
          cancel()
          resolve()
        },
        { once: true }
      )
    })
  }

  get #placement(): Placement | undefined {
    return this.#parts.state.placement()
  }

  #view(): View {
    const { view } = this.#parts.membership
    if (view === undefined) throw new InvalidParametersError('this peer has no view yet')
    return view
  }

  #recordOf(agent: string | AgentRecord): AgentRecord {
    return typeof agent === 'string' ? this.#parts.agents.recordOf(agent) : agent
  }
}
