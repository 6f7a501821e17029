import type { AbortOptions } from '@libp2p/interface'
import type { Draft, Value } from '@murmuration/crdt'
import type {
  AckLevel,
  Consistency,
  Epoch,
  IdempotencyKey,
  SignalInput,
  StateReading,
  VersionVector
} from '@murmuration/interface'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { SessionToken } from './core/session-token.ts'
import type { AgentType } from './define.ts'
import type { StrongValue } from './strong-fields.ts'

export interface WorkCallOptions extends AbortOptions {
  /** Milliseconds for everything, retries included. @default what the action says, else 10000 */
  readonly timeoutMs?: number
  /** @default a new one of this peer's session */
  readonly idempotencyKey?: IdempotencyKey
  /** @default 'replicated' */
  readonly ack?: AckLevel
  readonly consistency?: Consistency
  /** The work follows what this session has seen, and becomes part of it. */
  readonly session?: SessionToken
  /** Told before each repetition, with what ended the attempt before it. */
  readonly onRetry?: (cause: unknown) => void
}

export interface ReadOptions extends AbortOptions {
  readonly timeoutMs?: number
  /** @default the level of the agent type */
  readonly consistency?: Consistency
  /**
   * With the level `session`: any replica answers that has what this session has seen; what it gives
   * becomes part of it.
   */
  readonly session?: SessionToken
  /** Any replica may answer, also while paused; the value may be old. @default false */
  readonly stale?: boolean
  /**
   * With `stale` or a `session`: milliseconds after which one more replica is asked where the one before
   * is silent; the first answer counts. `InvalidParametersError` with other reads, which only the owner
   * answers. Default: it is asked only when the one before has failed.
   */
  readonly hedgeAfterMs?: number
}

/** What an update came to. */
export interface UpdateResult {
  readonly version: VersionVector
  readonly epoch: Epoch
  /** Replicas that had it durably when it was acknowledged. */
  readonly copies: number
  /** It had been applied before, under the same key. */
  readonly duplicate: boolean
}

type Input<T, K extends keyof T> = T[K] extends { readonly input: infer I extends StandardSchemaV1 }
  ? StandardSchemaV1.InferInput<I>
  : never
type Output<T, K extends keyof T> = T[K] extends {
  readonly output: infer O extends StandardSchemaV1
}
  ? StandardSchemaV1.InferOutput<O>
  : never

/** A reference to an agent, used the same way wherever the agent runs. Making one sends nothing. */
export interface AgentRef<T extends Pick<AgentType, 'state' | 'actions' | 'strong'>> {
  readonly id: string
  /** Runs an action on the agent's owner. Starts the agent where it does not run. */
  call<K extends keyof T['actions'] & string>(
    action: K,
    input: Input<T['actions'], K>,
    options?: WorkCallOptions
  ): Promise<Output<T['actions'], K>>
  /** Lets the agent's `on` reactions run; resolves when their changes are acknowledged. */
  signal(signal: SignalInput, options?: WorkCallOptions): Promise<void>
  /** The strong part, linearizable. */
  state(
    options: ReadOptions & { readonly consistency: 'strong' }
  ): Promise<StateReading<StrongValue<T['strong']>>>
  /** The part that is made of CRDTs. */
  state(options?: ReadOptions): Promise<StateReading<Value<T['state']>>>
  /**
   * Changes the strong part: `change` runs here on a copy of it, and what it becomes is agreed if
   * nobody else has changed it since; else `change` runs again, five times at most. It must be pure:
   * it may first run on what this peer was told a second ago, which counts only if it still stands.
   */
  update(
    change: (draft: StrongValue<T['strong']>) => void,
    options: WorkCallOptions & { readonly consistency: 'strong' }
  ): Promise<UpdateResult>
  /**
   * Runs `change` here on a draft of the state; the recorded operations travel to the owner.
   * `change` must be pure: it may run again.
   */
  update(
    change: (draft: Draft<T['state']>) => void,
    options?: WorkCallOptions
  ): Promise<UpdateResult>
  /** The state now and after each change, at most every 50 ms; ends with the signal. */
  watch(options?: AbortOptions): AsyncIterable<StateReading<Value<T['state']>>>
  /**
   * Both parts of the state, each as it is when it is read, as bytes that a later version of the
   * type can take in.
   */
  export(options?: AbortOptions): Promise<Uint8Array>
  /** The same as JSON, for people and other programs; taken in by the same version only. */
  exportJson(options?: AbortOptions): Promise<string>
  /**
   * Brings the state to what was exported, from an agent of this type under any key. In parts of up to
   * 128 KiB where it is large: after an error, do it again. What a type cannot take back stays: a
   * `min` or `max` that went further, and a value where the export has none.
   */
  import(data: Uint8Array | string, options?: AbortOptions): Promise<void>
  /** Stops the agent where it runs; its state stays. The next request starts it again. */
  stop(options?: AbortOptions): Promise<boolean>
}
