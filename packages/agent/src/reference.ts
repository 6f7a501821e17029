import type { AbortOptions } from '@libp2p/interface'
import { decodeDocument } from '@murmuration/crdt'
import type { Draft, Schema, Value } from '@murmuration/crdt'
import {
  ConsistencyUnavailableError,
  InvalidParametersError,
  UnavailableError
} from '@murmuration/interface'
import type { AgentRecord, Consistency, SignalInput, StateReading } from '@murmuration/interface'
import type { DocumentReading } from '@murmuration/state'
import type { AgentRef, ReadOptions, UpdateResult, WorkCallOptions } from './agent-ref.ts'
import type { BranchKeys } from './branch-keys.ts'
import type { Session } from './core/session.ts'
import { signalId } from './core/signal-id.ts'
import { limitsOf } from './deadline.ts'
import type { RouteOptions } from './deadline.ts'
import { defaults } from './defaults.ts'
import type { AgentType } from './define.ts'
import type { Echoes } from './echoes.ts'
import { isThenable } from './core/thenable.ts'
import type { AgentHost } from './host.ts'
import type { AgentComponents } from './index.ts'
import type { WorkRequest } from './messages.ts'
import type { Observer } from './metrics.ts'
import { exportBytes, exportJson, importedValues, restoring } from './porting.ts'
import type { Exported } from './porting.ts'
import type { Recent } from './recent.ts'
import type { BegunHere, Routed, Router } from './router.ts'
import { isOld, migrated, refuseOld } from './schema-version.ts'
import { StrongReference } from './strong-reference.ts'
import type { Agreed } from './strong-reference.ts'
import { watchDocument } from './watching.ts'

export interface ReferenceParts {
  readonly components: AgentComponents
  readonly host: AgentHost
  readonly router: Router
  readonly session: Session
  readonly branchKeys: BranchKeys
  readonly echoes: Echoes
  /** Strong parts as they were agreed a short while ago, so that the next change needs no read. */
  readonly agreed: Recent<Agreed>
  readonly observe: Observer | undefined
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
  readonly #strong: StrongReference

  constructor(parts: ReferenceParts, type: AgentType, record: AgentRecord) {
    this.#parts = parts
    this.#type = type
    this.#record = record
    this.#strong = new StrongReference(parts, type, record)
  }

  get id(): string {
    return this.#record.id
  }

  async call(action: string, input: unknown, options: WorkCallOptions = {}): Promise<unknown> {
    if (this.#type.actions[action]?.part !== 'strong') this.#refuseStrong(options.consistency)
    const begun = isPlain(options) ? this.#beginHere(action, input) : undefined
    if (begun !== undefined && 'output' in begun) return begun.output
    const work = { kind: 'call', action, ...(input === undefined ? {} : { input }) } as const
    const timeoutMs = options.timeoutMs ?? this.#type.actions[action]?.timeoutMs
    const limits = this.#limits(timeoutMs === undefined ? options : { ...options, timeoutMs })
    const { output } = await this.#work(work, options, limits, begun)
    return output
  }

  /** The short way, for calls with nothing but an input. */
  #beginHere(action: string, input: unknown): ReturnType<Router['beginHere']> {
    const { router, observe, components, echoes } = this.#parts
    const began = observe === undefined ? 0 : components.clock.monotonic()
    let failure: unknown
    let isOver = true
    try {
      const begun = router.beginHere(this.id, action, input)
      isOver = begun !== undefined && 'output' in begun
      return begun
    } catch (error) {
      failure = error
      throw error
    } finally {
      if (isOver) {
        echoes.forget(this.id)
        observe?.((components.clock.monotonic() - began) / 1_000, failure)
      }
    }
  }

  async signal(signal: SignalInput, options: WorkCallOptions = {}): Promise<void> {
    this.#refuseStrong(options.consistency)
    const { random, clock, rpc } = this.#parts.components
    if (typeof signal.type !== 'string' || signal.type === '') {
      throw new InvalidParametersError('a signal needs a type')
    }
    const id = signalId(clock, random)
    const time = new Date(clock.now()).toISOString()
    // As the bus fills them in.
    const input = { id, time, source: `/p2p/${rpc.peer}`, ...signal, specversion: '1.0' }
    await this.#work({ kind: 'signal', input }, options, this.#limits(options))
  }

  async state(options: ReadOptions = {}): Promise<StateReading<Value<Schema>>> {
    const { stale = false } = options
    if (options.consistency === 'strong') {
      if (options.hedgeAfterMs === undefined) return this.#strong.read(options)
      throw new InvalidParametersError('a strong read asks a majority at once: it has no hedge')
    }
    if (stale && options.consistency === 'session') {
      throw new ConsistencyUnavailableError('a stale read may go back, and a session never does')
    }
    const { document, version, epoch, replicas } = await this.#read(
      options,
      this.#limits(options),
      stale
    )
    options.session?.saw(this.id, version)
    return {
      value: migrated(this.#type, document).value(this.#type.state),
      version,
      epoch,
      replicas,
      consistency: stale ? 'eventual' : (options.consistency ?? this.#type.consistency)
    }
  }

  async update(
    change: (draft: Draft<Schema>) => void,
    options: WorkCallOptions = {}
  ): Promise<UpdateResult> {
    if (options.consistency === 'strong') return this.#strong.update(change, options)
    const { echoes, components } = this.#parts
    const limits = this.#limits(options)
    let base = echoes.get(this.id) ?? (await this.#read(options, limits)).document
    if (isOld(this.#type, base)) {
      // Its owner migrates it before it does anything, and be it nothing.
      await this.#work({ kind: 'update', operations: [] }, options, limits)
      base = (await this.#read(options, limits)).document
      refuseOld(this.#type, base)
    }
    const { draft, operations } = base.draft(this.#type.state)
    const returned: unknown = change(draft)
    if (isThenable(returned)) {
      throw new InvalidParametersError(
        'a change must not be async: only what it did at once counts'
      )
    }
    const reply = await this.#work({ kind: 'update', operations: [...operations] }, options, limits)
    const epoch = reply.epoch ?? { view: reply.view, boot: 0 }
    if (reply.document !== undefined && reply.owner !== components.rpc.peer) {
      echoes.set(this.id, decodeDocument(reply.document), epoch)
    }
    return {
      version: reply.version ?? {},
      epoch,
      copies: reply.copies ?? 0,
      duplicate: reply.duplicate ?? false
    }
  }

  async *watch(options: AbortOptions = {}): AsyncIterable<StateReading<Value<Schema>>> {
    const { components, router } = this.#parts
    const seen = watchDocument(components, router, this.#record, options)
    for await (const { document, epoch } of seen) {
      const home = components.state.placement()?.homeOf(this.#record) ?? []
      yield {
        value: migrated(this.#type, document).value(this.#type.state),
        version: document.version,
        epoch,
        replicas: home.map(({ peer }) => peer),
        consistency: this.#type.consistency
      }
    }
  }

  async export(options: AbortOptions = {}): Promise<Uint8Array> {
    return exportBytes(this.#type, await this.#exported(options))
  }

  async exportJson(options: AbortOptions = {}): Promise<string> {
    return exportJson(this.#type, await this.#exported(options))
  }

  async import(data: Uint8Array | string, options: AbortOptions = {}): Promise<void> {
    const { state, strong } = await importedValues(this.#type, data)
    for (let part = 0; ; part++) {
      const { document } = await this.#read(options, this.#limits(options))
      const operations = restoring(this.#type, migrated(this.#type, document), state)
      if (operations.length === 0) break
      if (part === defaults.importPartsMax) {
        throw new UnavailableError(`${this.id} is changed by others faster than it can be imported`)
      }
      // A document that is not migrated yet gets no operations that were made on a migrated one.
      const isLate = isOld(this.#type, document)
      if (part > 0) refuseOld(this.#type, document)
      const work = { kind: 'update', operations: isLate ? [] : [...operations] } as const
      await this.#work(work, options, this.#limits(options))
    }
    if (strong === undefined) return
    const assign = (draft: object): void => void Object.assign(draft, strong)
    await this.#strong.update(assign, options)
  }

  async #exported(options: AbortOptions): Promise<Exported> {
    const { document } = await this.#read(options, this.#limits(options))
    return { document, strong: await this.#strong.agreed(options) }
  }

  async stop(options: AbortOptions = {}): Promise<boolean> {
    const { registry } = this.#parts.components
    if (registry === undefined) return this.#parts.host.end(this.id)
    return registry.unregister(this.id, options)
  }

  async #work(
    work: Pick<WorkRequest, 'kind' | 'action' | 'input' | 'operations'>,
    options: WorkCallOptions,
    limits: RouteOptions,
    begun?: BegunHere
  ): Promise<Routed> {
    const { router, session, branchKeys, echoes, observe, components } = this.#parts
    const { ack, idempotencyKey } = options
    const key = idempotencyKey ?? session.open()
    const began = observe === undefined ? 0 : components.clock.monotonic()
    let failure: unknown
    let isKept = false
    try {
      const token = options.session
      const follows = token === undefined ? {} : { after: token.of(this.id) }
      const level = ack === undefined ? {} : { ack }
      const routed = await router.perform(
        this.#record,
        { ...work, agent: this.id, view: 0, key, ...level, ...follows },
        limits,
        begun
      )
      if (routed.version !== undefined) token?.saw(this.id, routed.version)
      if (routed.epoch?.branch !== undefined && idempotencyKey === undefined) {
        isKept = true
        branchKeys.keep(this.#record, key.sequence, routed.version ?? {})
      }
      return routed
    } catch (error) {
      failure = error
      throw error
    } finally {
      if (idempotencyKey === undefined && !isKept) session.confirm(key.sequence)
      // Whatever came of it, the agent may have changed.
      if (work.kind !== 'update' || failure !== undefined) echoes.forget(this.id)
      observe?.((components.clock.monotonic() - began) / 1_000, failure)
    }
  }

  #limits(options: WorkCallOptions): RouteOptions {
    return limitsOf(this.#parts.components.clock, options)
  }

  #read(options: ReadOptions, limits: RouteOptions, stale = false): Promise<DocumentReading> {
    const { components, router, host } = this.#parts
    return router.read(this.#record, limits, async (late) => {
      // What this side of a split holds may be old, which only a stale read may show.
      if (!stale) host.refusePaused(this.#type, this.id)
      const { session, hedgeAfterMs } = options
      const after = session === undefined || stale ? {} : { after: session.of(this.id) }
      const hedge = hedgeAfterMs === undefined ? {} : { hedgeAfterMs }
      return components.state.read(this.#record, { signal: late, stale, ...after, ...hedge })
    })
  }

  #refuseStrong(consistency: Consistency | undefined): void {
    if (consistency !== 'strong') return
    throw new ConsistencyUnavailableError(
      `this changes the CRDTs of ${this.#type.type}, which merge: ask for eventual or session`
    )
  }
}

/** Whether a call asks for nothing that needs looking after while it runs. */
function isPlain(options: WorkCallOptions): boolean {
  const { signal, timeoutMs, idempotencyKey, ack, onRetry, session } = options
  return (
    session === undefined &&
    signal === undefined &&
    timeoutMs === undefined &&
    idempotencyKey === undefined &&
    ack === undefined &&
    onRetry === undefined
  )
}
