import { defineAgent } from '@murmuration/agent'
import { counter } from '@murmuration/crdt'
import { z } from 'zod'

/** A small agent: a call that changes nothing, and a counter to update. */
export const meter = defineAgent({
  type: 'meter',
  state: { total: counter() },
  strong: { level: z.number().default(0) },
  actions: {
    echo: { input: z.string(), output: z.string(), run: ({ input }) => input },
    add: {
      input: z.number(),
      output: z.number(),
      run({ input, state }) {
        state.total.increment(input)
        return state.total.value
      }
    }
  }
})
