/**
 * Defining agents and running them: typed actions over replicated state, and references that work
 * the same way wherever the agent runs.
 *
 * @packageDocumentation
 */
import type {
  CallGuard,
  Clock,
  Epoch,
  LogSink,
  Membership,
  Partition,
  PeerLease,
  Random,
  Registry,
  Rpc,
  Service,
  Signals,
  ViewControl
} from '@murmuration/interface'
import type { AbortOptions, Metrics } from '@libp2p/interface'
import type { AgentRecord } from '@murmuration/interface'
import type { State } from '@murmuration/state'
import { ClusterAgents } from './agents.ts'
import type { MachineLoad, PeerLoad } from './core/load.ts'
import type { AgentType } from './define.ts'
import type { AgentRef } from './reference.ts'

export { defineAction, defineAgent } from './define.ts'
export type {
  ActionContext,
  ActionDefinition,
  AgentDefinition,
  AgentType,
  AnyAction,
  HandlerContext,
  Migration,
  NoFields,
  SignalReaction,
  StrongFields
} from './define.ts'
export type { AgentRef, ReadOptions, UpdateResult, WorkCallOptions } from './reference.ts'
export type { StrongValue } from './strong-fields.ts'
export type { MissedTicks, ScheduleDefinition } from './schedules.ts'
export { Session } from './core/session.ts'
export { SessionToken } from './core/session-token.ts'
export { jsonSchemaOf } from './tool.ts'
export type { Tool } from './tool.ts'
export { defaults } from './defaults.ts'
export { selectPeerForAgent } from './core/load.ts'
export type { AgentNeeds, MachineLoad, PeerLoad } from './core/load.ts'
export type { SupervisionLimits } from './core/supervision.ts'

/** What {@link createAgents} needs from the node. */
export interface AgentComponents {
  readonly rpc: Rpc
  readonly membership: Membership
  readonly state: State
  readonly clock: Clock
  readonly random: Random
  readonly registry?: Pick<Registry, 'unregister'> | undefined
  /** Moves agents that have no room here, or are placed by load. Without it they stay. */
  readonly control?: Pick<ViewControl, 'propose'> | undefined
  /** How busy this machine is. @default idle */
  readonly machine?: (() => MachineLoad) | undefined
  readonly signals?: Signals | undefined
  readonly partition?: Partition | undefined
  /**
   * What this peer must hold before an agent runs a handler, changes its state or emits. A lapsed
   * lease holds calls. @default none: nobody could take over
   */
  readonly leaseOf?: ((id: string) => PeerLease) | undefined
  /** Circuit breakers and bulkheads of calls to other peers. @default none */
  readonly guard?: CallGuard | undefined
  readonly metrics?: Metrics | undefined
  readonly log?: LogSink | undefined
}

/** Options of {@link createAgents}. */
export interface AgentsInit {
  /** The agent types this peer can run; equal on all members. */
  readonly types: readonly AgentType[]
  /** Requests waiting for one agent. @default 1024 */
  readonly mailboxMax?: number
  /** Agents running on this peer. @default 100000 */
  readonly activationsMax?: number
  /** Milliseconds without a request after which an agent leaves memory. @default 600000 */
  readonly idleMs?: number
  /** Milliseconds a handler may run before the log says so. @default 10000 */
  readonly handlerWarnMs?: number
  /** What this peer has of the resources that agent types declare, such as `{ gpu: 2 }`. @default {} */
  readonly capacity?: Readonly<Record<string, number>>
}

/** An agent that runs on this peer. */
export interface RunningAgent {
  readonly id: string
  readonly epoch: Epoch
  /** Requests it has handled since it was started here. */
  readonly calls: number
  /** Requests that wait or run. */
  readonly waiting: number
  /** Milliseconds for which its present handler has run; 0 when none does. */
  readonly busyMs: number
  /** The last unexpected error of its handlers since it was started here. */
  readonly lastFailure: string | undefined
}

/** One schedule of an agent that this peer owns. */
export interface ScheduledTick {
  readonly id: string
  /** Name of the schedule. */
  readonly name: string
  /** When it is due next, in milliseconds since 1970; 0 while that is not known yet. */
  readonly at: number
}

/** Runs agents on this peer and gives references to agents anywhere. */
export interface Agents extends Service {
  /** A reference; nothing is sent. @throws InvalidParametersError for a key that is none */
  agent<T extends AgentType>(type: T, key: string): AgentRef<T>
  /** The same by id. @throws UnknownAgentError when the type is none of this peer's */
  get(id: string): AgentRef<AgentType>
  /** The agents that run here, hung ones included: see `waiting` and `busyMs`. */
  running(): readonly RunningAgent[]
  /** What the schedules of the agents of this peer will do next. */
  scheduled(): readonly ScheduledTick[]
  /**
   * Starts an agent here, as its owner. Rejects with `NotOwnerError` where another peer is, with
   * `UnavailableError` when too few copies can be had, with `PausedError` during a split.
   */
  begin(record: AgentRecord, options?: AbortOptions): Promise<Epoch>
  /**
   * Stops an agent here; false if it did not run. What waits for it starts it again. A handler that
   * runs can change nothing any more, so this is also the way out of one that hangs.
   */
  end(id: string): boolean
  /** The epoch under which an agent runs here; undefined if it does not. */
  epochOf(id: string): Epoch | undefined
  /**
   * The member on which an agent would be started now: the one where hashing puts it, unless that has
   * no room or, for types placed by load, another is clearly less loaded. @throws ClusterAtCapacityError
   */
  selectPeerForAgent(id: string): Promise<PeerLoad>
  /** Whether the type of an agent lets it be moved to a peer now. */
  mayMove(id: string, peer: string): boolean
  /** How an agent is placed, by its id. */
  recordOf(id: string): AgentRecord
}

/**
 * Makes the agent layer of one peer. Start it after the components, and stop it before them.
 *
 * @throws InvalidParametersError when two types have one name, or a limit is out of range
 */
export function createAgents(components: AgentComponents, init: AgentsInit): Agents {
  return new ClusterAgents(components, init)
}
