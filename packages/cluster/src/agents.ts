import { createAgents } from '@murmuration/agent'
import type { AgentComponents, Agents } from '@murmuration/agent'
import type { LogSink, Membership, Registers, Registry, Store } from '@murmuration/interface'
import type { JoiningMembership } from '@murmuration/membership'
import { createLocalRegistry, createRegistry } from '@murmuration/registry'
import type { ClaimingSides, Tenure } from '@murmuration/registry'
import type { Platform } from './platform.ts'
import type { Settings } from './settings.ts'
import { mayBranchOf } from './sides.ts'

export interface AgentParts extends Omit<AgentComponents, 'membership' | 'registry' | 'log'> {
  readonly membership: JoiningMembership
  /** What agents are placed by: the same, or the branch of this side of a split. */
  readonly placed: Membership
  readonly store: Store
  /** Undefined on a peer that is no member. */
  readonly registers: Registers | undefined
  /** What became of the state of an agent that this peer changed for its side of a split. */
  readonly stateOf?: ClaimingSides['stateOf']
  readonly sink: (component: string) => LogSink
  readonly openRegistry?: Platform['openRegistry'] | undefined
}

/** Each needs the other: agents leave the registry, and the registry begins and ends agents. */
export function openAgents(
  settings: Settings,
  parts: AgentParts
): { readonly agents: Agents; readonly registry: Registry } {
  const { sink, state, membership } = parts
  const { capacity, agentsMax } = settings
  const agents = createAgents(
    {
      ...parts,
      membership: parts.placed,
      // An edge peer owns nothing that it could move.
      ...(settings.role === 'member' ? { control: membership } : {}),
      log: sink('agent'),
      registry: { unregister: (id, options) => registry.unregister(id, options) }
    },
    {
      types: settings.agents,
      ...(capacity === undefined ? {} : { capacity }),
      ...(agentsMax === undefined ? {} : { activationsMax: agentsMax })
    }
  )
  const tenure: Tenure = {
    begin: (agent, options) => agents.begin(agent, options),
    end: async (id) => agents.end(id),
    running: (id) => agents.epochOf(id),
    held: (id) => state.holds(id),
    movingFrom: (agent) => state.movingFrom(agent)
  }
  const registry = openRegistry(settings, parts, { agents, tenure })
  return { agents, registry }
}

function openRegistry(
  settings: Settings,
  parts: AgentParts,
  { agents, tenure }: { readonly agents: Agents; readonly tenure: Tenure }
): Registry {
  const { rpc, membership, placed, partition, state, clock, registers, signals, sink } = parts
  const { openRegistry: open = createRegistry, stateOf, store } = parts
  const init = { recordOf: (id: string) => agents.recordOf(id) }
  if (!settings.distributed) {
    return createLocalRegistry({ peer: rpc.peer, tenure, store: store.sub('registry/') }, init)
  }
  const placement = (): ReturnType<typeof state.placement> => state.placement()
  const log = sink('registry')
  const control = settings.role === 'member' ? membership : undefined
  const sides =
    settings.role !== 'member' || partition === undefined
      ? undefined
      : {
          membership: placed,
          mayBranch: mayBranchOf(settings),
          partition,
          stateOf,
          store: store.sub('registry/sides/')
        }
  return open(
    { rpc, membership, placement, clock, registers, control, sides, signals, log, tenure },
    init
  )
}
