import { defineAgent } from '@murmuration/agent'
import { counter } from '@murmuration/crdt'
import { createSimulation } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createSimulatedCluster } from '../src/index.ts'

const peers = ['a', 'b', 'c', 'd', 'e']
/** Rule 9: an owner that is silent is out of the view, and the next one answers. */
const servedMs = 9000

const meter = defineAgent({
  type: 'meter',
  state: { total: counter() },
  strong: { level: z.number().default(0) },
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

test.each(['stands still', 'loses its machine'])(
  'when an owner %s, calls, updates and reads under way go on with the next one',
  async (how) => {
    const simulation = createSimulation({ seed: 1 })
    const cluster = await createSimulatedCluster({ simulation, peers, agents: [meter] })
    const owner = cluster.peer('a').placement.ownerOf(meter.id('x')) ?? ''
    const other = peers.find((name) => name !== owner) ?? ''
    const ref = cluster.peer(other).agent(meter, 'x')
    const raise = (draft: { level: number }): void => void draft.level++
    await simulation.wait(ref.call('add', 1))
    await simulation.wait(ref.update(raise, { consistency: 'strong' }))
    if (how === 'stands still') simulation.pause(owner)
    else cluster.crash(owner, { machine: true })
    const began = simulation.now
    const work: Record<string, Promise<unknown>> = {
      call: ref.call('add', 1),
      update: ref.update((draft) => draft.total.increment(1)),
      read: ref.state(),
      'session read': ref.state({ consistency: 'session' }),
      'strong read': ref.state({ consistency: 'strong' }),
      'strong update': ref.update(raise, { consistency: 'strong' })
    }
    const late: string[] = []
    const timed = Object.entries(work).map(async ([name, task]) => {
      await task
      if (simulation.now - began > servedMs) late.push(name)
    })
    await simulation.wait(Promise.all(timed))
    expect(late).toEqual([])
    expect((await simulation.wait(ref.state())).value.total).toBe(3)
    const strong = await simulation.wait(ref.state({ consistency: 'strong' }))
    expect(strong.value.level).toBe(2)
  }
)
