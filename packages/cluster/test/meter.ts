import { defineAgent } from '@murmuration/agent'
import { counter, map } from '@murmuration/crdt'
import { z } from 'zod'

/** How long a slow addition takes, in milliseconds; the clock that counts goes on while it stands. */
const slowMs = 1000

/** Counts what it is given, and how often. */
export const meter = defineAgent({
  type: 'meter',
  state: { total: counter(), times: map(counter()) },
  actions: {
    add: {
      input: z.number(),
      output: z.number(),
      run({ input, state }) {
        state.times.get(String(input)).increment()
        state.total.increment(input)
        return state.total.value
      }
    },
    slow: {
      input: z.number(),
      output: z.number(),
      async run({ input, state }) {
        await new Promise((resolve) => setTimeout(resolve, slowMs))
        state.times.get(String(input)).increment()
        state.total.increment(input)
        return state.total.value
      }
    }
  }
})
