import { defineAgent } from '@murmuration/agent'
import { counter } from '@murmuration/crdt'
import type { AgentRecord } from '@murmuration/interface'
import { createSimulation } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { appendRequest } from '../../state/src/core/messages.ts'
import { createSimulatedCluster } from '../src/index.ts'
import type { SimulatedCluster } from '../src/index.ts'
import { runEdges } from './edges.ts'

const members = ['a', 'b', 'c']
const edge = 'e'

function meter(type: string, onPartition: 'continue-all' | 'pause-minority') {
  return defineAgent({
    type,
    placement: 'pinned',
    onPartition,
    state: { total: counter() },
    actions: {
      add: {
        input: z.number(),
        output: z.number(),
        run: ({ input, state }) => {
          state.total.increment(input)
          return state.total.value
        }
      }
    }
  })
}
const alone = meter('alone', 'continue-all')
const together = meter('together', 'pause-minority')
const placed = defineAgent({ type: 'placed', state: { total: counter() } })

async function cluster(seed: number): Promise<SimulatedCluster> {
  const made = await createSimulatedCluster({
    simulation: createSimulation({ seed, trace: true }),
    peers: members,
    agents: [alone, together, placed],
    optionsOf: (name) => (name === edge ? { role: 'edge' } : {})
  })
  await made.simulation.wait(made.start(edge))
  return made
}

test('an edge peer that nobody reaches goes on for itself where its type says so, and hands over', async () => {
  const made = await cluster(1)
  const { simulation } = made
  const device = made.peer(edge)
  for (const type of [alone, together]) {
    expect(await simulation.wait(made.peer('a').agent(type, edge).call('add', 1))).toBe(1)
  }
  simulation.split([edge], members)
  // Longer than any lease.
  await simulation.run(20_000)
  const local = { ack: 'local', timeoutMs: 2000 } as const
  for (let count = 2; count <= 5; count++) {
    expect(await simulation.wait(device.agent(alone, edge).call('add', 1, local))).toBe(count)
  }
  const paused = simulation.wait(device.agent(together, edge).call('add', 1, local))
  await expect(paused).rejects.toMatchObject({
    name: expect.stringMatching(/Unavailable|DeadlineEx/)
  })
  const other = made.peer('b').agent(alone, edge).call('add', 1, { timeoutMs: 2000 })
  await expect(simulation.wait(other)).rejects.toMatchObject({ outcomeUnknown: true })
  // Its process may die before anybody reaches it again; its disk may not.
  made.crash(edge)
  simulation.heal()
  await simulation.wait(made.start(edge))
  const late = { timeoutMs: 20_000 }
  expect(await simulation.wait(made.peer('b').agent(alone, edge).call('add', 1, late))).toBe(6)
  expect(await simulation.wait(made.peer('b').agent(together, edge).call('add', 1, late))).toBe(2)
})

test('an edge peer that becomes a member goes on as the owner, and so the other way round', async () => {
  let role: 'edge' | 'member' = 'edge'
  const made = await createSimulatedCluster({
    simulation: createSimulation({ seed: 3 }),
    peers: members,
    agents: [together],
    optionsOf: (name) => (name === edge ? { role } : {})
  })
  const { simulation } = made
  const late = { timeoutMs: 30_000 }
  for (const [round, next] of (['edge', 'member', 'edge'] as const).entries()) {
    role = next
    await simulation.wait(made.start(edge))
    if (role === 'member') await made.ready([...members, edge])
    const ref = made.peer('a').agent(together, edge)
    expect(await simulation.wait(ref.call('add', 1, late), 40_000)).toBe(round + 1)
    const { replicas } = await simulation.wait(made.peer('b').agent(together, edge).state())
    expect(replicas).toHaveLength(3)
    made.crash(edge)
    await made.ready(members)
  }
})

test('an edge peer asks nobody for hand-overs where it has nothing to take over', async () => {
  const made = await cluster(4)
  const { simulation } = made
  await simulation.run(5000)
  const told = simulation.trace.filter((line) => /\be→\w+ (membership|registry|state)\./.test(line))
  expect(told.filter((line) => line.includes('registry.seat')).length).toBeGreaterThan(0)
  expect(told.filter((line) => line.includes(' state.'))).toEqual([])
})

test('an edge peer brings state of what is pinned to it, and of nothing else', async () => {
  const made = await cluster(5)
  const { simulation } = made
  const { rpc } = simulation.node(edge)
  const view = made.peer('a').view?.number ?? 0
  const bring = async (record: AgentRecord): Promise<string> => {
    const documents = [{ record, entries: [], folds: [] }]
    const sender = { view, incarnation: 'edge', boot: 1 }
    const request = appendRequest.encode({ ...sender, documents })
    const sent = rpc.call('a', 'state.pinned.append', request)
    return await simulation.wait(
      sent.then(
        () => 'taken',
        (error: Error) => error.name
      )
    )
  }
  const own = alone.record(edge)
  expect(await bring(own)).toBe('taken')
  expect(await bring(alone.record('a'))).toBe('NotOwnerError')
  expect(await bring(alone.record('somebody'))).toBe('NotOwnerError')
  expect(await bring({ ...own, placement: 'hash' })).toBe('NotOwnerError')
  // Its key is the name of the edge peer, but such agents are not pinned.
  expect(await bring({ ...placed.record(edge), placement: 'pinned' })).toBe('NotOwnerError')
})

test('what an edge peer acknowledged is never lost or counted twice', async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const { acknowledged } = await runEdges(createSimulation({ seed }))
    expect(acknowledged).toBe(60)
  }
})
