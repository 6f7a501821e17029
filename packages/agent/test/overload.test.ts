import { defineAgent } from '@murmuration/agent'
import { counter } from '@murmuration/crdt'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { FakeCluster, settle } from './fake-cluster.ts'
import { outcomeOf } from './outcome.ts'

const WORK_MS = 50
let cluster: FakeCluster
/** When handlers began. */
let begun: number[] = []

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => void cluster.clock.schedule(ms, resolve))

const clerk = defineAgent({
  type: 'clerk',
  state: { done: counter() },
  actions: {
    work: {
      input: z.number(),
      output: z.number(),
      async run({ input }) {
        begun.push(input)
        await pause(WORK_MS)
        return input
      }
    },
    long: { input: z.number(), output: z.null(), run: ({ input }) => pause(input).then(() => null) }
  }
})

describe.each(['on the owner', 'from another peer'])(
  'more calls than an agent can do, %s',
  (where) => {
    const caller = () => {
      const owner = cluster.ownerOf(clerk.record('a'))
      const peer = where === 'on the owner' ? owner : (cluster.othersThan(owner)[0] ?? owner)
      return peer.agents.agent(clerk, 'a')
    }

    beforeEach(() => {
      begun = []
      cluster = new FakeCluster(['a', 'b', 'c'], { types: [clerk] })
    })
    afterEach(async () => {
      cluster.stop()
      await settle()
    })

    it('leave as many answered in time as it can do', async () => {
      const ref = caller()
      await Promise.all([ref.call('work', 0), cluster.clock.advance(100)])
      const calls = []
      for (let elapsed = 0; elapsed < 5_000; elapsed += 10) {
        calls.push(outcomeOf(ref.call('work', elapsed, { timeoutMs: 500 })))
        await cluster.clock.advance(10)
      }
      await cluster.clock.advance(1_000)
      const answered = calls.filter(({ done, error }) => done && error === undefined)
      expect(answered.length).toBeGreaterThan(0.9 * (5_000 / WORK_MS))
    })

    it('let the last one begin, however late: nothing else would be done', async () => {
      const ref = caller()
      const first = outcomeOf(ref.call('long', 400))
      await cluster.clock.advance(10)
      const last = outcomeOf(ref.call('work', 7, { timeoutMs: 500 }))
      await cluster.clock.advance(480)
      expect(first.done).toBe(true)
      expect(last.value).toBe(7)
    })

    it('shed what waited for half of its time where others wait behind it, before it begins', async () => {
      const ref = caller()
      void outcomeOf(ref.call('long', 300))
      await cluster.clock.advance(10)
      const late = outcomeOf(ref.call('work', 1, { timeoutMs: 500 }))
      const patient = outcomeOf(ref.call('work', 2, { timeoutMs: 5_000 }))
      await cluster.clock.advance(360)
      expect(patient.value).toBe(2)
      expect(begun[0]).toBe(2)
      await cluster.clock.advance(300)
      // It was not begun, so it was repeated, and nothing was before it then.
      expect(late.value).toBe(1)
      expect(begun).toEqual([2, 1])
    })
  }
)
