import { defineAgent } from '@murmuration/agent'
import { set } from '@murmuration/crdt'
import type { RegistryChange } from '@murmuration/interface'
import { createSimulation } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createSimulatedCluster } from '../src/index.ts'

const peers = ['a', 'b', 'c', 'd', 'e']
const board = defineAgent({
  type: 'board',
  onPartition: 'continue-all',
  state: { names: set<string>() },
  actions: {
    add: {
      input: z.string(),
      output: z.null(),
      run: ({ input, state }) => {
        state.names.add(input)
        return null
      }
    }
  }
})

type Merged = Extract<RegistryChange, { type: 'merged' }>

test('an agent that both sides of a split claim has one owner after it, and what both had registered', async () => {
  const simulation = createSimulation({ seed: 11 })
  const cluster = await createSimulatedCluster({ simulation, peers, agents: [board] })
  const on = (peer: string) => cluster.peer(peer)
  const told = new Map<string, Merged[]>(peers.map((peer) => [peer, []]))
  for (const peer of peers) {
    on(peer).registry.addEventListener('merged', ({ detail }) => told.get(peer)?.push(detail))
  }
  const watched: string[] = []
  const stop = new AbortController()
  void (async () => {
    const watch = on('c').registry.watch('default/board/*', { signal: stop.signal })
    for await (const { type, id } of watch) watched.push(`${type} ${id}`)
  })()
  simulation.split(['a', 'b', 'c'], ['d', 'e'])
  await simulation.run(25_000)

  const [x, y, z3] = ['x', 'y', 'z'].map((key) => board.record(key))
  if (x === undefined || y === undefined || z3 === undefined) throw new Error('no records')
  // Both sides have x; only the smaller one has y; z is written by both and claimed by nobody.
  const there = await simulation.wait(
    on('b').registry.register({ ...x, labels: { colour: 'red', left: '1' }, metadata: { m: '1' } })
  )
  expect(there.status).toBe('claimed')
  const owner = on('d').placement.ownerOf(x) ?? ''
  const other = owner === 'd' ? 'e' : 'd'
  expect(await simulation.wait(on(other).registry.claim(x))).toEqual({
    status: 'redirect',
    peer: owner
  })
  const labels = { colour: 'blue', right: '1' }
  const here = await simulation.wait(on(owner).registry.register({ ...x, labels }))
  const branch = here.status === 'claimed' ? here.epoch.branch : undefined
  expect(branch).toBeDefined()
  expect(await simulation.wait(on(other).registry.claim(x))).toMatchObject({
    status: 'conflict',
    owner,
    epoch: { branch }
  })
  expect(await simulation.wait(on(other).registry.find(x.id))).toMatchObject({
    status: 'remote',
    peer: owner
  })
  expect((await simulation.wait(on(other).registry.describe(x.id)))?.labels).toEqual(labels)
  const yOwner = on('d').placement.ownerOf(y) ?? ''
  const alone = await simulation.wait(on(yOwner).registry.register({ ...y, labels: { y: '1' } }))
  expect(alone).toMatchObject({ status: 'claimed', epoch: { branch } })
  for (const peer of ['a', 'e']) {
    await simulation.wait(on(peer).agent(board, 'z').call('add', peer, { timeoutMs: 8_000 }))
  }

  simulation.heal()
  await cluster.ready(peers, 60_000)
  await simulation.run(20_000)
  for (const peer of peers) {
    const found = await simulation.wait(on(peer).registry.describe(x.id))
    expect(found?.labels).toEqual({ colour: 'red', left: '1', right: '1' })
    expect(found?.metadata).toEqual({ m: '1' })
    expect((await simulation.wait(on(peer).registry.describe(y.id)))?.labels).toEqual({ y: '1' })
    const merges = told.get(peer) ?? []
    expect([peer, merges.map(({ id }) => id).toSorted()]).toEqual([peer, [x.id, z3.id]])
    expect(merges.find(({ id }) => id === x.id)?.sides).toMatchObject([
      { peer: owner, branch, labels: { colour: 'blue', right: '1' } },
      { peer: 'b', labels: { colour: 'red', left: '1' }, metadata: { m: '1' } }
    ])
  }
  expect(new Set(peers.map((peer) => on(peer).placement.ownerOf(x))).size).toBe(1)
  expect(watched).toContain(`merged ${x.id}`)
  expect(watched).toContain(`registered ${y.id}`)
  expect(watched.filter((one) => one.startsWith('merged'))).toHaveLength(2)
  stop.abort()
}, 300_000)

test('a claim of one side is kept by its peer over a restart, and given up where it is unregistered', async () => {
  const simulation = createSimulation({ seed: 12 })
  const cluster = await createSimulatedCluster({ simulation, peers, agents: [board] })
  const on = (peer: string) => cluster.peer(peer)
  simulation.split(['a', 'b', 'c'], ['d', 'e'])
  await simulation.run(25_000)
  const keys = Array.from({ length: 30 }, (_, at) => `k${at}`)
  const [kept = '', dropped = ''] = keys.filter(
    (key) => on('e').placement.ownerOf(board.id(key)) === 'd'
  )
  for (const key of [kept, dropped]) {
    const claim = on('d').registry.register({ ...board.record(key), labels: { key } })
    expect((await simulation.wait(claim)).status).toBe('claimed')
  }
  expect(await simulation.wait(on('e').registry.unregister(board.id(dropped)))).toBe(true)
  cluster.crash('d')
  simulation.heal()
  await simulation.wait(cluster.start('d'), 60_000)
  await cluster.ready(peers, 60_000)
  await simulation.run(20_000)
  const found = await simulation.wait(on('b').registry.describe(board.id(kept)))
  expect(found?.labels).toEqual({ key: kept })
  const gone = await simulation.wait(on('b').registry.describe(board.id(dropped)))
  expect(gone?.labels ?? {}).toEqual({})
}, 300_000)
