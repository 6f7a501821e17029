import type { StandardSchemaV1 } from '@standard-schema/spec'
import { counter } from '@murmuration/crdt'
import { defineAction, defineAgent, jsonSchemaOf } from '@murmuration/agent'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const state = { n: counter() }
const run = (): number => 1

describe('defineAgent', () => {
  it('makes ids and records, with defaults', () => {
    const type = defineAgent({ type: 'till', state })
    expect(type.record('k')).toEqual({ id: 'default/till/k', placement: 'hash', replicas: 3 })
    expect([type.consistency, type.onPartition]).toEqual(['eventual', undefined])
    const other = defineAgent({
      type: 'till',
      namespace: 'shop',
      state,
      replicas: 5,
      placement: 'pinned',
      shardKey: (key) => key.slice(0, 1)
    })
    expect(other.record('north')).toEqual({
      id: 'shop/till/north',
      placement: 'pinned',
      replicas: 5,
      shardKey: 'n'
    })
  })

  it.each([
    ['a name', { type: 'Till' }],
    ['a namespace', { namespace: 'a/b' }],
    ['replicas', { replicas: 0 }],
    ['replicas', { replicas: 2.5 }],
    ['a policy', { onPartition: 'sometimes' }],
    ['a placement', { placement: 'anywhere' }],
    ['a consistency', { consistency: 'strong' }],
    ['a pattern', { on: { 'a..b': () => undefined } }],
    ['a name of an action', { actions: { ['a'.repeat(129)]: {} } }]
  ])('refuses %s that is none', (_, wrong) => {
    // What a program without types may pass.
    const definition = { type: 'till', state, ...wrong } as unknown as { type: string; state: {} }
    expect(() => defineAgent(definition)).toThrow(
      expect.objectContaining({ name: 'InvalidParametersError' })
    )
  })

  it('refuses a key that is none when a reference is made', () => {
    const type = defineAgent({ type: 'till', state })
    expect(() => type.record('a/b')).toThrow(
      expect.objectContaining({ name: 'InvalidParametersError' })
    )
  })
})

describe('tools', () => {
  const add = defineAction({
    state,
    description: 'Adds.',
    input: z.object({ by: z.number().int(), note: z.string().optional() }),
    output: z.number(),
    run
  })
  const type = defineAgent({
    type: 'till',
    state,
    actions: {
      add,
      big: { input: z.bigint(), output: z.number(), run },
      plain: { input: z.null(), output: z.number(), run }
    }
  })

  it('are actions with JSON Schema of the input', () => {
    expect(type.tool('add')).toEqual({
      name: 'till.add',
      description: 'Adds.',
      inputSchema: {
        $schema: 'https://json-schema.org/draft/2020-12/schema',
        type: 'object',
        properties: {
          by: {
            type: 'integer',
            minimum: Number.MIN_SAFE_INTEGER,
            maximum: Number.MAX_SAFE_INTEGER
          },
          note: { type: 'string' }
        },
        required: ['by']
      }
    })
    expect(type.tool('plain').description).toBe('till.plain')
  })

  it('cannot be made where the schema has no JSON Schema, or there is no such action', () => {
    const refused = expect.objectContaining({ name: 'SchemaError' })
    expect(() => type.tool('big')).toThrow(refused)
    expect(() => type.tool('none' as 'add')).toThrow(refused) // what a program without types may do
  })

  it('give no JSON Schema for libraries that tell none, and for what JSON cannot hold', () => {
    const plain: StandardSchemaV1 = {
      '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) }
    }
    expect(jsonSchemaOf(plain)).toBeUndefined()
    expect(jsonSchemaOf(z.object({ at: z.bigint() }))).toBeUndefined()
    expect(jsonSchemaOf(z.string())).toMatchObject({ type: 'string' })
  })
})
