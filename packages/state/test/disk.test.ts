import { StorageError } from '@murmuration/interface'
import type { Store } from '@murmuration/interface'
import { createMemoryStore } from '@murmuration/storage'
import { createSimulation } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { Disk } from '../src/disk.ts'
import { recordOf, schema, World } from './world.ts'

const ID = 'test/doc/a'

test('a write that failed is tried again by itself, until the disk takes it', async () => {
  const simulation = createSimulation({ seed: 1 })
  const { clock } = simulation.node('p')
  const memory = createMemoryStore()
  let isFailing = true
  const store: Store = {
    ...memory,
    entries: (range) => memory.entries(range),
    write: (batch, options) =>
      isFailing ? Promise.reject(new StorageError('no')) : memory.write(batch, options)
  }
  const disk = new Disk({ store, mutants: {}, clock, onCorrupt: () => {} })
  await expect(disk.raiseBoot('q', 3)).rejects.toMatchObject({ name: 'StorageError' })
  await simulation.run(60_000)
  expect(disk.failure).toBeDefined()
  isFailing = false
  await simulation.run(3_000)
  expect(disk.failure).toBeUndefined()
  expect((await disk.load()).boots.get('q')).toBe(3)
})

test('an owner goes on when its disk does, although nobody repeats what failed', async () => {
  const world = await World.of(3)
  const { simulation } = world
  const owner = world.ownerOf(ID)!
  const owned = await simulation.wait(owner.state!.own(recordOf(ID)))
  const count = () => {
    const { draft, operations } = owned.document.draft(schema)
    draft.total.increment()
    return owned.commit(operations)
  }
  await simulation.wait(count())
  await simulation.run(1_000)
  simulation.failWrites(owner.name, true)
  // What fails is no update: a peer starts anew, and its boot has to be remembered.
  const other = world.peers.find((peer) => peer !== owner)!
  world.crash(other, { wipe: false })
  await simulation.wait(world.start(other))
  await simulation.run(1_000)
  await expect(simulation.wait(count())).rejects.toMatchObject({ name: 'StorageError' })
  simulation.failWrites(owner.name, false)
  await simulation.run(3_000)
  expect((await simulation.wait(count())).copies).toBeGreaterThanOrEqual(2)
  expect(owned.document.value(schema).total).toBe(2)
})
