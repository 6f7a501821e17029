import type { StandardSchemaV1 } from '@standard-schema/spec'
import { defineAgent } from '@murmuration/agent'
import type { AgentType } from '@murmuration/agent'
import { UsageError } from './arguments.ts'

/** Takes everything: the peer that runs the agent has the schema. */
const anything: StandardSchemaV1 = {
  '~standard': { version: 1, vendor: 'murmuration', validate: (value) => ({ value }) }
}

/** An agent that is known by its id only. */
export interface NamedAgent {
  readonly type: AgentType
  readonly key: string
}

/**
 * What this side needs of a type to find out where one of its agents lives: its name, as long as it
 * is placed by hashing of the id.
 *
 * @throws UsageError for a text that is no id
 */
export function namedAgent(id: string, action?: string): NamedAgent {
  const { namespace, type, key } = parseId(id)
  const actions = action === undefined ? {} : { [action]: passThrough }
  return { type: defineAgent({ type, namespace, state: {}, actions }), key }
}

const passThrough = { input: anything, output: anything, run: (): undefined => undefined }

function parseId(id: string): { namespace: string; type: string; key: string } {
  const parts = id.split('/')
  const [first = '', second = '', ...rest] = parts
  if (parts.length === 2) return { namespace: 'default', type: first, key: second }
  if (parts.length > 2) return { namespace: first, type: second, key: rest.join('/') }
  throw new UsageError(`an agent is TYPE/KEY or NAMESPACE/TYPE/KEY, not ${id}`)
}
