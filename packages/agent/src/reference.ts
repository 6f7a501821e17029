import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { AbortOptions } from '@libp2p/interface'
import { decodeDocument } from '@murmuration/crdt'
import type { Document, Draft, Schema, Value } from '@murmuration/crdt'
import { ConsistencyUnavailableError, InvalidParametersError } from '@murmuration/interface'
import type {
  AckLevel,
  AgentRecord,
  Consistency,
  Epoch,
  IdempotencyKey,
  SignalInput,
  StateReading,
  VersionVector
} from '@murmuration/interface'
import { defaults } from './defaults.ts'
import type { AgentType } from './define.ts'
import type { AgentComponents } from './index.ts'
import { WATCH } from './host.ts'
import { WatchItem, WatchRequest } from './messages.ts'
import type { WorkRequest } from './messages.ts'
import type { Routed, Router } from './router.ts'
import type { Session } from './session.ts'

export interface WorkCallOptions extends AbortOptions {
  /** Milliseconds for everything, retries included. @default 10000 */
  readonly timeoutMs?: number
  /** @default a new one of this peer's session */
  readonly idempotencyKey?: IdempotencyKey
  /** @default 'replicated' */
  readonly ack?: AckLevel
  readonly consistency?: Consistency
  /** Told before each repetition, with what ended the attempt before it. */
  readonly onRetry?: (cause: unknown) => void
}

export interface ReadOptions extends AbortOptions {
  readonly timeoutMs?: number
  /** @default the level of the agent type */
  readonly consistency?: Consistency
  /** Any replica may answer, also while paused; the value may be old. @default false */
  readonly stale?: boolean
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
export interface AgentRef<T extends Pick<AgentType, 'state' | 'actions'>> {
  readonly id: string
  /** Runs an action on the agent's owner. Starts the agent where it does not run. */
  call<K extends keyof T['actions'] & string>(
    action: K,
    input: Input<T['actions'], K>,
    options?: WorkCallOptions
  ): Promise<Output<T['actions'], K>>
  /** Lets the agent's `on` reactions run; resolves when their changes are acknowledged. */
  signal(signal: SignalInput, options?: WorkCallOptions): Promise<void>
  state(options?: ReadOptions): Promise<StateReading<Value<T['state']>>>
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
  /** Stops the agent where it runs; its state stays. The next request starts it again. */
  stop(options?: AbortOptions): Promise<boolean>
}

export interface ReferenceParts {
  readonly components: AgentComponents
  readonly router: Router
  readonly session: Session
  /** Small documents that came back with updates, so that the next update needs no read. */
  readonly echoes: Map<string, Document>
}

/** Makes references that share one session and one router. */
export function makeReference(
  parts: ReferenceParts,
  type: AgentType,
  key: string
): AgentRef<AgentType> {
  return new Reference(parts, type, type.record(key))
}

class Reference implements AgentRef<AgentType> {
  readonly #parts: ReferenceParts
  readonly #type: AgentType
  readonly #record: AgentRecord

  constructor(parts: ReferenceParts, type: AgentType, record: AgentRecord) {
    this.#parts = parts
    this.#type = type
    this.#record = record
  }

  get id(): string {
    return this.#record.id
  }

  async call(action: string, input: unknown, options: WorkCallOptions = {}): Promise<unknown> {
    const reply = await this.#work(
      { kind: 'call', action, ...(input === undefined ? {} : { input }) },
      options
    )
    return reply.output
  }

  async signal(signal: SignalInput, options: WorkCallOptions = {}): Promise<void> {
    const { random, clock, rpc } = this.#parts.components
    if (typeof signal.type !== 'string' || signal.type.length === 0) {
      throw new InvalidParametersError('a signal needs a type')
    }
    const id = Array.from(random.bytes(16), (byte) => byte.toString(16).padStart(2, '0')).join('')
    const time = new Date(clock.now()).toISOString()
    const input = { id, time, source: `peer:${rpc.peer}`, ...signal, specversion: '1.0' }
    await this.#work({ kind: 'signal', input }, options)
  }

  async state(options: ReadOptions = {}): Promise<StateReading<Value<Schema>>> {
    const consistency = options.consistency ?? this.#type.consistency
    refuseStrong(consistency, this.#type)
    const reading = await this.#read(options)
    return {
      value: reading.document.value(this.#type.state),
      version: reading.version,
      epoch: reading.epoch,
      replicas: reading.replicas,
      consistency
    }
  }

  async update(
    change: (draft: Draft<Schema>) => void,
    options: WorkCallOptions = {}
  ): Promise<UpdateResult> {
    refuseStrong(options.consistency ?? this.#type.consistency, this.#type)
    const { echoes } = this.#parts
    const base = echoes.get(this.id) ?? (await this.#read(options)).document
    const { draft, operations } = base.draft(this.#type.state)
    change(draft)
    const reply = await this.#work({ kind: 'update', operations: [...operations] }, options)
    this.#remember(reply)
    return {
      version: reply.version ?? {},
      epoch: reply.epoch ?? { view: reply.view, boot: 0 },
      copies: reply.copies ?? 0,
      duplicate: reply.duplicate ?? false
    }
  }

  async *watch(options: AbortOptions = {}): AsyncIterable<StateReading<Value<Schema>>> {
    const { rpc, state, membership, clock } = this.#parts.components
    while (options.signal?.aborted !== true) {
      const placement = state.placement()
      const owner = placement?.ownerOf(this.#record)?.peer
      const view = membership.view?.number ?? 0
      try {
        if (owner !== undefined) {
          const request = WatchRequest.encode({ agent: this.#record, view })
          // A watch has no end of its own: only the caller's signal or the owner's death ends it.
          const items = rpc.stream(owner, WATCH, request, { ...options, timeoutMs: 2 ** 31 - 1 })
          for await (const bytes of items) {
            const { document, epoch } = WatchItem.decode(bytes)
            const decoded = decodeDocument(document)
            yield {
              value: decoded.value(this.#type.state),
              version: decoded.version,
              epoch,
              replicas: (placement?.homeOf(this.#record) ?? []).map(({ peer }) => peer),
              consistency: this.#type.consistency
            }
          }
        }
      } catch (error) {
        if (options.signal?.aborted === true) return
        this.#parts.components.log?.(`watch of ${this.id} goes on elsewhere: ${String(error)}`)
      }
      await new Promise<void>((resolve) => clock.schedule(defaults.retryMaxMs, resolve))
    }
  }

  async stop(options: AbortOptions = {}): Promise<boolean> {
    return (await this.#parts.components.registry?.unregister(this.id, options)) ?? false
  }

  async #work(
    work: Pick<WorkRequest, 'kind' | 'action' | 'input' | 'operations'>,
    options: WorkCallOptions
  ): Promise<Routed> {
    const { router, session } = this.#parts
    const key = options.idempotencyKey ?? session.open()
    const { signal, ack, onRetry, timeoutMs = defaults.callTimeoutMs } = options
    try {
      return await router.perform(
        { ...work, agent: this.#record, view: 0, key, ...(ack === undefined ? {} : { ack }) },
        {
          timeoutMs,
          ...(signal === undefined ? {} : { signal }),
          ...(onRetry === undefined ? {} : { onRetry })
        }
      )
    } finally {
      if (options.idempotencyKey === undefined) session.confirm(key.sequence)
    }
  }

  async #read(options: ReadOptions): ReturnType<AgentComponents['state']['read']> {
    const { state, clock } = this.#parts.components
    const timeoutMs = options.timeoutMs ?? defaults.callTimeoutMs
    const late = new AbortController()
    const cancel = clock.schedule(timeoutMs, () => late.abort())
    const signal =
      options.signal === undefined ? late.signal : AbortSignal.any([late.signal, options.signal])
    try {
      return await state.read(this.#record, { signal, stale: options.stale ?? false })
    } finally {
      cancel()
    }
  }

  #remember(reply: Routed): void {
    const { echoes } = this.#parts
    echoes.delete(this.id)
    if (reply.document === undefined) return
    echoes.set(this.id, decodeDocument(reply.document))
    if (echoes.size <= defaults.echoesMax) return
    const oldest = echoes.keys().next()
    if (oldest.done !== true) echoes.delete(oldest.value)
  }
}

function refuseStrong(consistency: Consistency, type: AgentType): void {
  if (consistency !== 'strong') return
  throw new ConsistencyUnavailableError(
    `the state of ${type.type} is made of CRDTs, which merge: ask for eventual or session`
  )
}
