import { expect, test } from 'vitest'
import type { ReadOptions } from '../src/index.ts'
import { recordOf, schema, World } from './world.ts'
import type { Peer } from './world.ts'

const id = 'test/doc/a'

/** A document with 5 in it, a peer without a copy, and the replicas in the order in which that asks them. */
async function setup() {
  const world = await World.of(5)
  const owner = world.ownerOf(id)!
  const document = await world.simulation.wait(owner.state!.own(recordOf(id)))
  const { draft, operations } = document.document.draft(schema)
  draft.total.increment(5)
  const { version } = await world.simulation.wait(document.commit(operations))
  await world.simulation.run(500)
  const reader = world.peers.findLast((peer) => peer.state!.held(id) === undefined)!
  const { replicas } = await world.simulation.wait(owner.state!.read(recordOf(id)))
  expect(replicas[0]).toBe(owner.name)
  return { world, reader, version, replicas }
}

/** What a read gives, and how long it takes in simulated time. */
async function timed(world: World, reader: Peer, options: ReadOptions) {
  const from = world.simulation.now
  const reading = await world.simulation.wait(reader.state!.read(recordOf(id), options))
  return { total: reading.document.value(schema).total, ms: world.simulation.now - from }
}

test('a hedged read asks the next replica where the nearest is frozen', async () => {
  const { world, reader, replicas } = await setup()
  world.simulation.pause(replicas[0]!)
  const plain = await timed(world, reader, { stale: true })
  expect(plain.total).toBe(5)
  expect(plain.ms).toBeGreaterThan(100)
  const hedged = await timed(world, reader, { stale: true, hedgeAfterMs: 30 })
  expect(hedged.total).toBe(5)
  expect(hedged.ms).toBeGreaterThanOrEqual(30)
  expect(hedged.ms).toBeLessThan(100)
})

test('a hedged read of a session asks further replicas where the owner is frozen', async () => {
  const { world, reader, replicas, version } = await setup()
  world.simulation.pause(replicas[0]!)
  await expect(timed(world, reader, { after: version })).rejects.toThrow()
  const { total, ms } = await timed(world, reader, { after: version, hedgeAfterMs: 30 })
  expect(total).toBe(5)
  expect(ms).toBeLessThan(100)
})

test('only who may answer is asked: a read of the owner has no hedge', async () => {
  const { world, reader } = await setup()
  for (const options of [{ hedgeAfterMs: 30 }, { stale: true, hedgeAfterMs: -1 }]) {
    await expect(timed(world, reader, options)).rejects.toMatchObject({
      name: 'InvalidParametersError'
    })
  }
})

test('where nobody answers, a hedged read fails as any other', async () => {
  const { world, reader, replicas } = await setup()
  for (const replica of replicas) world.simulation.pause(replica)
  await expect(timed(world, reader, { stale: true, hedgeAfterMs: 30 })).rejects.toMatchObject({
    name: 'UnavailableError',
    retryable: true
  })
})
