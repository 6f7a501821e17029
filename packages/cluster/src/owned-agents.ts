import type { Agents } from '@murmuration/agent'
import type { AgentRecord, View } from '@murmuration/interface'
import { createPlacement, ownerWeightOf, slotOf } from '@murmuration/placement'

/** An agent of this peer that another one could have. */
export interface OwnedAgent {
  readonly id: string
  /** What a view moves it by: its shard key, or its id. */
  readonly key: string
  readonly slot: number
}

/** Tells views apart in which members own agents by other weights. */
export function fingerprintOf({ members }: View): number {
  const shares = members.map((member) => `${member.peer} ${ownerWeightOf(member)}`)
  return slotOf(shares.join('\n'), 1 << 20)
}

export interface OwnedAgents {
  /** Those that are here because hashing puts them here. */
  readonly hashed: readonly OwnedAgent[]
  /** Those that are here because a view moved them here. */
  readonly moved: readonly OwnedAgent[]
}

/** The agents with state of which this peer is the owner, and those that only run; not pinned ones. */
export function ownedAgents(
  view: View,
  peer: string,
  state: { records(): readonly AgentRecord[] },
  agents: Pick<Agents, 'running' | 'recordOf'>
): OwnedAgents {
  const placement = createPlacement(view)
  const moved = new Map(
    (view.moved ?? []).flatMap((group) => group.keys.map((key) => [key, group.peer] as const))
  )
  const records = new Map(state.records().map((record) => [record.id, record]))
  for (const { id } of agents.running()) {
    if (!records.has(id)) records.set(id, agents.recordOf(id))
  }
  const found = { hashed: [] as OwnedAgent[], moved: [] as OwnedAgent[] }
  for (const record of records.values()) {
    if (record.placement === 'pinned') continue
    const { id, shardKey: key = id } = record
    const agent = { id, key, slot: placement.slotOf(record) }
    const owner = moved.get(key)
    if (owner === peer) found.moved.push(agent)
    else if (owner === undefined && placement.ownerOfSlot(agent.slot)?.peer === peer) {
      found.hashed.push(agent)
    }
  }
  return found
}
