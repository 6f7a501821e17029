import type { StandardSchemaV1 } from '@standard-schema/spec'
import {
  ConsistencyUnavailableError,
  InvalidParametersError,
  SchemaError
} from '@murmuration/interface'
import type { AgentType, StrongFields } from './define.ts'
import { refuseLater } from './schema-version.ts'
import { validate } from './tool.ts'

/** The fields of the strong part of an agent. */
export type StrongValue<G extends StrongFields> = {
  -readonly [K in keyof G]: StandardSchemaV1.InferOutput<G[K]>
}

/** The strong part of an agent, by field. */
export type Fields = Record<string, unknown>

/** The version of the schema, beside the fields in what is agreed; 1 goes without saying. */
const VERSION_FIELD = '~schema'

/**
 * What is agreed, as the type reads it: migrated, and with the defaults of fields that were never set.
 *
 * @throws SchemaVersionError for a value of a later version, SchemaError where the migration fails
 */
export async function fieldsOf(type: AgentType, value: unknown): Promise<Fields> {
  const fields: Fields = {}
  const agreed = currentOf(type, value)
  for (const [name, schema] of Object.entries(type.strong)) {
    const present = Object.hasOwn(agreed, name) ? agreed[name] : await defaultOf(schema)
    if (present !== undefined) fields[name] = structuredClone(present)
  }
  return fields
}

function currentOf(type: AgentType, value: unknown): Fields {
  if (typeof value !== 'object' || value === null) return {}
  const { [VERSION_FIELD]: found = 1, ...agreed } = value as Fields // a map, as `valueOf` made it
  const from = Number(found)
  refuseLater(type, from)
  if (from === type.schemaVersion) return agreed
  try {
    return type.migrateStrong(from, structuredClone(agreed))
  } catch (cause) {
    throw new SchemaError(
      `the strong part of ${type.type} could not be migrated from version ${from}: ${String(cause)}`,
      { cause }
    )
  }
}

/** What is to be agreed. @throws SchemaError where a field does not match */
export async function valueOf(type: AgentType, fields: Fields): Promise<Fields> {
  const valid: Fields = {}
  for (const [name, schema] of Object.entries(type.strong)) {
    const value = await validate(schema, fields[name], () => `${name} of ${type.type}`)
    if (value !== undefined) valid[name] = value
  }
  if (type.schemaVersion !== 1) valid[VERSION_FIELD] = type.schemaVersion
  return valid
}

/** @throws InvalidParametersError for other fields, SchemaError where one does not match */
export async function checkFields(type: AgentType, fields: Fields): Promise<void> {
  for (const [name, value] of Object.entries(fields)) {
    const schema = Object.hasOwn(type.strong, name) ? type.strong[name] : undefined
    if (schema === undefined) {
      throw new InvalidParametersError(`${name} is no strong field of ${type.type}`)
    }
    await validate(schema, value, () => `${name} of ${type.type}`)
  }
}

/** The CRDTs of the agent are not to be reached from a strong change: it would not change them. */
export function guarded(fields: Fields, type: AgentType): Fields {
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

/** In place of the strong part, where it is not to be had. */
export const noStrongPart: Fields = new Proxy(
  {},
  { get: refuseStrong, set: (_, name) => refuseStrong(_, name) !== undefined }
)

function refuseStrong(_: object, name: string | symbol): undefined {
  // Those are asked for by whoever prints or awaits it.
  if (typeof name !== 'string' || name === 'then' || name === 'toJSON') return undefined
  throw new ConsistencyUnavailableError(
    `${name} of the strong part is for actions with part: 'strong'`
  )
}

async function defaultOf(schema: StandardSchemaV1): Promise<unknown> {
  const result = await schema['~standard'].validate(undefined)
  return result.issues === undefined ? result.value : undefined
}
