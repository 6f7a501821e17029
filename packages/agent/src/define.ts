import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Draft, Schema, Value } from '@murmuration/crdt'
import { InvalidParametersError } from '@murmuration/interface'
import type {
  AgentRecord,
  Consistency,
  Epoch,
  PartitionPolicy,
  PlacementPolicy,
  Signal,
  SignalInput
} from '@murmuration/interface'
import { agentId } from '@murmuration/identity'
import type { AgentNeeds } from './core/load.ts'
import { compilePattern } from './core/pattern.ts'
import type { SupervisionLimits } from './core/supervision.ts'
import { checkSchedules } from './schedules.ts'
import type { ScheduleDefinition, ScheduleOf } from './schedules.ts'
import type { StrongValue } from './strong-fields.ts'
import { toolOf } from './tool.ts'
import type { Tool } from './tool.ts'

/** What a handler is given. */
export interface HandlerContext<S extends Schema> {
  /** The agent's state. Changes are recorded and committed together when the handler returns. */
  readonly state: Draft<S>
  readonly id: string
  readonly key: string
  /** Fencing token for effects outside the cluster: later owners have greater epochs. */
  readonly epoch: Epoch
  /** Fires when the caller went away or its deadline passed, or this peer lost the agent. */
  readonly signal: AbortSignal
  /** Publishes a signal once the changes of this handler are acknowledged; never before. */
  readonly emit: (signal: SignalInput) => void
}

/** What an action's handler is given. */
export interface ActionContext<
  S extends Schema,
  I,
  G extends StrongFields = StrongFields
> extends HandlerContext<S> {
  /** The validated input. */
  readonly input: I
  /**
   * Of an action with `part: 'strong'`: what is agreed now, to be read and changed in place. In other
   * actions any use of it throws `ConsistencyUnavailableError`.
   */
  readonly strong: StrongValue<G>
}

/** A typed operation of an agent: input and output schema (Standard Schema) and a handler. */
export interface ActionDefinition<
  S extends Schema,
  I extends StandardSchemaV1,
  O extends StandardSchemaV1,
  G extends StrongFields = StrongFields
> {
  readonly input: I
  readonly output: O
  /**
   * What the action changes. `strong`: reads and changes the strong part, linearizable, under its
   * key exactly once; `run` may run again where others change it too, and only reads `state`.
   * @default 'state'
   */
  readonly part?: 'state' | 'strong'
  readonly description?: string
  /** @default '1.0.0' */
  readonly version?: string
  /** Milliseconds for a call that does not say otherwise, retries included: minutes for slow work. @default 10000 */
  readonly timeoutMs?: number
  /**
   * Runs on the agent's owner, one at a time. If it throws, nothing is changed and the caller gets
   * the error. With a changed state, a repeated call (same idempotency key) is answered from the
   * first run; a handler that changes nothing may run again.
   */
  run(
    context: ActionContext<S, StandardSchemaV1.InferOutput<I>, G>
  ): StandardSchemaV1.InferInput<O> | Promise<StandardSchemaV1.InferInput<O>>
}

/** Any action of an agent with state `S`. */
export type AnyAction<S extends Schema> = ActionDefinition<S, StandardSchemaV1, StandardSchemaV1>

/** What an agent does on a signal; its changes are committed together, as those of an action. */
export type SignalReaction<S extends Schema> = {
  // A method, so that types of different agents fit into one list.
  react(signal: Signal, context: HandlerContext<S>): void | Promise<void>
}['react']

/** What a migration works with. */
export interface Migration<S extends Schema> {
  /** The state by the present schema; changes of it are recorded. */
  readonly state: Draft<S>
  /**
   * The values of any other schema, as they were. A field whose type has changed is another one: here
   * it is read by its old type.
   */
  readonly old: <O extends Schema>(schema: O) => Value<O>
}

/** What `defineAgent` takes. */
export interface AgentDefinition<
  S extends Schema,
  I extends Record<string, StandardSchemaV1>,
  O extends Record<string, StandardSchemaV1>,
  G extends StrongFields = NoFields
> {
  /** Lower-case name; unique in its namespace. */
  readonly type: string
  /** @default 'default' */
  readonly namespace?: string
  /** CRDT fields: they merge. */
  readonly state: S
  /**
   * Fields that are agreed: linearizable, read and updated with `consistency: 'strong'`. Give each a
   * default, for before the first update. @default none
   */
  readonly strong?: G
  /**
   * Of `state` and `strong`; raised when what was written before has to be migrated. Peers that know
   * only an earlier version refuse with `SchemaVersionError` what was migrated. @default 1
   */
  readonly schemaVersion?: number
  /**
   * Brings a state of version `from` to the present one. Runs on the owner before anything else, and
   * counts once; a reader may run it on its copy. Pure, not async, 4,095 operations at most.
   * @default nothing: fields that are new are empty, and others are as they were
   */
  migrateState?(from: number, migration: Migration<S>): void
  /** The same for the strong part: gives the present fields for those of version `from`. Pure. */
  migrateStrong?(from: number, old: Readonly<Record<string, unknown>>): Record<string, unknown>
  readonly actions?: {
    readonly [K in keyof I & keyof O]: ActionDefinition<S, I[K], O[K], NoInfer<G>>
  }
  /** Handlers of signals by type pattern; run in the mailbox of each running agent. */
  readonly on?: Readonly<Record<string, SignalReaction<S>>>
  /** Level of calls and reads that do not say otherwise. @default 'eventual' */
  readonly consistency?: Exclude<Consistency, 'strong'>
  /** Copies of the state, 1 to 7. @default 3 */
  readonly replicas?: number
  /** What to do in a split of the network. @default that of the cluster, `pause-minority` */
  readonly onPartition?: PartitionPolicy
  /**
   * `pinned`: the key is the PeerId of the peer that runs it. `load`: a new agent goes to the least
   * loaded member that fits, where hashing would put it on one clearly more loaded. @default 'hash'
   */
  readonly placement?: PlacementPolicy
  /** Labels that its peer must have. @default {} */
  readonly labels?: Readonly<Record<string, string>>
  /** What each running agent takes of the capacity of its peer. @default {} */
  readonly resources?: Readonly<Record<string, number>>
  /**
   * Whether an agent may be moved to a peer now. Asked where it runs, before a move by hand and before
   * what joins, drains and changed weights move; where it refuses or throws, it stays. Not asked when its
   * peer has died, or leaves because the time of its drain is up. @default always
   */
  readonly mayMove?: (id: string, peer: string) => boolean
  /**
   * How often handlers may fail unexpectedly (with errors that have no `code`) before the agent rests
   * and answers `AgentFailedError`. @default no limit
   */
  readonly supervision?: SupervisionLimits
  /** Agents with equal shard keys live on the same peers. @default the id */
  readonly shardKey?: (key: string) => string
  /** What is called when; owned by the cluster, so that it survives every peer. */
  readonly schedules?: Readonly<Record<string, ScheduleOf<NoInfer<I>>>>
}

/** A defined agent type. */
export interface AgentType<
  S extends Schema = Schema,
  I extends Record<string, StandardSchemaV1> = Record<string, StandardSchemaV1>,
  O extends Record<string, StandardSchemaV1> = Record<string, StandardSchemaV1>,
  G extends StrongFields = StrongFields
> {
  readonly type: string
  readonly namespace: string
  readonly state: S
  readonly strong: G
  readonly schemaVersion: number
  migrateState(from: number, migration: Migration<S>): void
  migrateStrong(from: number, old: Readonly<Record<string, unknown>>): Record<string, unknown>
  readonly actions: { readonly [K in keyof I & keyof O]: ActionDefinition<S, I[K], O[K], G> }
  readonly on: Readonly<Record<string, SignalReaction<S>>>
  readonly consistency: Exclude<Consistency, 'strong'>
  /** Undefined: the default of the peer. */
  readonly onPartition: PartitionPolicy | undefined
  readonly placement: PlacementPolicy
  readonly schedules: Readonly<Record<string, ScheduleDefinition>>
  readonly needs: AgentNeeds
  readonly supervision: SupervisionLimits | undefined
  mayMove(id: string, peer: string): boolean
  /** The id of the agent with this key. */
  id(key: string): string
  /** What other peers need to know to place it. */
  record(key: string): AgentRecord
  /** An action as a tool definition for language models. */
  tool(action: keyof I & keyof O & string): Tool
}

/** The strong part of an agent type: a schema (Standard Schema) for each field. */
export type StrongFields = Readonly<Record<string, StandardSchemaV1>>

/** The strong part of a type that has none. */
export type NoFields = { readonly [K in never]: StandardSchemaV1 }

/** The actions of a type that has none. */
type NoActions = { readonly [K in never]: StandardSchemaV1 }

/**
 * Defines an agent type. The types of inputs, outputs and state are inferred.
 *
 * @throws InvalidParametersError when a name, the number of replicas or a policy is not valid
 */
export function defineAgent<
  S extends Schema,
  I extends Record<string, StandardSchemaV1> = NoActions,
  O extends Record<keyof I, StandardSchemaV1> = Record<keyof I, StandardSchemaV1>,
  G extends StrongFields = NoFields
>(definition: AgentDefinition<S, I, O, G>): AgentType<S, I, O, G> {
  const { type, state, shardKey } = definition
  const namespace = definition.namespace ?? 'default'
  const replicas = definition.replicas ?? 3
  const placement = definition.placement ?? 'hash'
  // No action is given for a key that the definition lacks; the empty object is that map.
  const actions = definition.actions ?? ({} as NonNullable<typeof definition.actions>)
  const strong = definition.strong ?? ({} as G) // the same: `G` has no fields then
  const both = Object.keys(strong).find((name) => Object.hasOwn(state, name))
  if (both !== undefined) {
    throw new InvalidParametersError(`${both} is in the state of ${type} and in its strong part`)
  }
  const schemaVersion = schemaVersionOf(definition)
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > 7) {
    throw new InvalidParametersError(
      `replicas of agent type ${type} must be 1 to 7, not ${replicas}`
    )
  }
  if (typeof definition.onPartition !== 'object') {
    oneOf('onPartition', definition.onPartition, policies)
  }
  oneOf('placement', definition.placement, ['hash', 'pinned', 'load'])
  oneOf('consistency', definition.consistency, ['eventual', 'session'])
  for (const [name, action] of Object.entries<Partial<AnyAction<S>>>(actions)) {
    oneOf(`part of ${name}`, action.part, ['state', 'strong'])
    if (action.part === 'strong' && Object.keys(strong).length === 0) {
      throw new InvalidParametersError(`${name} is for the strong part, and ${type} has none`)
    }
    if (name.length > 0 && name.length <= ACTION_NAME_MAX) continue
    throw new InvalidParametersError(`an action has a name of 1 to ${ACTION_NAME_MAX} characters`)
  }
  for (const pattern of Object.keys(definition.on ?? {})) compilePattern(pattern)
  const schedules: AgentType['schedules'] = definition.schedules ?? {}
  checkSchedules(type, schedules, actions)
  agentId(type, 'key', namespace) // Validates both names now and not at the first call.
  return {
    type,
    namespace,
    state,
    strong,
    schemaVersion,
    // Fields that are new are empty, and others are as they were.
    migrateState: (from, migration) => definition.migrateState?.(from, migration),
    migrateStrong: (from, old) => definition.migrateStrong?.(from, old) ?? old,
    actions,
    on: definition.on ?? {},
    consistency: definition.consistency ?? 'eventual',
    onPartition: definition.onPartition,
    placement,
    schedules,
    needs: needsOf(definition),
    supervision: definition.supervision,
    mayMove: (id, peer) => definition.mayMove?.(id, peer) ?? true,
    id: (key) => agentId(type, key, namespace),
    record: (key) => ({
      id: agentId(type, key, namespace),
      placement,
      replicas,
      ...(shardKey === undefined ? {} : { shardKey: shardKey(key) })
    }),
    tool: (action) => toolOf(`${type}.${action}`, actions[action])
  }
}

function schemaVersionOf(definition: {
  readonly type: string
  readonly schemaVersion?: number
  readonly state: Schema
  readonly strong?: StrongFields
}): number {
  const { type, schemaVersion = 1, state, strong = {} } = definition
  if (!Number.isInteger(schemaVersion) || schemaVersion < 1 || schemaVersion > 2 ** 31) {
    throw new InvalidParametersError(`schemaVersion of ${type} must be 1 or more`)
  }
  const reserved = [...Object.keys(state), ...Object.keys(strong)].find((name) => name[0] === '~')
  if (reserved !== undefined) {
    throw new InvalidParametersError(`${reserved} of ${type}: names with ~ are not for fields`)
  }
  return schemaVersion
}

function needsOf(definition: {
  readonly type: string
  readonly labels?: Readonly<Record<string, string>>
  readonly resources?: Readonly<Record<string, number>>
  readonly supervision?: SupervisionLimits
}): AgentNeeds {
  const { type, labels = {}, resources = {}, supervision } = definition
  const bad = Object.entries(resources).find(([, amount]) => !(amount > 0 && amount < Infinity))
  if (bad !== undefined) {
    throw new InvalidParametersError(`agent type ${type} must need more than 0 of ${bad[0]}`)
  }
  const { failuresMax = 0, withinMs = 1 } = supervision ?? {}
  if (!Number.isInteger(failuresMax) || failuresMax < 0 || !(withinMs > 0)) {
    throw new InvalidParametersError(`supervision of agent type ${type} needs positive limits`)
  }
  return { labels, resources }
}

/** Characters of the name of an action, as messages carry it. */
const ACTION_NAME_MAX = 128

const policies = ['pause-minority', 'continue-all', 'leader-election', 'keep-oldest', 'down-all']

function oneOf(name: string, value: string | undefined, allowed: readonly string[]): void {
  if (value === undefined || allowed.includes(value)) return
  throw new InvalidParametersError(`${name} must be one of ${allowed.join(', ')}, not ${value}`)
}

/**
 * Defines an action apart from its agent; inside `defineAgent` a plain object does. `state` and
 * `strong` are the schemas of the agent, given only for their types.
 */
export function defineAction<
  S extends Schema,
  I extends StandardSchemaV1,
  O extends StandardSchemaV1,
  G extends StrongFields = NoFields
>(
  action: Omit<ActionDefinition<S, I, O, G>, 'part'> & {
    readonly state?: S
    readonly strong?: G
    readonly part?: 'state' | 'strong'
  }
): ActionDefinition<S, I, O, G> {
  return action
}
