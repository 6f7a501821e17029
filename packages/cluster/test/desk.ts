import { defineAgent } from '@murmuration/agent'
import { counter, set } from '@murmuration/crdt'
import { z } from 'zod'

/** Goes on on every side of a split, all of it on the steward of a side that cannot decide. */
export const desk = defineAgent({
  type: 'desk',
  onPartition: 'leader-election',
  state: { names: set<string>(), count: counter() },
  actions: {
    add: {
      input: z.string(),
      output: z.string(),
      run({ input, state, epoch }) {
        state.names.add(input)
        state.count.increment()
        return epoch.branch ?? ''
      }
    }
  }
})
