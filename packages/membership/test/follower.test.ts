import { expect, test } from 'vitest'
import { createViewFollower } from '../src/index.ts'
import type { JoiningMembership } from '../src/index.ts'
import { Cluster } from './cluster.ts'

function follow(members: Cluster, name: string, cluster = 'test'): JoiningMembership {
  const { clock, random, rpc, store, links } = members.simulation.node(name)
  const components = { clock, random, rpc, store, discovery: links }
  return createViewFollower(components, { cluster, contacts: () => ['a', 'b', 'c'] })
}

test('a follower sees each view and is in none', async () => {
  const cluster = new Cluster()
  await cluster.form(3)
  const follower = follow(cluster, 'edge')
  const seen: number[] = []
  follower.addEventListener('view', ({ detail }) => seen.push(detail.view.number))
  await cluster.simulation.wait(follower.start())
  const view = await cluster.simulation.wait(follower.joined())
  expect(view).toEqual(cluster.of('a').view)
  expect(follower.reachability('a')).toBe('reachable')
  expect(follower.reachability('z')).toBe('unreachable')

  cluster.crash('c')
  await cluster.agree(['a', 'b'])
  await cluster.simulation.run(3000)
  expect(follower.view).toEqual(cluster.of('a').view)
  expect(follower.settled).toBe(cluster.of('a').settled)
  expect(cluster.members('a')).toEqual(['a', 'b'])
  expect(seen.length).toBeGreaterThanOrEqual(2)
  await follower.leave()
  follower.reportSettled(1)
  expect(() => follower.reportSettled(Number.NaN)).toThrow(/integer/)
})

test('a follower catches up at once when it is told of a newer view', async () => {
  const cluster = new Cluster()
  await cluster.form(2)
  const follower = follow(cluster, 'edge')
  await cluster.simulation.wait(follower.start())
  await cluster.simulation.wait(follower.joined())
  cluster.start('c')
  await cluster.agree(['a', 'b', 'c'])
  const number = cluster.of('a').view?.number ?? 0
  const view = await cluster.simulation.wait(follower.catchUp(number, 'a'), 100)
  expect(view.number).toBe(number)
  await expect(cluster.simulation.wait(follower.catchUp(99, 'a'))).rejects.toMatchObject({
    name: 'UnavailableError'
  })
})

test('a follower does not follow a cluster of another name, and stops', async () => {
  const cluster = new Cluster()
  await cluster.form(1)
  const follower = follow(cluster, 'edge', 'other')
  await cluster.simulation.wait(follower.start())
  await cluster.simulation.run(5000)
  expect(follower.view).toBeUndefined()
  const joining = expect(follower.joined()).rejects.toMatchObject({ name: 'NotStartedError' })
  await cluster.simulation.wait(follower.stop())
  await joining
})

test('only its boot survives a restart', async () => {
  const cluster = new Cluster()
  await cluster.form(1)
  const first = follow(cluster, 'edge')
  await cluster.simulation.wait(first.start())
  const { incarnation } = first.self
  cluster.simulation.crash('edge')
  const second = follow(cluster, 'edge')
  await cluster.simulation.wait(second.start())
  expect(second.self).toEqual({ peer: 'edge', incarnation, boot: 2 })
  expect(second.view).toBeUndefined()
  await cluster.simulation.wait(second.joined())
})
