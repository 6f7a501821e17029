import type { Document, Schema } from '@murmuration/crdt'
import { decodeDocument } from '@murmuration/crdt'
import { anything, bytes, encode, integer, message, optional, text } from '@murmuration/codec'
import { InvalidParametersError, SchemaVersionError } from '@murmuration/interface'
import type { Operation } from '@murmuration/interface'
import { checkShape } from './core/import-shape.ts'
import { fromPlain, toPlain } from './core/plain-json.ts'
import { restore } from './core/restore.ts'
import { defaults } from './defaults.ts'
import type { AgentType } from './define.ts'
import { migrated } from './schema-version.ts'
import { checkFields, fieldsOf } from './strong-fields.ts'
import type { Fields } from './strong-fields.ts'

/** The state of an agent apart from any cluster. */
export interface Exported {
  readonly document: Document
  /** What is agreed, as it stands in the register; undefined where there is no strong part. */
  readonly strong: unknown
}

/** Values by field, of the present schema. */
export interface Values {
  readonly state: Readonly<Record<string, unknown>>
  readonly strong: Fields | undefined
}

/** An export as bytes. The document describes itself, so that later versions can migrate it. */
const ExportedAgent = message(
  {
    type: text({ max: 512 }),
    schemaVersion: integer({ min: 1 }),
    document: bytes({ max: defaults.exportBytesMax }),
    strong: optional(anything())
  },
  { bytesMax: defaults.exportBytesMax }
)

const JSON_FORMAT = 1

export function exportBytes(type: AgentType, { document, strong }: Exported): Uint8Array {
  return ExportedAgent.encode({
    type: nameOf(type),
    schemaVersion: type.schemaVersion,
    document: document.encode(),
    ...(strong === undefined ? {} : { strong })
  })
}

export async function exportJson(type: AgentType, exported: Exported): Promise<string> {
  const { state, strong } = await valuesOf(type, exported)
  const plain = {
    format: JSON_FORMAT,
    type: nameOf(type),
    schemaVersion: type.schemaVersion,
    state: toPlain(state),
    ...(strong === undefined ? {} : { strong: toPlain(strong) })
  }
  return `${JSON.stringify(plain, undefined, 2)}\n`
}

/**
 * The values of an export, by the present schema.
 *
 * @throws InvalidParametersError for what is no export of this type, MalformedMessageError for damaged
 * bytes, SchemaVersionError for one of a version that cannot be migrated, SchemaError for strong fields
 * that do not match
 */
export async function importedValues(type: AgentType, data: Uint8Array | string): Promise<Values> {
  const values =
    typeof data === 'string' ? valuesOfJson(type, data) : await valuesOfBytes(type, data)
  // All of it is looked at before anything changes.
  checkShape(type.state, values.state)
  if (values.strong !== undefined) await checkFields(type, values.strong)
  return values
}

async function valuesOfBytes(type: AgentType, data: Uint8Array): Promise<Values> {
  const exported = ExportedAgent.decode(data)
  checkType(type, exported.type)
  const document = decodeDocument(exported.document)
  return valuesOf(type, { document, strong: exported.strong })
}

async function valuesOf(type: AgentType, { document, strong }: Exported): Promise<Values> {
  const hasStrong = Object.keys(type.strong).length > 0 && strong !== undefined
  return {
    state: migrated(type, document).value(type.state),
    strong: hasStrong ? await fieldsOf(type, strong) : undefined
  }
}

function valuesOfJson(type: AgentType, json: string): Values {
  let parsed: unknown
  try {
    parsed = JSON.parse(json)
  } catch (cause) {
    throw new InvalidParametersError('this is no JSON', { cause })
  }
  const found = recordOf(parsed)
  if (found?.['format'] !== JSON_FORMAT) {
    throw new InvalidParametersError(`this is no export of format ${JSON_FORMAT}`)
  }
  checkType(type, found['type'])
  if (found['schemaVersion'] !== type.schemaVersion) {
    throw new SchemaVersionError(
      `JSON of version ${String(found['schemaVersion'])} is not migrated to ${type.schemaVersion}: export bytes`
    )
  }
  const state = recordOf(fromPlain(found['state']))
  if (state === undefined) throw new InvalidParametersError('the export has no state')
  return { state, strong: recordOf(fromPlain(found['strong'])) }
}

function checkType(type: AgentType, found: unknown): void {
  if (found === nameOf(type)) return
  throw new InvalidParametersError(`an export of ${String(found)}, and not of ${nameOf(type)}`)
}

/**
 * The next operations that bring a document to the wanted values, as many as travel in one update.
 * None: it has them.
 */
export function restoring(
  type: AgentType,
  document: Document,
  wanted: Values['state']
): readonly Operation[] {
  const { draft, operations } = document.draft<Schema>(type.state)
  try {
    restore(draft, type.state, wanted)
  } catch (error) {
    // A draft takes so many operations and no more; the next one goes on from there.
    if (operations.length < defaults.operationsMax) throw error
  }
  let size = 0
  const fits = ({ field, args }: Operation): boolean => {
    size += field.length + encode(args).length
    return size <= defaults.importBytesMax
  }
  const end = operations.findIndex((operation, at) => !fits(operation) && at > 0)
  // What was recorded up to any point stands without what came after it.
  return end < 0 ? operations : operations.slice(0, end)
}

function nameOf({ namespace, type }: AgentType): string {
  return `${namespace}/${type}`
}

function recordOf(value: unknown): Record<string, unknown> | undefined {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isRecord ? (value as Record<string, unknown>) : undefined // looked at field by field
}
