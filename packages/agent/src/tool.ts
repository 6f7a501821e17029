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
 * undefined otherwise.
 */
export function jsonSchemaOf(schema: StandardSchemaV1): unknown {
  // An optional extension of the Standard Schema: looked for, never assumed.
  const standard = schema['~standard'] as unknown as {
    jsonSchema?: { input?: (options: { target: string }) => unknown }
  }
  try {
    return standard.jsonSchema?.input?.({ target: 'draft-2020-12' })
  } catch {
    // The library says so of types that JSON has not, such as bigint: then there is none.
    return undefined
  }
}

export function toolOf(
  name: string,
  action: { readonly input: StandardSchemaV1; readonly description?: string } | undefined
): Tool {
  if (action === undefined) throw new SchemaError(`there is no action ${name}`)
  const inputSchema = jsonSchemaOf(action.input)
  if (inputSchema === undefined) {
    throw new SchemaError(`the schema library of ${name} gives no JSON Schema`)
  }
  return { name, description: action.description ?? name, inputSchema }
}

/** Validates a value. @throws SchemaError naming the first issues */
export async function validate<T extends StandardSchemaV1>(
  schema: T,
  value: unknown,
  what: string
): Promise<StandardSchemaV1.InferOutput<T>> {
  let result = schema['~standard'].validate(value)
  if (result instanceof Promise) result = await result
  if (result.issues === undefined) return result.value
  const issues = result.issues.slice(0, 3).map((issue) => {
    const path = (issue.path ?? []).map((part) =>
      String(typeof part === 'object' ? part.key : part)
    )
    return `${path.join('.') || 'value'}: ${issue.message}`
  })
  throw new SchemaError(`${what} does not match its schema: ${issues.join('; ')}`)
}
