import { encode } from '@murmuration/codec'
import {
  ConsistencyUnavailableError,
  InvalidParametersError,
  KeyExpiredError,
  UnavailableError
} from '@murmuration/interface'
import type { AgentRecord, IdempotencyKey, StateReading } from '@murmuration/interface'
import type { StrongReading, StrongResult } from '@murmuration/state'
import { limitsOf } from './deadline.ts'
import type { RouteOptions } from './deadline.ts'
import { defaults } from './defaults.ts'
import type { AgentType } from './define.ts'
import { isThenable } from './core/thenable.ts'
import type { ReadOptions, UpdateResult, WorkCallOptions } from './agent-ref.ts'
import type { ReferenceParts } from './reference.ts'
import { fieldsOf, guarded, valueOf } from './strong-fields.ts'
import type { Fields } from './strong-fields.ts'

/** A strong part as it was agreed, not longer ago than the version says. */
export interface Agreed {
  readonly value: unknown
  readonly version: number
}

/** The strong part of an agent (rule 13): plain values under one version, compared and set. */
export class StrongReference {
  readonly #parts: ReferenceParts
  readonly #type: AgentType
  readonly #record: AgentRecord

  constructor(parts: ReferenceParts, type: AgentType, record: AgentRecord) {
    this.#parts = parts
    this.#type = type
    this.#record = record
  }

  async read(options: ReadOptions): Promise<StateReading<Fields>> {
    this.#check()
    if (options.stale === true) {
      throw new ConsistencyUnavailableError(
        'a strong read is never stale: ask for one or the other'
      )
    }
    const reading = await this.#ask(limitsOf(this.#parts.components.clock, options))
    return {
      value: await fieldsOf(this.#type, reading.value),
      version: { register: reading.version },
      epoch: reading.epoch,
      replicas: reading.replicas,
      consistency: 'strong'
    }
  }

  /** What is agreed, as it stands in the register; undefined where the type has no strong part. */
  async agreed(options: ReadOptions): Promise<unknown> {
    if (Object.keys(this.#type.strong).length === 0) return undefined
    return (await this.#ask(limitsOf(this.#parts.components.clock, options))).value
  }

  async update(change: (draft: Fields) => void, options: WorkCallOptions): Promise<UpdateResult> {
    this.#check()
    const { session } = this.#parts
    const limits = limitsOf(this.#parts.components.clock, options)
    const key = options.idempotencyKey ?? session.open()
    try {
      const early = options.idempotencyKey === undefined
      const first = early ? await this.#updateAgreed(change, key, limits) : undefined
      if (first?.status === 'applied') return updated(first)
      let from: Agreed = first ?? (await this.#ask(limits))
      for (let run = 0; run < defaults.strongRunsMax; run++) {
        const next = await this.#changed(change, from.value)
        const result = await this.#set(key, { expected: from.version, next }, limits)
        if (result.status === 'applied') return updated(result)
        // Told that it was not applied: the same key may be used for what is computed anew.
        from = result
      }
      throw new UnavailableError(
        `${this.#record.id} was changed by others ${defaults.strongRunsMax} times in between`
      )
    } finally {
      if (options.idempotencyKey === undefined) session.confirm(key.sequence)
    }
  }

  /**
   * Changes what this peer was told a short while ago. The version that it had is a precondition as
   * ever; where it does not hold, or the change does not like what it finds, it was never tried.
   */
  async #updateAgreed(
    change: (draft: Fields) => void,
    key: IdempotencyKey,
    limits: RouteOptions
  ): Promise<StrongResult | undefined> {
    const from = this.#parts.agreed.get(this.#record.id)
    if (from === undefined) return undefined
    let next: Fields
    try {
      next = await this.#changed(change, from.value)
    } catch {
      // Perhaps it does on what stands there now.
      return undefined
    }
    let isRepeated = false
    const onRetry = (cause: unknown): void => {
      isRepeated = true
      limits.onRetry?.(cause)
    }
    try {
      return await this.#set(key, { expected: from.version, next }, { ...limits, onRetry })
    } catch (error) {
      // So old a version might repeat what is forgotten; a key that was never sent before does not.
      if (error instanceof KeyExpiredError && !isRepeated) return undefined
      throw error
    }
  }

  #check(): void {
    if (Object.keys(this.#type.strong).length > 0) return
    throw new ConsistencyUnavailableError(
      `${this.#type.type} has no strong part, and CRDTs merge: ask for eventual or session`
    )
  }

  #ask(limits: RouteOptions): Promise<StrongReading> {
    const { components, host, router } = this.#parts
    return router.read(this.#record, limits, async (signal) => {
      host.refusePaused(this.#type, this.#record.id)
      return components.state.strong.read(this.#record, { signal, timeoutMs: limits.timeoutMs })
    })
  }

  /** Repeated with the same key and the same `expected` until what became of it is known. */
  async #set(
    { session, sequence, lowest }: IdempotencyKey,
    { expected, next }: { readonly expected: number; readonly next: Fields },
    limits: RouteOptions
  ): Promise<StrongResult> {
    const { agreed, components, host, router } = this.#parts
    const { id } = this.#record
    const change = { key: { session, sequence, lowest }, expected, value: next }
    try {
      const result = await router.keyed(this.#record, limits, async (signal) => {
        host.refusePaused(this.#type, id)
        const options = { signal, timeoutMs: limits.timeoutMs }
        return components.state.strong.update(this.#record, change, options)
      })
      const { version } = result
      if (result.status === 'changed') this.#remember({ value: result.value, version })
      // A duplicate may have been agreed before others.
      else if (!result.duplicate) this.#remember({ value: next, version })
      return result
    } catch (error) {
      agreed.forget(id)
      throw error
    }
  }

  /** Large ones are read anew: many of them would fill the memory of a small peer. */
  #remember(now: Agreed): void {
    const { agreed } = this.#parts
    const isSmall = now.value === undefined || encode(now.value).length <= defaults.echoBytesMax
    if (isSmall) agreed.set(this.#record.id, now)
    else agreed.forget(this.#record.id)
  }

  async #changed(change: (draft: Fields) => void, value: unknown): Promise<Fields> {
    const fields = await fieldsOf(this.#type, value)
    const returned: unknown = change(guarded(fields, this.#type))
    if (isThenable(returned)) {
      throw new InvalidParametersError(
        'a change must not be async: only what it did at once counts'
      )
    }
    return valueOf(this.#type, fields)
  }
}

function updated({
  version,
  epoch,
  copies,
  duplicate
}: Extract<StrongResult, { status: 'applied' }>): UpdateResult {
  return { version: { register: version }, epoch, copies, duplicate }
}
