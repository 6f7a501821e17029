import { defineAgent } from '@murmuration/agent'
import { counter, list, map, max, set } from '@murmuration/crdt'
import { z } from 'zod'
import { applyEffect } from './effects.ts'

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
      /** Tells whether the name was there: where it was not seen, nothing is removed. */
      remove: {
        input: named,
        output: z.boolean(),
        run: ({ input, state: s }) => {
          const had = s.names.has(input.name)
          s.names.remove(input.name)
          return had
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

/** A list that is agreed: its appends are linearizable. */
export const journal = defineAgent({
  type: 'journal',
  state: {},
  strong: { list: z.array(z.string()).default([]) }
})

/** Acts on something outside of the cluster, which takes nothing of an older epoch than it has seen. */
export const shift = defineAgent({
  type: 'shift',
  state: { acts: counter() },
  actions: {
    act: {
      input: named,
      output: z.null(),
      run: async ({ input, key, epoch, state: s }) => {
        await applyEffect({ key, epoch, name: input.name })
        s.acts.increment()
        return null
      }
    }
  }
})

/** How many entries of each writer it has. */
export const diary = defineAgent({
  type: 'diary',
  consistency: 'session',
  state: { entries: map(max<number>()) },
  actions: {
    write: {
      input: z.object({ writer: z.string(), number: z.number() }),
      output: z.record(z.string(), z.number()),
      run: ({ input: { writer, number }, state: s }) => {
        s.entries.get(writer).update(number)
        return versionsOf(s.entries.value)
      }
    }
  }
})

/** Of each writer the number of its last entry. */
export function versionsOf(
  entries: Readonly<Record<string, number | undefined>>
): Record<string, number> {
  return Object.fromEntries(Object.entries(entries).map(([writer, last]) => [writer, last ?? 0]))
}

/** The agents that hold names, which are added and removed. */
export type SetKind = 'ledger' | 'board'
export const setTypes = { ledger, board } as const
export const agentTypes = [ledger, board, vault, journal, shift, diary] as const
