import type { VersionVector } from '@murmuration/interface'
import { expect, test } from 'vitest'
import { recordOf, schema, World } from './world.ts'
import type { Peer } from './world.ts'

const id = 'test/doc/a'

async function read(world: World, peer: Peer, after: VersionVector) {
  const { document, version } = await world.simulation.wait(
    peer.state!.read(recordOf(id), { after })
  )
  return { total: document.value(schema).total, version }
}

/** The owner is cut off, executes an update that nobody else gets, and shows it to a session. */
async function setup() {
  const world = await World.of(5)
  const owner = world.ownerOf(id)!
  const increment = async (): Promise<unknown> => {
    const owned = await owner.state!.own(recordOf(id))
    const { draft, operations } = owned.document.draft(schema)
    draft.total.increment(1)
    return owned.commit(operations)
  }
  await world.simulation.wait(increment())
  await world.simulation.run(500)
  world.isolate(owner)
  const lost = increment()
  await expect(world.simulation.wait(lost)).rejects.toMatchObject({ name: 'OutcomeUnknownError' })
  const { total, version } = await read(world, owner, {})
  expect(total).toBe(2)
  return { world, owner, version, rest: world.peers.filter((peer) => peer !== owner) }
}

test('a session that has read what was lost before it was acknowledged is told so, and another one goes on', async () => {
  const { world, owner, version, rest } = await setup()
  world.crash(owner, { wipe: true })
  world.newView(rest)
  await world.simulation.run(1_000)
  for (const peer of rest) {
    await expect(read(world, peer, version)).rejects.toMatchObject({
      name: 'SessionAheadError',
      retryable: true
    })
    expect((await read(world, peer, {})).total).toBe(1)
  }
})

test('a session goes on when what it had read comes back with the one that has it', async () => {
  const { world, owner, version, rest } = await setup()
  world.crash(owner, { wipe: false })
  world.newView(rest)
  await world.simulation.run(1_000)
  const [reader] = rest
  await expect(read(world, reader!, version)).rejects.toMatchObject({ name: 'SessionAheadError' })
  world.simulation.heal()
  await world.start(owner)
  world.newView(world.peers)
  await world.simulation.run(3_000)
  for (const peer of world.peers) expect((await read(world, peer, version)).total).toBe(2)
})
