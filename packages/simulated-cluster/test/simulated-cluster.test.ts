import { createSimulation } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { createSimulatedCluster } from '../src/index.ts'
import type { SimulatedCluster } from '../src/index.ts'
import { runAllLayers } from './all-layers.ts'
import { tally } from './tally.ts'

const peers = ['a', 'b', 'c']
const form = (seed: number, trace = false): Promise<SimulatedCluster> => {
  const simulation = createSimulation({ seed, trace })
  return createSimulatedCluster({ simulation, peers, agents: [tally] })
}

test('a cluster without peers, or with one name twice, is refused', async () => {
  const simulation = createSimulation({ seed: 1 })
  for (const names of [[], ['a', 'a']]) {
    await expect(
      createSimulatedCluster({ simulation, peers: names, agents: [] })
    ).rejects.toMatchObject({ name: 'InvalidParametersError' })
  }
})

test('a peer that is down is not there, and one that runs is not started again', async () => {
  const cluster = await form(1)
  await expect(cluster.start('a')).rejects.toMatchObject({ name: 'InvalidParametersError' })
  cluster.crash('a')
  expect(() => cluster.peer('a')).toThrow('a is down')
  expect(cluster.running).toEqual(['b', 'c'])
})

test('a cluster that cannot come together says which view each peer has', async () => {
  const cluster = await form(2)
  cluster.simulation.split(['a'], ['b', 'c'])
  await cluster.simulation.run(12_000)
  await expect(cluster.ready(peers, 3000)).rejects.toThrow(
    /seed 2: not in one view in 3000 ms\na: view 3 \[a b c\], settled 3\nb: view \d \[b c\]/
  )
})

test('any peer may lose its disk, and no acknowledged update is lost', async () => {
  const cluster = await form(3)
  const { simulation } = cluster
  for (const [round, name] of peers.entries()) {
    const other = peers[(round + 1) % peers.length] ?? 'a'
    const found = cluster.peer(other).agent(tally, 'x').call('add', `round ${round}`)
    expect(await simulation.wait(found)).toBe(1)
    cluster.crash(name, { wiped: true })
    await simulation.wait(cluster.start(name))
    // Until every document has its copies again: then the next disk may be lost.
    await cluster.ready(peers)
  }
  const { value } = await simulation.wait(cluster.peer('b').agent(tally, 'x').state())
  expect(value.total).toBe(3)
})

test('an agent whose replicas are mostly lost goes on from the last one, once somebody gives them up', async () => {
  const simulation = createSimulation({ seed: 6 })
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  const cluster = await createSimulatedCluster({ simulation, peers: names, agents: [tally] })
  const count = await simulation.wait(cluster.peer('a').agent(tally, 'x').call('add', 'one'))
  expect(count).toBe(1)
  await simulation.run(2000)
  const { replicas } = await simulation.wait(cluster.peer('a').agent(tally, 'x').state())
  const lost = replicas.slice(0, 2)
  const lives = lost.map((name) => {
    const { peer, incarnation } = cluster.peer(name).membership.self
    return { peer, incarnation }
  })
  for (const name of lost) {
    cluster.crash(name, { wiped: true })
  }
  const left = cluster.running
  const any = cluster.peer(left[0] ?? '')
  const isOut = (): boolean => any.membership.view?.members.length === left.length
  expect(await simulation.until(isOut, 10_000)).toBe(true)
  const early = any.agent(tally, 'x').call('add', 'two', { timeoutMs: 5000 })
  await expect(simulation.wait(early)).rejects.toThrow()
  expect(any.membership.settled).toBeLessThan(any.membership.view?.number ?? 0)
  const forced: number[] = []
  any.membership.addEventListener('forced', ({ detail }) => forced.push(detail.mark.abandoned ?? 0))
  const abandon = { lives, reason: 'both disks burnt' }
  const view = await simulation.wait(any.membership.propose({ abandon }))
  expect(view.abandoned).toEqual(lives)
  expect(view.unsafe).toMatchObject([{ reason: 'both disks burnt', by: left[0], abandoned: 2 }])
  expect(forced).toEqual([2])
  await cluster.ready(left)
  await simulation.wait(any.agent(tally, 'x').call('add', 'three'))
  const { value } = await simulation.wait(any.agent(tally, 'x').state())
  expect(value.tags).toContain('one')
  expect(value.tags).toContain('three')
  const safe = await simulation.wait(any.membership.propose({ acknowledgeForced: view.number }))
  expect([safe.unsafe, safe.abandoned]).toEqual([[], lives])
  await expect(
    any.membership.propose({
      abandon: {
        lives: [{ peer: left[0] ?? '', incarnation: any.membership.self.incarnation }],
        reason: 'no'
      }
    })
  ).rejects.toMatchObject({ name: 'InvalidParametersError' })
})

test('signals of one peer reach subscribers on the others', async () => {
  const cluster = await form(4)
  const { simulation } = cluster
  const heard: string[] = []
  for (const name of peers) {
    cluster.peer(name).signals.subscribe('order.*', ({ type }) => {
      heard.push(`${name} ${type}`)
    })
  }
  await simulation.run(1000)
  await simulation.wait(cluster.peer('a').signals.publish({ type: 'order.made', data: 1 }))
  await simulation.run(1000)
  expect(heard.toSorted()).toEqual(peers.map((name) => `${name} order.made`))
})

test('peers find who offers an action', async () => {
  const cluster = await form(5)
  const { discovery } = cluster.peer('a')
  const found = await cluster.simulation.wait(
    discovery?.findCapablePeers(['tally.add']) ?? Promise.reject(new Error('no discovery'))
  )
  expect(found.answers.toSorted()).toEqual(peers)
})

test('the same seed gives the same run of all layers, with faults', async () => {
  const run = async (): Promise<readonly string[]> => {
    const simulation = createSimulation({ seed: 11, trace: true })
    const { acknowledged } = await runAllLayers(simulation)
    // Without traffic the run would show nothing.
    expect(acknowledged).toBeGreaterThan(10)
    return simulation.trace
  }
  expect(await run()).toEqual(await run())
})

test('a call that outlives its deadline is found', async () => {
  const run = runAllLayers(createSimulation({ seed: 12 }), { missesAnswer: true })
  await expect(run).rejects.toThrow(/t0 of . through p\d outlives its deadline/)
})
