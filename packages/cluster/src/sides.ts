import type { AgentType } from '@murmuration/agent'
import { parseAgentId } from '@murmuration/identity'
import type {
  AgentRecord,
  Clock,
  LogSink,
  Partition,
  PartitionPolicy,
  Rpc
} from '@murmuration/interface'
import type { JoiningMembership } from '@murmuration/membership'
import { createBranches, createPartition } from '@murmuration/partition'
import type { BranchingMembership } from '@murmuration/partition'
import type { Clearance, Seat } from '@murmuration/registry'
import type { OwnerLeases } from '@murmuration/state'
import { ownerLeases, seatLeases } from './owner-leases.ts'
import type { Settings } from './settings.ts'

interface SidesComponents {
  readonly membership: JoiningMembership
  readonly rpc: Rpc
  readonly clock: Clock
  readonly log: LogSink
  /** Of an edge peer that owns agents. */
  readonly seat: Seat | undefined
  /** Of a member whose agents may be pinned to it. */
  readonly clearance: Clearance | undefined
}

/** What says whether this peer may act while the cluster is split. */
interface Sides {
  readonly partition: Partition
  readonly leases: OwnerLeases | undefined
  readonly branches: BranchingMembership | undefined
}

export function openSides(settings: Settings, components: SidesComponents): Sides {
  const { clearance, membership, seat } = components
  const { agents, distributed, onPartition, role } = settings
  const partition = createPartition(
    components,
    onPartition === undefined ? {} : { policy: onPartition }
  )
  // Alone there is nobody who could take over.
  const mayBeReplaced = distributed && role === 'member'
  return {
    partition,
    leases: mayBeReplaced
      ? ownerLeases(membership, partition, agents, clearance)
      : seatLeases(seat, goesOnOf(settings)),
    branches: mayBranch(settings)
      ? createBranches({ ...components, partition }, { stewarded: stewardedOf(settings) })
      : undefined
  }
}

/** Whether some agents go on on all sides of a split. */
function mayBranch({ role, distributed, onPartition, agents }: Settings): boolean {
  const policies = [onPartition, ...agents.map((type) => type.onPartition)]
  return role === 'member' && distributed && policies.some((policy) => isForAllSides(policy))
}

/** Which agents do, by the policy of their type. */
export function goesOnOf({
  onPartition,
  agents
}: Settings): (record: Pick<AgentRecord, 'id'>) => boolean {
  return isOneOf(agents.filter((type) => isForAllSides(type.onPartition ?? onPartition)))
}

/** Which agents may be claimed for one side: what is agreed of them must not have two owners. */
export function mayBranchOf({ onPartition, agents }: Settings): (record: AgentRecord) => boolean {
  return isOneOf(
    agents.filter((type) => {
      const isAgreed = Object.keys(type.strong).length > 0
      return isForAllSides(type.onPartition ?? onPartition) && !isAgreed
    })
  )
}

function isOneOf(types: readonly AgentType[]): (record: Pick<AgentRecord, 'id'>) => boolean {
  const names = new Set(types.map(({ namespace, type }) => `${namespace}/${type}`))
  return ({ id }) => {
    const { namespace, type } = parseAgentId(id)
    return names.has(`${namespace}/${type}`)
  }
}

/** Types of which one steward runs all agents of a side that goes on by itself. */
function stewardedOf({ onPartition, agents }: Settings): string[] {
  return agents
    .filter((type) => (type.onPartition ?? onPartition) === 'leader-election')
    .map(({ namespace, type }) => `${namespace}/${type}`)
}

function isForAllSides(policy: PartitionPolicy | undefined): boolean {
  return policy === 'continue-all' || policy === 'leader-election'
}
