import { defineAgent } from '@murmuration/agent'
import { counter, map, set } from '@murmuration/crdt'
import { z } from 'zod'

/** Counts each tag that it is given; of each tag there must be one at the end. */
export const tally = defineAgent({
  type: 'tally',
  state: { hits: map(counter()), tags: set<string>(), total: counter() },
  actions: {
    add: {
      input: z.string(),
      output: z.number(),
      run({ input, state }) {
        state.hits.get(input).increment()
        state.tags.add(input)
        state.total.increment()
        return state.hits.get(input).value
      }
    }
  }
})
