import { counter, lww, map } from '@murmuration/crdt'
import type { CounterDraft, LwwDraft } from '@murmuration/crdt'
import { defineAction, defineAgent } from '@murmuration/agent'
import type { AgentRef, Agents, AgentType } from '@murmuration/agent'
import type { Epoch, StateReading } from '@murmuration/interface'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'

const state = { total: counter(), name: lww<string>(), byDay: map(counter()) }

const rename = defineAction({
  state,
  description: 'Gives it a name.',
  input: z.object({ name: z.string(), shout: z.boolean().default(false) }),
  output: z.object({ before: z.string().optional(), at: z.number().transform(String) }),
  run({ input, state: draft, epoch, signal }) {
    expectTypeOf(input).toEqualTypeOf<{ name: string; shout: boolean }>()
    expectTypeOf(draft.total).toEqualTypeOf<CounterDraft>()
    expectTypeOf(draft.name).toEqualTypeOf<LwwDraft<string>>()
    expectTypeOf(epoch).toEqualTypeOf<Epoch>()
    expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
    const before = draft.name.value
    draft.name.set(input.name)
    return before === undefined ? { at: 1 } : { before, at: 1 }
  }
})

const till = defineAgent({
  type: 'till',
  state,
  actions: {
    add: {
      input: z.number(),
      output: z.number(),
      run({ input, state: draft, emit, key, id }) {
        expectTypeOf(input).toEqualTypeOf<number>()
        expectTypeOf(draft.total).toEqualTypeOf<CounterDraft>()
        expectTypeOf(key).toEqualTypeOf<string>()
        expectTypeOf(id).toEqualTypeOf<string>()
        draft.total.increment(input)
        emit({ type: 'till.added', data: input })
        return draft.total.value
      }
    },
    later: {
      input: z.string().transform(Number),
      output: z.string(),
      async run({ input }) {
        expectTypeOf(input).toEqualTypeOf<number>()
        return String(input)
      }
    },
    rename
  },
  on: {
    'day.*': (signal, { state: draft }) => {
      expectTypeOf(signal.type).toEqualTypeOf<string>()
      expectTypeOf(draft.total).toEqualTypeOf<CounterDraft>()
      draft.byDay.get(signal.type).increment()
    }
  }
})

const bare = defineAgent({ type: 'bare', state: { n: counter() } })

/** Compiled and never called: the types are the test. */
async function uses(agents: Agents): Promise<void> {
  const ref = agents.agent(till, 'k')
  expectTypeOf(await ref.call('add', 1)).toEqualTypeOf<number>()
  // The input before it is parsed, the output after.
  expectTypeOf(await ref.call('later', '1')).toEqualTypeOf<string>()
  expectTypeOf(await ref.call('rename', { name: 'a' })).toEqualTypeOf<{
    before?: string | undefined
    at: string
  }>()
  expectTypeOf(await ref.state()).toEqualTypeOf<
    StateReading<{
      readonly total: number
      readonly name: string | undefined
      readonly byDay: Readonly<Record<string, number>>
    }>
  >()
  await ref.update((draft) => {
    expectTypeOf(draft.total).toEqualTypeOf<CounterDraft>()
    expectTypeOf(draft.byDay.get('mo')).toEqualTypeOf<CounterDraft>()
    // @ts-expect-error -- no such field
    void draft.other
  })
  for await (const { value } of ref.watch()) expectTypeOf(value.total).toEqualTypeOf<number>()

  // @ts-expect-error -- the input is a number
  await ref.call('add', '1')
  // @ts-expect-error -- no such action
  await ref.call('subtract', 1)
  // @ts-expect-error -- a field is missing
  await ref.call('rename', {})
  // @ts-expect-error -- the input is missing
  await ref.call('add')
  // @ts-expect-error -- CRDTs merge: strong cannot be the level of a type
  defineAgent({ type: 'x', state: {}, consistency: 'strong' })
  // @ts-expect-error -- no such action
  till.tool('subtract')

  expectTypeOf<Parameters<AgentRef<typeof bare>['call']>[0]>().toEqualTypeOf<never>()
  expectTypeOf(agents.get('default/till/k').call('anything', 1)).toEqualTypeOf<Promise<unknown>>()
}

describe('types', () => {
  it('infer inputs, outputs and state from the definition to the reference', () => {
    expectTypeOf(uses).toBeFunction()
    expectTypeOf(till.state).toEqualTypeOf<typeof state>()
    expect(till.id('k')).toBe('default/till/k')
  })

  it('let any agent type stand where a list of types is wanted', () => {
    const types: readonly AgentType[] = [till, bare]
    expect(types).toHaveLength(2)
    expectTypeOf<AgentRef<typeof till>['id']>().toEqualTypeOf<string>()
  })

  it('refuse an action for another state, and an output that its schema does not have', () => {
    const wrong = () =>
      defineAgent({
        type: 'wrong',
        state: { other: counter() },
        // @ts-expect-error -- `rename` is an action of another state
        actions: { rename }
      })
    const output = () =>
      defineAction({
        state,
        input: z.number(),
        output: z.number(),
        // @ts-expect-error -- the output is a number
        run: () => 'no'
      })
    expect(wrong().type).toBe('wrong')
    expect(output().input).toBeDefined()
  })
})
