import { InvalidParametersError } from '@murmuration/interface'
import type { AgentRecord, Member, View } from '@murmuration/interface'
import { membersMax, replicasMax, slotCacheMax, weightMax, weightMin } from '../defaults.ts'
import { isInMotion, OwnerRanking } from './owners.ts'
import { Ranking } from './ranking.ts'
import { checkSlots, hashToSlot } from './slot.ts'

/** Where the agents of one view are. Made by {@link createPlacement}. */
export interface Placement {
  readonly view: View
  /** The slot of the agent's `shardKey`, or of its id if it has none. */
  slotOf(agent: AgentRecord): number
  /**
   * The members that keep the agent's state: min(replicas, members) different ones, on different
   * zones where possible. The first is the first in rank; the first R of a larger home are the home
   * for R. Empty if the view has no members. Throws `InvalidParametersError` on bad `replicas`.
   */
  homeOf(agent: AgentRecord): readonly Member[]
  /** {@link ownerOf} of the agents of a slot that are neither pinned nor moved. */
  ownerOfSlot(slot: number): Member | undefined
  /** {@link homeOf} of all agents of a slot. */
  homeOfSlot(slot: number, replicas: number): readonly Member[]
  /**
   * The member that runs the agent: for `pinned` agents the one whose PeerId is the key part of the
   * id, and undefined if it is not in the view; in a branch, for agents of the types that its steward
   * takes, the steward; for others the one to which the view has moved it, else the first in rank by
   * the weights by which members own agents: the first of its home, unless a member is on its way to
   * its weight.
   */
  ownerOf(agent: AgentRecord): Member | undefined
}

/**
 * The PeerId that the id of a pinned agent names, whether or not it is in a view: an edge peer owns
 * what is pinned to it, and is in none. Undefined for agents that are not pinned.
 */
export function pinnedPeer(agent: AgentRecord): string | undefined {
  return agent.placement === 'pinned' ? keyOf(agent.id) : undefined
}

/**
 * Who runs an agent: its owner by the view, or else the peer outside the view that it is pinned to,
 * whether or not there is one now. Undefined where there is no view, or nobody in it.
 */
export function serverOf(placement: Placement | undefined, agent: AgentRecord): string | undefined {
  return placement === undefined ? undefined : (placement.ownerOf(agent)?.peer ?? pinnedPeer(agent))
}

/** Dropped together with its view. */
const placements = new WeakMap<View, Placement>()

/**
 * The placement of a view; the same one for the same object. Slots are ranked when they are first
 * asked for. Throws `InvalidParametersError` on a view that cannot be placed: an unknown hash
 * function, a bad number of slots, a peer twice, a weight out of 1 to 1000.
 */
export function createPlacement(view: View): Placement {
  const known = placements.get(view)
  if (known !== undefined) {
    return known
  }
  checkView(view)
  const placement = new Table(view)
  placements.set(view, placement)
  return placement
}

class Table implements Placement {
  readonly view: View
  readonly #slots: number
  readonly #ranking: Ranking
  readonly #owners: OwnerRanking | undefined
  readonly #byPeer: ReadonlyMap<string, Member>
  /** Who runs the agents that are not where hashing puts them, by shard key or id. */
  readonly #moved: ReadonlyMap<string, Member>
  /** Who runs all agents of some types, and of which; undefined in an agreed view. */
  readonly #steward: Steward | undefined
  /** The first members of each slot, as indices; valid where {@link #ranked} is 1. */
  readonly #orders: Uint16Array
  readonly #ranked: Uint8Array
  /** Homes that were asked for, by replicas and slot. */
  readonly #homes: (readonly Member[] | undefined)[][] = []
  /** Slots of keys in two generations: when the young one is full it becomes the old one. */
  #young = new Map<string, number>()
  #old = new Map<string, number>()

  constructor(view: View) {
    this.view = view
    this.#slots = view.placement.slots
    this.#ranking = new Ranking(view.members, view.placement.zoneLabel)
    this.#owners = isInMotion(view) ? new OwnerRanking(view.members, this.#slots) : undefined
    this.#byPeer = new Map(view.members.map((member) => [member.peer, member]))
    this.#moved = movedOf(view, this.#byPeer)
    this.#steward = stewardOf(view, this.#byPeer)
    this.#orders = new Uint16Array(this.#slots * this.#ranking.width)
    this.#ranked = new Uint8Array(this.#slots)
  }

  slotOf(agent: AgentRecord): number {
    const key = agent.shardKey ?? agent.id
    const young = this.#young.get(key)
    if (young !== undefined) {
      return young
    }
    const slot = this.#old.get(key) ?? hashToSlot(key, this.#slots)
    if (this.#young.size >= slotCacheMax / 2) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, slot)
    return slot
  }

  homeOf(agent: AgentRecord): readonly Member[] {
    return this.homeOfSlot(this.slotOf(agent), agent.replicas)
  }

  homeOfSlot(slot: number, replicas: number): readonly Member[] {
    return this.#homes[replicas]?.[slot] ?? this.#makeHome(slot, replicas)
  }

  ownerOf(agent: AgentRecord): Member | undefined {
    const pinned = pinnedPeer(agent)
    if (pinned !== undefined) {
      return this.#byPeer.get(pinned)
    }
    if (this.#steward?.types.has(typeOf(agent.id)) === true) {
      return this.#steward.member
    }
    // Most views move nothing.
    const moved = this.#moved.size === 0 ? undefined : this.#moved.get(agent.shardKey ?? agent.id)
    return moved ?? this.ownerOfSlot(this.slotOf(agent))
  }

  ownerOfSlot(slot: number): Member | undefined {
    return this.#owners?.firstOf(slot) ?? this.homeOfSlot(slot, 1)[0]
  }

  #makeHome(slot: number, replicas: number): readonly Member[] {
    if (!Number.isInteger(slot) || slot < 0 || slot >= this.#slots) {
      throw new InvalidParametersError(`there is no slot ${slot}, only ${this.#slots}`)
    }
    if (!Number.isInteger(replicas) || replicas < 1 || replicas > replicasMax) {
      throw new InvalidParametersError(`replicas must be a whole number of 1 to ${replicasMax}`)
    }
    const { width } = this.#ranking
    const order = this.#orders.subarray(slot * width, (slot + 1) * width)
    if (this.#ranked[slot] === 0) {
      this.#ranking.rank(slot, order)
      this.#ranked[slot] = 1
    }
    const home: Member[] = []
    for (const index of order.subarray(0, replicas)) {
      const member = this.view.members[index]
      if (member !== undefined) {
        home.push(member)
      }
    }
    const homes = (this.#homes[replicas] ??= [])
    homes[slot] = Object.freeze(home)
    return home
  }
}

function movedOf(view: View, byPeer: ReadonlyMap<string, Member>): ReadonlyMap<string, Member> {
  const moved = new Map<string, Member>()
  for (const { peer, keys } of view.moved ?? []) {
    const member = byPeer.get(peer)
    if (member !== undefined) {
      for (const key of keys) {
        moved.set(key, member)
      }
    }
  }
  return moved
}

interface Steward {
  readonly member: Member
  readonly types: ReadonlySet<string>
}

function stewardOf({ branch }: View, byPeer: ReadonlyMap<string, Member>): Steward | undefined {
  const member = branch === undefined ? undefined : byPeer.get(branch.steward)
  const types = new Set(branch?.stewarded)
  return member === undefined || types.size === 0 ? undefined : { member, types }
}

/** Namespace and type of an agent's id. */
function typeOf(id: string): string {
  return id.slice(0, id.indexOf('/', id.indexOf('/') + 1))
}

/** The part of an agent's id after namespace and type. */
function keyOf(id: string): string {
  const type = id.indexOf('/') + 1
  const key = type === 0 ? 0 : id.indexOf('/', type) + 1
  if (key === 0) {
    throw new InvalidParametersError('the id of an agent must be namespace/type/key')
  }
  return id.slice(key)
}

function checkView({ members, placement }: View): void {
  if (placement.hash !== 'sha256-hrw-1') {
    throw new InvalidParametersError('the hash function of the view is not known here')
  }
  checkSlots(placement.slots)
  if (members.length > membersMax) {
    throw new InvalidParametersError(`a view can have ${membersMax} members at most`)
  }
  const peers = new Set<string>()
  for (const { peer, weight, ownerWeight = 0 } of members) {
    if (peers.has(peer)) {
      throw new InvalidParametersError(`the peer ${peer} is in the view twice`)
    }
    peers.add(peer)
    if (!(weight >= weightMin && weight <= weightMax)) {
      throw new InvalidParametersError(
        `the weight of ${peer} must be a number of ${weightMin} to ${weightMax}`
      )
    }
    if (!(ownerWeight >= 0 && ownerWeight <= 1000 * weightMax)) {
      throw new InvalidParametersError(
        `the ownerWeight of ${peer} must be a number of 0 to ${1000 * weightMax}`
      )
    }
  }
}
