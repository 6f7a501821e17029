import type { Document, Schema, Value } from '@murmuration/crdt'
import { max } from '@murmuration/crdt'
import { InvalidParametersError, SchemaError, SchemaVersionError } from '@murmuration/interface'
import type { IdempotencyKey, Operation } from '@murmuration/interface'
import { lastingSessionPrefix } from '@murmuration/state'
import type { OwnedDocument } from '@murmuration/state'
import type { AgentType, Migration } from './define.ts'
import { isThenable } from './core/thenable.ts'

/**
 * The version of the schema that a document was written with is one of its fields, under a name that
 * no type may use. Documents without it are empty, or of version 1.
 */
const VERSION_FIELD = '~schema'
const versionSchema = { [VERSION_FIELD]: max<number>() }

/** What a reader's copy is written under while it is migrated; it goes nowhere. */
const READER = 'migration'

/** Counts once for each document and version, whichever owners begin it. */
const SESSION = lastingSessionPrefix + 'schema'

/** The version of a document that a type has to look at; undefined where there is none. */
function versionOf({ schemaVersion }: AgentType, document: Document): number | undefined {
  const version = document.value(versionSchema)[VERSION_FIELD]
  if (version !== undefined || schemaVersion === 1) return version
  const isWritten = document.hasHoles || Object.keys(document.version).length > 0
  return isWritten ? 1 : undefined
}

/** The operations that write the version of a type into a document. */
function stampOf(type: AgentType): Operation {
  return { field: VERSION_FIELD, name: 'max.update', args: [type.schemaVersion] }
}

/**
 * What brings a document to the version of a type; undefined where nothing has to be done.
 *
 * @throws SchemaVersionError for a document of a later version, SchemaError where the migration fails
 */
function migrationOf(type: AgentType, document: Document): readonly Operation[] | undefined {
  const from = versionOf(type, document)
  if (from === undefined || from === type.schemaVersion) return undefined
  refuseLater(type, from)
  const { draft, operations } = document.draft(type.state)
  const context: Migration<Schema> = {
    state: draft,
    old: <O extends Schema>(schema: O): Value<O> => document.value(schema)
  }
  try {
    const returned: unknown = type.migrateState(from, context)
    if (isThenable(returned)) throw new InvalidParametersError('a migration must not be async')
  } catch (cause) {
    throw new SchemaError(
      `the state of ${type.type} could not be migrated from version ${from} to ${type.schemaVersion}: ${String(cause)}`,
      { cause }
    )
  }
  return [...operations, stampOf(type)]
}

/** @throws SchemaVersionError */
export function refuseLater({ type, schemaVersion }: AgentType, found: number): void {
  if (found <= schemaVersion) return
  throw new SchemaVersionError(
    `the state of ${type} is of version ${found}, and this peer knows it up to ${schemaVersion}`
  )
}

/** Whether a document has to be migrated before it can be changed. @throws SchemaVersionError */
export function isOld(type: AgentType, document: Document): boolean {
  const version = versionOf(type, document)
  if (version === undefined) return false
  refuseLater(type, version)
  return version < type.schemaVersion
}

/**
 * For a document that its owner was asked to migrate: a change that was made for the later version
 * would be one of fields that are still to be migrated, and overwritten then.
 *
 * @throws SchemaVersionError
 */
export function refuseOld(type: AgentType, document: Document): void {
  if (!isOld(type, document)) return
  throw new SchemaVersionError(
    `the owner does not know version ${type.schemaVersion} of ${type.type} yet; nothing was changed`
  )
}

/**
 * The document as the type reads it: itself, or a migrated copy where its owner has not done that
 * yet. A migration is pure, so that both come to the same.
 */
export function migrated(type: AgentType, document: Document): Document {
  const operations = migrationOf(type, document)
  if (operations === undefined) return document
  const copy = document.clone()
  copy.execute(operations, { writer: READER, stamp: { time: 0, tick: 0 } })
  return copy
}

/** As the owner, before anything else: brings the document to the version of its type. */
export async function migrateOwned(type: AgentType, owned: OwnedDocument): Promise<void> {
  const operations = migrationOf(type, owned.document)
  if (operations === undefined) return
  const sequence = type.schemaVersion
  const key: IdempotencyKey = { session: SESSION, sequence, lowest: sequence }
  await owned.commit(operations, { key })
}

/**
 * The same operations, with the version where the document is empty: the first change says which
 * schema it is of. Version 1 goes without saying.
 */
export function stamped(
  type: AgentType,
  document: Document,
  operations: readonly Operation[]
): readonly Operation[] {
  if (type.schemaVersion === 1 || operations.length === 0) return operations
  return document.value(versionSchema)[VERSION_FIELD] === type.schemaVersion
    ? operations
    : [...operations, stampOf(type)]
}
