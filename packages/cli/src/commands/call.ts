import type { StandardSchemaV1 } from '@standard-schema/spec'
import { defineAgent } from '@murmuration/agent'
import { required, UsageError } from '../arguments.ts'
import type { Arguments } from '../arguments.ts'
import { visit } from '../entry.ts'
import type { Output } from '../output.ts'

/** Takes everything: the peer that runs the agent has the schema. */
const anything: StandardSchemaV1 = {
  '~standard': { version: 1, vendor: 'murmuration', validate: (value) => ({ value }) }
}

/** Runs an action of an agent and prints what it returns. */
export async function call(args: Arguments, output: Output): Promise<void> {
  const [id, action, text] = args.operands
  const { namespace, type, key } = parseId(required(id, 'AGENT'))
  const name = required(action, 'ACTION')
  // What this side needs to know of the type is its name, to find out where the agent lives.
  const agent = defineAgent({
    type,
    namespace,
    state: {},
    actions: { [name]: { input: anything, output: anything, run: () => undefined } }
  })
  const input = inputOf(text)
  await visit(args, 'guest', [agent], async (cluster) => {
    const result: unknown = await cluster.agent(agent, key).call(name, input)
    output.data(result ?? null, JSON.stringify(result ?? null))
  })
}

function parseId(id: string): { namespace: string; type: string; key: string } {
  const parts = id.split('/')
  const [first = '', second = '', ...rest] = parts
  if (parts.length === 2) return { namespace: 'default', type: first, key: second }
  if (parts.length > 2) return { namespace: first, type: second, key: rest.join('/') }
  throw new UsageError(`an agent is TYPE/KEY or NAMESPACE/TYPE/KEY, not ${id}`)
}

function inputOf(text: string | undefined): unknown {
  if (text === undefined) return null
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new UsageError(`the input is no JSON: ${text}`)
  }
}
