import { parseAgentId } from '@murmuration/identity'
import type { AgentRecord, Clock, LogSink, Partition, PartitionPolicy, Rpc } from '@murmuration/interface'
import type { JoiningMembership } from '@murmuration/membership'
import { createBranches, createPartition } from '@murmuration/partition'
import type { BranchingMembership } from '@murmuration/partition'
import type { OwnerLeases } from '@murmuration/state'
import { ownerLeases } from './owner-leases.ts'
import type { Settings } from './settings.ts'

interface SidesComponents {
  readonly membership: JoiningMembership
  readonly rpc: Rpc
  readonly clock: Clock
  readonly log: LogSink
}

/** What says whether this peer may act while the cluster is split. */
interface Sides {
  readonly partition: Partition
  readonly leases: OwnerLeases | undefined
  readonly branches: BranchingMembership | undefined
}

export function openSides(settings: Settings, components: SidesComponents): Sides {
  const { membership } = components
  const { agents, distributed, onPartition, role } = settings
  const partition = createPartition(
    components,
    onPartition === undefined ? {} : { policy: onPartition }
  )
  // Alone there is nobody who could take over, and an edge peer owns nothing.
  const mayBeReplaced = distributed && role === 'member'
  return {
    partition,
    leases: mayBeReplaced ? ownerLeases(membership, partition, agents) : undefined,
    branches: mayBranch(settings) ? createBranches({ ...components, partition }) : undefined
  }
}

/** Whether some agents go on on all sides of a split. */
function mayBranch({ role, distributed, onPartition, agents }: Settings): boolean {
  const policies = [onPartition, ...agents.map((type) => type.onPartition)]
  return role === 'member' && distributed && policies.some((policy) => isForAllSides(policy))
}

/** Which agents do, by the policy of their type. */
export function goesOnOf({ onPartition, agents }: Settings): (record: AgentRecord) => boolean {
  const going = new Set(
    agents
      .filter((type) => isForAllSides(type.onPartition ?? onPartition))
      .map(({ namespace, type }) => `${namespace}/${type}`)
  )
  return ({ id }) => {
    const { namespace, type } = parseAgentId(id)
    return going.has(`${namespace}/${type}`)
  }
}

function isForAllSides(policy: PartitionPolicy | undefined): boolean {
  return policy === 'continue-all' || policy === 'leader-election'
}
