import { defineAgent } from '@murmuration/agent'
import { counter, list, set } from '@murmuration/crdt'
import { z } from 'zod'

const state = {
  /** Every addition counts once: equal to the number of names ever added. */
  count: counter(),
  names: set<string>(),
  /** Names in the order of their addition. */
  log: list<string>()
}

const named = z.object({ name: z.string() })

const define = (type: string, onPartition: 'pause-minority' | 'continue-all') =>
  defineAgent({
    type,
    state,
    onPartition,
    actions: {
      add: {
        input: named,
        output: z.null(),
        run: ({ input, state: s }) => {
          s.count.increment()
          s.names.add(input.name)
          if (s.log.length < LOG_MAX) s.log.push(input.name)
          return null
        }
      },
      remove: {
        input: named,
        output: z.null(),
        run: ({ input, state: s }) => {
          s.names.remove(input.name)
          return null
        }
      },
      size: {
        input: z.null(),
        output: z.number(),
        run: ({ state: s }) => s.count.value
      }
    }
  })

/** Of the append list, which is written whole with each snapshot. */
const LOG_MAX = 200

/** Stops on the side that cannot decide. */
export const ledger = define('ledger', 'pause-minority')
/** Goes on everywhere, where copies can be had. */
const board = define('board', 'continue-all')

/** Its state is agreed: `durability` writes it beside that of the ledger. */
export const vault = defineAgent({
  type: 'vault',
  state: {},
  strong: { names: z.array(z.string()).default([]) },
  actions: {
    append: {
      part: 'strong',
      input: named,
      output: z.array(z.string()),
      run: ({ input, strong }) => {
        strong.names = [...strong.names, input.name]
        return strong.names
      }
    }
  }
})

export type Kind = 'ledger' | 'board'
export const agentTypes = { ledger, board } as const
