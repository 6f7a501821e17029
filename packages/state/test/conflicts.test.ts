import { counter, lww } from '@murmuration/crdt'
import type { StateEvents } from '../src/index.ts'
import { expect, test } from 'vitest'
import { recordOf, World } from './world.ts'
import type { Peer } from './world.ts'

const id = 'test/doc/a'
const schema = { title: lww<string>(), count: counter() }

type Told = StateEvents['conflict']['detail'] & { readonly peer: string }

function listen(world: World, told: Told[]): void {
  for (const { name, state } of world.peers) {
    state!.addEventListener('conflict', ({ detail }) => told.push({ peer: name, ...detail }))
  }
}

/** Writes a title as the owner, and says whether it was acknowledged. */
async function write(world: World, peer: Peer, title: string): Promise<boolean> {
  const writing = async (): Promise<boolean> => {
    const owned = await peer.state!.own(recordOf(id))
    const { draft, operations } = owned.document.draft(schema)
    draft.title.set(title)
    draft.count.increment()
    await owned.commit(operations)
    return true
  }
  return world.simulation.wait(writing().catch(() => false))
}

test('values that two owners wrote at the same time are an event, once, where the owner is', async () => {
  const world = await World.of(4)
  const told: Told[] = []
  listen(world, told)
  const first = world.ownerOf(id)!
  expect(await write(world, first, 'before')).toBe(true)
  await world.simulation.run(1000)
  world.isolate(first)
  world.deaf.add(first.name)
  expect(await write(world, first, 'cut off')).toBe(false)
  world.newView(world.peers.filter((peer) => peer !== first))
  await world.simulation.run(1000)
  const second = world.ownerOf(id)!
  expect(await write(world, second, 'after')).toBe(true)
  await world.simulation.run(1000)
  expect(told).toEqual([])

  world.deaf.clear()
  world.simulation.heal()
  world.newView(world.peers.filter((peer) => peer !== first))
  await world.simulation.run(5000)
  const both = { field: 'title', kind: 'lww', values: expect.any(Array) as unknown }
  expect(told).toMatchObject([{ peer: second.name, id, conflicts: [both] }])
  expect(new Set(told[0]?.conflicts[0]?.values)).toEqual(new Set(['after', 'cut off']))
  // Both counted: that is no conflict.
  expect(second.state!.held(id)!.copy.live.value(schema).count).toBe(3)

  // The next owner finds it too, and whoever writes the field again settles it.
  world.newView(world.peers)
  await world.simulation.run(3000)
  expect(world.ownerOf(id)).toBe(first)
  await world.simulation.wait(first.state!.own(recordOf(id)))
  await world.simulation.run(10)
  expect(told.map(({ peer }) => peer)).toEqual([second.name, first.name])
  expect(await write(world, first, 'settled')).toBe(true)
  world.newView(world.peers.filter((peer) => peer !== first))
  await world.simulation.run(3000)
  await world.simulation.wait(second.state!.own(recordOf(id)))
  await world.simulation.run(10)
  expect(told).toHaveLength(2)
})
