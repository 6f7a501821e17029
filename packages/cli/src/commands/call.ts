import { operand, UsageError } from '../arguments.ts'
import type { Arguments } from '../arguments.ts'
import { visit } from '../entry.ts'
import { namedAgent } from '../named-agent.ts'
import type { Output } from '../output.ts'

/** Runs an action of an agent and prints what it returns. */
export async function call(args: Arguments, output: Output): Promise<void> {
  const name = operand(args, 1, 'ACTION')
  const { type, key } = namedAgent(operand(args, 0, 'AGENT'), name)
  const input = inputOf(args.operands[2])
  await visit(args, 'guest', [type], async (cluster) => {
    const result: unknown = await cluster.agent(type, key).call(name, input)
    output.data(result ?? null, JSON.stringify(result ?? null))
  })
}

function inputOf(text: string | undefined): unknown {
  if (text === undefined) return null
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new UsageError(`the input is no JSON: ${text}`)
  }
}
