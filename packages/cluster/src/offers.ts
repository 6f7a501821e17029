import { jsonSchemaOf } from '@murmuration/agent'
import type { AgentType } from '@murmuration/agent'
import type { OfferedAction } from '@murmuration/interface'

/** What this peer tells others of its actions. */
export function offersOf(types: readonly AgentType[]): OfferedAction[] {
  return types.flatMap(({ type, actions }) =>
    Object.entries(actions).map(([name, action]) => {
      const inputSchema = jsonSchemaOf(action.input)
      return {
        name: `${type}.${name}`,
        version: action.version ?? '1.0.0',
        ...(inputSchema === undefined ? {} : { inputSchema }),
        ...(action.description === undefined ? {} : { description: action.description })
      }
    })
  )
}
