import { defineAgent } from '@murmuration/agent'
import { counter } from '@murmuration/crdt'
import { z } from 'zod'

/** Runs on the peer that its key names, which may be an edge peer. */
export const device = defineAgent({
  type: 'device',
  placement: 'pinned',
  state: { total: counter() },
  actions: {
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
