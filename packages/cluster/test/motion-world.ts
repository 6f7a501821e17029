import { setMaxListeners } from 'node:events'
import { UnavailableError } from '@murmuration/interface'
import type {
  AgentRecord,
  Member,
  PartitionStatus,
  Rpc,
  View,
  ViewProposal
} from '@murmuration/interface'
import { createPlacement } from '@murmuration/placement'
import { createSimulation } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import { ClusterMotion } from '../src/motion.ts'
import type { MotionParts, MotionSettings } from '../src/motion.ts'

/** What happened, in order. */
export type Happening =
  | { readonly type: 'asked' | 'copied'; readonly id: string; readonly to: string }
  | { readonly type: 'view'; readonly at: number; readonly view: View; readonly settled: number }

export interface WorldInit {
  readonly seed?: number
  readonly members: readonly Member[]
  readonly agents: number
  readonly settings?: Partial<MotionSettings>
  /** Milliseconds until what a view moves is on enough disks. @default 50 */
  readonly settleMs?: number
  /** @default 'whole' */
  readonly status?: PartitionStatus
  /** @default 1 */
  readonly settled?: number
}

/** The motions of some peers around one agreed view, which a majority would decide. */
export class MotionWorld {
  readonly simulation: Simulation
  readonly motions = new Map<string, ClusterMotion>()
  readonly happened: Happening[] = []
  readonly ids: readonly string[]
  mayMove: (id: string, to: string) => boolean = () => true
  canCopy = true
  status: PartitionStatus
  proposals = 0
  /** Messages to owners. */
  messages = 0
  view: View
  settled: number
  readonly #records: readonly AgentRecord[]
  readonly #watchers = new EventTarget()
  readonly #init: WorldInit

  constructor(init: WorldInit) {
    this.#init = init
    this.status = init.status ?? 'whole'
    this.settled = init.settled ?? 1
    this.simulation = createSimulation({ seed: init.seed ?? 1 })
    // All members listen.
    setMaxListeners(0, this.#watchers)
    this.ids = Array.from({ length: init.agents }, (_, at) => `default/light/${at}`)
    this.#records = this.ids.map((id) => ({ id, placement: 'hash', replicas: 3 }))
    this.view = {
      cluster: 'test',
      number: 1,
      members: init.members,
      tieBreaker: 'a',
      placement: { hash: 'sha256-hrw-1', slots: 16_384, zoneLabel: 'zone' }
    }
    for (const { peer } of init.members) this.#make(peer)
    for (const motion of this.motions.values()) motion.start()
  }

  /** Decides a view with one more member. */
  join(peer: string): void {
    const joined = member(peer, { ownerWeight: 0 })
    this.decide((view) => ({ ...view, members: [...view.members, joined] }))
    this.#make(peer).start()
  }

  #make(peer: string): ClusterMotion {
    const { clock, random, rpc } = this.simulation.node(peer)
    const { settings } = this.#init
    const motion = new ClusterMotion(
      { rpc: this.#counted(rpc), clock, random, log: () => {}, ...this.#partsOf(peer) },
      { perView: 8, pauseMs: 100, patienceMs: 2_000, startMs: 0, hold: false, ...settings }
    )
    this.motions.set(peer, motion)
    return motion
  }

  of(peer: string): ClusterMotion {
    const motion = this.motions.get(peer)
    if (motion === undefined) throw new Error(`${peer} does not run`)
    return motion
  }

  views(): Extract<Happening, { type: 'view' }>[] {
    return this.happened.filter((one) => one.type === 'view')
  }

  ownerOf(id: string, view: View = this.view): string | undefined {
    return createPlacement(view).ownerOf({ id, placement: 'hash', replicas: 3 })?.peer
  }

  owned(peer: string, view: View = this.view): string[] {
    return this.ids.filter((id) => this.ownerOf(id, view) === peer)
  }

  share(peer: string): number | undefined {
    return this.view.members.find((one) => one.peer === peer)?.ownerWeight
  }

  /** Decides a view. */
  decide(change: (view: View) => View): void {
    const number = this.view.number + 1
    this.view = { ...change(this.view), number }
    const { now } = this.simulation
    this.happened.push({ type: 'view', at: now, view: this.view, settled: this.settled })
    this.#watchers.dispatchEvent(new Event('view'))
    this.simulation.after(this.#init.settleMs ?? 50, () => {
      this.settled = Math.max(this.settled, number)
    })
  }

  async untilStill(peer: string, withinMs = 60_000): Promise<void> {
    const isStill = (): boolean => this.share(peer) === undefined
    if (!(await this.simulation.until(isStill, withinMs))) {
      throw new Error(`${peer} stays on its way: ${JSON.stringify(this.of(peer).progress)}`)
    }
  }

  #counted(rpc: Rpc): Rpc {
    const call: Rpc['call'] = (...args) => {
      this.messages++
      return rpc.call(...args)
    }
    return new Proxy(rpc, {
      get: (target, key): unknown => {
        if (key === 'call') return call
        const value: unknown = Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      }
    })
  }

  #partsOf(peer: string): Pick<MotionParts, 'membership' | 'partition' | 'state' | 'agents'> {
    // oxlint-disable-next-line typescript/no-this-alias -- getters below have a `this` of their own.
    const world = this
    const membership = {
      get view() {
        return world.view
      },
      get settled() {
        return world.settled
      },
      propose: (proposal: ViewProposal) => world.#propose(proposal),
      addEventListener: (_type: string, listener: () => void) =>
        world.#watchers.addEventListener('view', listener),
      removeEventListener: (_type: string, listener: () => void) =>
        world.#watchers.removeEventListener('view', listener)
    }
    const partition = {
      get status() {
        return world.status
      }
    }
    const state = {
      records: () => world.#records,
      prepare: async (to: string, _owner: string, ids: readonly string[]) => {
        if (world.canCopy) for (const id of ids) world.happened.push({ type: 'copied', id, to })
        return world.canCopy
      }
    }
    const agents = {
      running: () => [],
      mayMove: (id: string, to: string) => {
        if (world.ownerOf(id) !== peer) throw new Error(`${peer} is not the owner of ${id}`)
        world.happened.push({ type: 'asked', id, to })
        return world.mayMove(id, to)
      }
    }
    // Of the rest nothing is used.
    return { membership, partition, state, agents } as unknown as MotionParts
  }

  async #propose({ share = [], move = [], among = [] }: ViewProposal): Promise<View> {
    this.proposals++
    await new Promise<void>((resolve) => void this.simulation.after(5, resolve))
    const isSame = this.view.members.every((one) => {
      const wanted = among.find(({ peer }) => peer === one.peer)?.ownerWeight
      return wanted === (one.ownerWeight ?? 1000 * one.weight)
    })
    if (!isSame) throw new UnavailableError('another view came first')
    this.decide((view) => ({ ...view, ...membersOf(view, share), ...movedOf(view, move) }))
    return this.view
  }
}

export function member(peer: string, more: Partial<Member> = {}): Member {
  return { peer, incarnation: '1', addresses: [], labels: {}, weight: 100, since: 1, ...more }
}

function membersOf(view: View, share: NonNullable<ViewProposal['share']>): Pick<View, 'members'> {
  const members = view.members.map((one) => {
    const { ownerWeight: before, ...record } = one
    const ownerWeight = share.find(({ peer }) => peer === one.peer)?.ownerWeight ?? before
    const isWhole = ownerWeight === undefined || ownerWeight === 1000 * one.weight
    return isWhole ? record : { ...record, ownerWeight }
  })
  return { members }
}

function movedOf(view: View, move: NonNullable<ViewProposal['move']>): Pick<View, 'moved'> {
  const moved = new Map(
    (view.moved ?? []).flatMap(({ peer, keys }) => keys.map((key) => [key, peer]))
  )
  for (const { peer, keys } of move) {
    for (const key of keys) {
      if (peer === '') moved.delete(key)
      else moved.set(key, peer)
    }
  }
  const groups = Map.groupBy(moved, ([, peer]) => peer)
  return {
    moved: [...groups].map(([peer, pairs]) => ({ peer, keys: pairs.map(([key]) => key) }))
  }
}
