import { expect, test } from 'vitest'
import type { OwnedDocument } from '../src/index.ts'
import { recordOf, schema, World } from './world.ts'

const id = 'test/doc/a'

function increment(document: OwnedDocument) {
  const { draft, operations } = document.document.draft(schema)
  draft.total.increment(1)
  return operations
}

test('an owner with a full disk refuses updates and serves reads, and goes on when there is room', async () => {
  const world = await World.of(3)
  const { simulation } = world
  const owner = world.ownerOf(id)!
  const document = await simulation.wait(owner.state!.own(recordOf(id)))
  await simulation.wait(document.commit(increment(document)))

  simulation.limitDisk(owner.name, 1)
  // The first one meets the disk: two others have it, so it counts.
  const first = await simulation.wait(document.commit(increment(document)))
  expect(first.copies).toBe(2)
  const before = document.document.encode()
  await expect(document.commit(increment(document))).rejects.toMatchObject({
    name: 'StorageError',
    outcomeUnknown: false
  })
  expect(document.document.encode()).toEqual(before)
  const read = await simulation.wait(owner.state!.read(recordOf(id)))
  expect(read.document.value(schema).total).toBe(2)

  simulation.limitDisk(owner.name, Infinity)
  await simulation.run(1_000)
  await simulation.wait(document.commit(increment(document)))
  for (const peer of world.peers) world.crash(peer, { wipe: false })
  for (const peer of world.peers) await simulation.wait(world.start(peer))
  const again = await simulation.wait(world.ownerOf(id)!.state!.own(recordOf(id)))
  expect(again.document.value(schema).total).toBe(3)
})

test('a replica with a full disk confirms nothing, and has everything when there is room', async () => {
  const world = await World.of(3)
  const { simulation } = world
  const owner = world.ownerOf(id)!
  const document = await simulation.wait(owner.state!.own(recordOf(id)))
  await simulation.wait(document.commit(increment(document)))
  const [full, other] = world.peers.filter((peer) => peer !== owner)
  simulation.limitDisk(full!.name, 1)
  expect((await simulation.wait(document.commit(increment(document)))).copies).toBe(2)
  // With the third one away nobody is left who could take a second copy.
  world.isolate(other!)
  await expect(simulation.wait(document.commit(increment(document)))).rejects.toMatchObject({
    name: 'OutcomeUnknownError'
  })
  simulation.limitDisk(full!.name, Infinity)
  await simulation.run(2_000)
  expect(full!.state!.held(id)!.copy.live.value(schema).total).toBe(3)
  expect((await simulation.wait(document.commit(increment(document)))).copies).toBe(2)
})
