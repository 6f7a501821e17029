import type { AgentRecord, Member, View } from '@murmuration/interface'
import { isInMotion, ownerWeightOf } from './owners.ts'
import { createPlacement } from './placement.ts'

/** What changes for one agent. */
export interface AgentMove {
  readonly id: string
  /** Peer that ran it; undefined if there was none. */
  readonly from: string | undefined
  /** Peer that will run it; equal to `from` if only copies move. */
  readonly to: string | undefined
  /** Peers that will keep a copy and did not before. */
  readonly copiesTo: readonly string[]
  /** Peers that kept a copy and will not any more. */
  readonly copiesFrom: readonly string[]
}

/** How many of something move. */
export interface MoveCount {
  readonly total: number
  readonly moved: number
  /** Moves between members that neither joined, left nor changed a weight or zone. */
  readonly needless: number
}

/** What a change of the view moves. Made by {@link planRebalance}. */
export interface RebalancePlan {
  /** Only agents for which something changes. */
  readonly moves: readonly AgentMove[]
  /** Agents, by who runs them. */
  readonly owners: MoveCount
  /** Copies of agents, by who keeps them; those that were lost with a member count as moved. */
  readonly replicas: MoveCount
  /** The least share, 0 to 1, that any placement by weight has to move for this change. */
  readonly idealShare: number
}

/**
 * Says which agents and copies change their place when `to` follows `from`. Changes nothing.
 * Takes as much memory as there are moves.
 */
export function planRebalance(from: View, to: View, agents: Iterable<AgentRecord>): RebalancePlan {
  const before = createPlacement(from)
  const after = createPlacement(to)
  const changed = changedPeers(from, to)
  const isMoving = [from, to].some((view) => view.moved !== undefined || isInMotion(view))
  const moves: AgentMove[] = []
  const owners = { total: 0, moved: 0, needless: 0 }
  const replicas = { total: 0, moved: 0, needless: 0 }
  for (const agent of agents) {
    const oldHome = before.homeOf(agent).map(peerOf)
    // A key is hashed once, unless the number of slots differs.
    const newHome = (
      from.placement.slots === to.placement.slots
        ? after.homeOfSlot(before.slotOf(agent), agent.replicas)
        : after.homeOf(agent)
    ).map(peerOf)
    const isHashed = agent.placement !== 'pinned' && !isMoving
    const oldOwner = isHashed ? oldHome[0] : before.ownerOf(agent)?.peer
    const newOwner = isHashed ? newHome[0] : after.ownerOf(agent)?.peer
    const copiesTo = newHome.filter((peer) => !oldHome.includes(peer))
    const copiesFrom = oldHome.filter((peer) => !newHome.includes(peer))
    owners.total += 1
    replicas.total += newHome.length
    replicas.moved += copiesTo.length
    replicas.needless += needlessCopies(copiesTo, copiesFrom, changed)
    if (oldOwner !== newOwner) {
      owners.moved += 1
      owners.needless += isUnchanged(oldOwner, changed) && isUnchanged(newOwner, changed) ? 1 : 0
    }
    if (oldOwner !== newOwner || copiesTo.length > 0 || copiesFrom.length > 0) {
      moves.push({ id: agent.id, from: oldOwner, to: newOwner, copiesTo, copiesFrom })
    }
  }
  return { moves, owners, replicas, idealShare: idealShare(from, to) }
}

function peerOf(member: Member): string {
  return member.peer
}

function isUnchanged(peer: string | undefined, changed: ReadonlySet<string>): boolean {
  return peer !== undefined && !changed.has(peer)
}

/**
 * Copies that went from an unchanged member to another one. Members that join only push others out
 * of a home, and members that leave only let others in; so where unchanged members did both, some
 * of it was for nothing. (Spreading over zones can need such moves.)
 */
function needlessCopies(
  copiesTo: readonly string[],
  copiesFrom: readonly string[],
  changed: ReadonlySet<string>
): number {
  const arrivals = copiesTo.filter((peer) => !changed.has(peer)).length
  const departures = copiesFrom.filter((peer) => !changed.has(peer)).length
  return Math.min(arrivals, departures)
}

/** Peers that are in one view only, or whose weight, owner weight or zone differs. */
function changedPeers(from: View, to: View): ReadonlySet<string> {
  const before = traitsOf(from)
  const after = traitsOf(to)
  const peers = new Set([...before.keys(), ...after.keys()])
  return new Set([...peers].filter((peer) => before.get(peer) !== after.get(peer)))
}

/** Of each peer, what decides its rank and its place in a home. */
function traitsOf({ members, placement }: View): ReadonlyMap<string, string> {
  const { zoneLabel } = placement
  return new Map(
    members.map((member) => {
      const { peer, weight, labels } = member
      return [peer, `${weight} ${ownerWeightOf(member)} ${labels[zoneLabel]}`]
    })
  )
}

/** What the shares of all members that lose have to give away. */
function idealShare(from: View, to: View): number {
  if (from.members.length === 0 || to.members.length === 0) {
    return from.members.length === to.members.length ? 0 : 1
  }
  const after = sharesOf(to)
  let given = 0
  for (const [peer, share] of sharesOf(from)) {
    given += Math.max(0, share - (after.get(peer) ?? 0))
  }
  return given
}

function sharesOf({ members }: View): ReadonlyMap<string, number> {
  const sum = members.reduce((total, member) => total + ownerWeightOf(member), 0)
  return new Map(members.map((member) => [member.peer, ownerWeightOf(member) / sum]))
}
