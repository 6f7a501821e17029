import type { StandardSchemaV1 } from '@standard-schema/spec'
import { SchemaError } from '@murmuration/interface'

/** An action as language models take it. */
export interface Tool {
  readonly name: string
  readonly description: string
  /** JSON Schema of the input. */
  readonly inputSchema: unknown
}

/**
 * JSON Schema of a Standard Schema, where its library can tell (`~standard.jsonSchema`, as zod does);
 * undefined otherwise, also for what JSON cannot represent, such as a bigint.
 */
export function jsonSchemaOf(schema: StandardSchemaV1): unknown {
  // An optional extension of the Standard Schema: looked for, never assumed.
  const standard = schema['~standard'] as unknown as {
    jsonSchema?: { input?: (options: { target: string }) => unknown }
  }
  try {
    return standard.jsonSchema?.input?.({ target: 'draft-2020-12' })
  } catch {
    // The library refuses parts that have no JSON Schema: then there is none, as documented.
    return undefined
  }
}

/** @throws SchemaError when there is no such action, or no JSON Schema of its input */
export function toolOf(
  name: string,
  action: { readonly input: StandardSchemaV1; readonly description?: string } | undefined
): Tool {
  if (action === undefined) throw new SchemaError(`there is no action ${name}`)
  const inputSchema = jsonSchemaOf(action.input)
  if (inputSchema === undefined) {
    throw new SchemaError(`the input of ${name} has no JSON Schema`)
  }
  return { name, description: action.description ?? name, inputSchema }
}

/**
 * Validates a value: at once where the schema can, else by a promise.
 *
 * @throws SchemaError naming the first issues
 */
export function validate(schema: StandardSchemaV1, value: unknown, what: () => string): unknown {
  const result = schema['~standard'].validate(value)
  return result instanceof Promise
    ? result.then((settled) => valueOf(settled, what))
    : valueOf(result, what)
}

function valueOf(result: StandardSchemaV1.Result<unknown>, what: () => string): unknown {
  if (result.issues === undefined) return result.value
  const issues = result.issues.slice(0, 3).map((issue) => {
    const path = (issue.path ?? []).map((part) =>
      String(typeof part === 'object' ? part.key : part)
    )
    return `${path.join('.') || 'value'}: ${issue.message}`
  })
  throw new SchemaError(`${what()} does not match its schema: ${issues.join('; ')}`)
}
