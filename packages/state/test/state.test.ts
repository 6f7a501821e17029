import { expect, test } from 'vitest'
import { recordOf, schema, World } from './world.ts'

const id = 'test/doc/a'

function update(sequence: number, lowest = 0) {
  return { id, session: 's', sequence, lowest, update: { kind: 'count', by: 1 } as const }
}

test('an update is on two replicas when it is acknowledged, and on all soon after', async () => {
  const world = await World.of(3)
  const owner = world.ownerOf(id)!
  const owned = await world.simulation.wait(owner.state!.own(recordOf(id)))
  const { draft, operations } = owned.document.draft(schema)
  draft.total.increment(5)
  const commit = await world.simulation.wait(owned.commit(operations))
  expect(commit.copies).toBeGreaterThanOrEqual(2)
  expect(commit.duplicate).toBe(false)
  await world.simulation.run(500)
  for (const peer of world.peers) {
    const reading = await world.simulation.wait(peer.state!.read(recordOf(id), { stale: true }))
    expect(reading.document.value(schema).total).toBe(5)
  }
})

test('a repeated key gives the first result and counts once', async () => {
  const world = await World.of(3)
  const owner = world.ownerOf(id)!.name
  const first = await world.simulation.wait(world.request('c', owner, update(0)))
  const second = await world.simulation.wait(world.request('c', owner, update(0)))
  expect(first).toEqual(second)
  const reading = await world.simulation.wait(world.peers[0]!.state!.read(recordOf(id)))
  expect(reading.document.value(schema).total).toBe(1)
})

test('the next owner has everything after the first one died with its disk', async () => {
  const world = await World.of(4)
  const owner = world.ownerOf(id)!
  for (let at = 0; at < 20; at++) {
    await world.simulation.wait(world.request('c', owner.name, update(at, at)))
  }
  world.crash(owner, { wipe: true })
  world.newView(world.peers.filter((peer) => peer !== owner))
  await world.simulation.run(100)
  const next = world.ownerOf(id)!
  expect(next).not.toBe(owner)
  const repeated = await world.simulation.wait(world.request('c', next.name, update(19, 19)))
  expect(repeated.status).toBe('ok')
  const reading = await world.simulation.wait(next.state!.read(recordOf(id)))
  expect(reading.document.value(schema).total).toBe(20)
  await world.simulation.run(3000)
  expect(world.views.settled).toBe(2)
})
