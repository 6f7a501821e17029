import type { StandardSchemaV1 } from '@standard-schema/spec'
import {
  ConsistencyUnavailableError,
  InvalidParametersError,
  UnavailableError
} from '@murmuration/interface'
import type { AgentRecord, IdempotencyKey, StateReading } from '@murmuration/interface'
import type { StrongReading, StrongResult } from '@murmuration/state'
import { defaults } from './defaults.ts'
import type { AgentType, StrongFields } from './define.ts'
import { isThenable } from './handling.ts'
import type { ReadOptions, ReferenceParts, UpdateResult, WorkCallOptions } from './reference.ts'
import type { RouteOptions } from './router.ts'
import { validate } from './tool.ts'

/** The fields of the strong part of an agent. */
export type StrongValue<G extends StrongFields> = {
  -readonly [K in keyof G]: StandardSchemaV1.InferOutput<G[K]>
}

type Fields = Record<string, unknown>

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
    const reading = await this.#ask(limitsOf(options))
    return {
      value: await this.#fieldsOf(reading.value),
      version: { register: reading.version },
      epoch: reading.epoch,
      replicas: reading.replicas,
      consistency: 'strong'
    }
  }

  async update(change: (draft: Fields) => void, options: WorkCallOptions): Promise<UpdateResult> {
    this.#check()
    const { session } = this.#parts
    const limits = limitsOf(options)
    const key = options.idempotencyKey ?? session.open()
    try {
      const first = await this.#ask(limits)
      let { value, version }: { value: unknown; version: number } = first
      for (let run = 0; run < defaults.strongRunsMax; run++) {
        const next = await this.#changed(change, value)
        const result = await this.#set(key, version, next, limits)
        if (result.status === 'applied') {
          const { epoch, copies, duplicate } = result
          return { version: { register: result.version }, epoch, copies, duplicate }
        }
        // Told that it was not applied: the same key may be used for what is computed anew.
        ;({ value, version } = result)
      }
      throw new UnavailableError(
        `${this.#record.id} was changed by others ${defaults.strongRunsMax} times in between`
      )
    } finally {
      if (options.idempotencyKey === undefined) session.confirm(key.sequence)
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
  #set(
    { session, sequence, lowest }: IdempotencyKey,
    expected: number,
    value: Fields,
    limits: RouteOptions
  ): Promise<StrongResult> {
    const { components, host, router } = this.#parts
    const change = { key: { session, sequence, lowest }, expected, value }
    return router.keyed(this.#record, limits, async (signal) => {
      host.refusePaused(this.#type, this.#record.id)
      const options = { signal, timeoutMs: limits.timeoutMs }
      return components.state.strong.update(this.#record, change, options)
    })
  }

  async #changed(change: (draft: Fields) => void, value: unknown): Promise<Fields> {
    const fields = await this.#fieldsOf(value)
    const returned: unknown = change(guarded(fields, this.#type))
    if (isThenable(returned)) {
      throw new InvalidParametersError(
        'a change must not be async: only what it did at once counts'
      )
    }
    return this.#validated(fields)
  }

  /** What is agreed, with the defaults of fields that were never set. */
  async #fieldsOf(value: unknown): Promise<Fields> {
    const fields: Fields = {}
    const agreed = typeof value === 'object' && value !== null ? (value as Fields) : {} // a map
    for (const [name, schema] of Object.entries(this.#type.strong)) {
      const present = Object.hasOwn(agreed, name) ? agreed[name] : await defaultOf(schema)
      if (present !== undefined) fields[name] = structuredClone(present)
    }
    return fields
  }

  async #validated(fields: Fields): Promise<Fields> {
    const { type, strong } = this.#type
    const valid: Fields = {}
    for (const [name, schema] of Object.entries(strong)) {
      const value = await validate(schema, fields[name], () => `${name} of ${type}`)
      if (value !== undefined) valid[name] = value
    }
    return valid
  }
}

/** The CRDTs of the agent are not to be reached from a strong change: it would not change them. */
function guarded(fields: Fields, type: AgentType): Fields {
  const refuse = (name: string | symbol): void => {
    if (typeof name !== 'string' || Object.hasOwn(type.strong, name)) return
    throw new ConsistencyUnavailableError(
      `${name} is no strong field of ${type.type}: update it with eventual or session`
    )
  }
  return new Proxy(fields, {
    get: (target, name, receiver): unknown => {
      refuse(name)
      return Reflect.get(target, name, receiver)
    },
    set: (target, name, value: unknown, receiver) => {
      refuse(name)
      return Reflect.set(target, name, value, receiver)
    }
  })
}

async function defaultOf(schema: StandardSchemaV1): Promise<unknown> {
  const result = await schema['~standard'].validate(undefined)
  return result.issues === undefined ? result.value : undefined
}

function limitsOf(options: WorkCallOptions): RouteOptions {
  const { signal, onRetry, timeoutMs = defaults.callTimeoutMs } = options
  return {
    timeoutMs,
    ...(signal === undefined ? {} : { signal }),
    ...(onRetry === undefined ? {} : { onRetry })
  }
}
