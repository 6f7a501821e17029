import { createSimulation } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { createSimulatedCluster } from '../src/index.ts'
import { tally } from './tally.ts'

test('an operator sees what is waited for, and gives up only what was looked at and is gone', async () => {
  const simulation = createSimulation({ seed: 8 })
  const members = ['a', 'b', 'c', 'd', 'e', 'f']
  const cluster = await createSimulatedCluster({
    simulation,
    peers: members,
    agents: [tally],
    optionsOf: (peer) => (peer === 'operator' ? { role: 'edge' } : {})
  })
  const operator = await simulation.wait(cluster.start('operator'))
  await simulation.wait(operator.ready(), 30_000)
  const calm = await simulation.wait(operator.recovery.survey())
  expect(calm).toMatchObject({ disks: [], agents: 0, unsafe: [] })

  await simulation.wait(operator.agent(tally, 'x').call('add', 'one'))
  await simulation.run(2_000)
  const { replicas } = await simulation.wait(operator.agent(tally, 'x').state())
  const lost = replicas.slice(0, 2).toSorted()
  const lives = lost.map((name) => {
    const { peer, incarnation } = cluster.peer(name).membership.self
    return { peer, incarnation }
  })
  for (const name of lost) cluster.crash(name)
  const left = members.filter((name) => !lost.includes(name))
  const any = cluster.peer(left[0] ?? '')
  const isOut = (): boolean => any.membership.view?.members.length === left.length
  expect(await simulation.until(isOut, 10_000)).toBe(true)
  await simulation.run(3_000)

  const found = await simulation.wait(operator.recovery.survey())
  expect(found.disks.map(({ peer }) => peer).toSorted()).toEqual(lost)
  expect(found.disks.every(({ isAnswering }) => !isAnswering)).toBe(true)
  const last = cluster.peer(replicas[2] ?? '')
  const here = await simulation.wait(last.recovery.survey())
  expect(here).toMatchObject({ agents: 1, examples: [tally.id('x')] })

  const { view } = found
  const reason = 'both disks burnt'
  const refused: readonly [typeof lives, number, string][] = [
    [lives, view - 1, 'look again'],
    [[], view, 'no disks'],
    [[{ peer: left[0] ?? '', incarnation: any.membership.self.incarnation }], view, 'nobody waits'],
    [[{ peer: lost[0] ?? '', incarnation: 'another' }], view, 'nobody waits']
  ]
  for (const [disks, at, why] of refused) {
    const giving = operator.recovery.giveUp(disks, { view: at, reason })
    await expect(simulation.wait(giving, 20_000)).rejects.toThrow(why)
  }
  expect(any.membership.view?.abandoned).toBeUndefined()

  const done = await simulation.wait(operator.recovery.giveUp(lives, { view, reason }), 20_000)
  const marked = any.membership.view
  expect(marked?.number).toBe(done.view)
  expect(marked?.abandoned?.toSorted((p, q) => (p.peer < q.peer ? -1 : 1))).toEqual(lives)
  expect(marked?.unsafe).toMatchObject([{ by: 'operator', reason, abandoned: 2 }])
  await cluster.ready(left)
  await simulation.wait(operator.agent(tally, 'x').call('add', 'two'))
  const { value } = await simulation.wait(operator.agent(tally, 'x').state())
  expect(value.tags).toContain('one')
  expect(value.tags).toContain('two')
  const after = await simulation.wait(operator.recovery.survey())
  expect(after).toMatchObject({ disks: [], agents: 0, unsafe: [{ view: done.view, reason }] })
  await simulation.wait(operator.recovery.acknowledge(done.view), 20_000)
  expect((await simulation.wait(operator.recovery.survey())).unsafe).toEqual([])
})
