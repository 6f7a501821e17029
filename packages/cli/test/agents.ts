import { defineAgent } from '@murmuration/agent'
import { counter } from '@murmuration/crdt'
import { z } from 'zod'

export const tally = defineAgent({
  type: 'tally',
  state: { count: counter() },
  actions: {
    add: {
      input: z.number(),
      output: z.number(),
      run({ input, state, emit }) {
        state.count.increment(input)
        emit({ type: 'tally.added', data: { value: input } })
        return state.count.value
      }
    }
  }
})
