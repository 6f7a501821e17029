import { runSeeds } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import type { OwnedDocument } from '../src/index.ts'
import { run } from './run.ts'
import { recordOf, schema, World } from './world.ts'
import type { Peer } from './world.ts'

const ID = 'test/doc/a'
const MAX = 8

async function owned(world: World): Promise<OwnedDocument> {
  return await world.simulation.wait(world.ownerOf(ID)!.state!.own(recordOf(ID)))
}

/** One update of a client that has never sent anything, and never will again. */
async function once(world: World, session: string): Promise<void> {
  const document = await owned(world)
  const { draft, operations } = document.document.draft(schema)
  draft.total.increment()
  const key = { session, sequence: 1, lowest: 1, since: document.forgotten }
  await world.simulation.wait(document.commit(operations, { key }))
}

/** A document that has forgotten the first of many clients. */
async function forgetful(clients: number): Promise<World> {
  const world = await World.of(4, { members: 4, sessionsMax: MAX })
  for (let at = 0; at < clients; at++) {
    await once(world, `c${at}`)
    if (at % 10 === 9) await world.simulation.run(1_000)
  }
  await world.simulation.run(2_000)
  return world
}

const key = (session: string, since: readonly number[] = []) => ({
  session,
  sequence: 1,
  lowest: 1,
  since
})

test('clients that never come back do not fill a document', async () => {
  const world = await forgetful(100)
  const copies = world.peers.flatMap(({ state }) => state?.held(ID)?.copy ?? [])
  expect(copies.length).toBeGreaterThanOrEqual(3)
  for (const copy of copies) {
    expect(copy.entryCount).toBeLessThanOrEqual(MAX)
    expect(copy.sessionCount).toBeLessThanOrEqual(MAX + 1)
    expect(copy.live.value(schema).total).toBe(100)
    expect(copy.digestAsText).toBe(copies[0]?.digestAsText)
  }
})

test('a session that may have been forgotten is refused by name, by later owners too', async () => {
  const world = await forgetful(20)
  const refuses = async (): Promise<void> => {
    const document = await owned(world)
    const { forgotten } = document
    expect(document.lookup(key('c0'))).toEqual({ status: 'unknown', since: forgotten })
    expect(document.lookup(key('new'))).toEqual({ status: 'unknown', since: forgotten })
    expect(document.lookup(key('new', forgotten))).toEqual({ status: 'new' })
    expect(document.lookup(key('c19')).status).toBe('known')
    await expect(document.commit([], { key: key('c0') })).rejects.toMatchObject({
      name: 'SessionUnknownError',
      outcomeUnknown: false,
      retryable: false,
      since: forgotten
    })
  }
  await refuses()
  const former = world.ownerOf(ID)!
  world.newView(world.peers.filter((peer) => peer !== former))
  await world.simulation.run(2_000)
  expect(world.ownerOf(ID)).not.toBe(former)
  await refuses()
  for (const peer of world.peers) world.crash(peer, { wipe: false })
  for (const peer of world.peers) await world.simulation.wait(world.start(peer))
  await world.simulation.run(2_000)
  await refuses()
})

test('a session that was opened again does not know what it did before', async () => {
  const world = await forgetful(20)
  const document = await owned(world)
  const again = { session: 'c0', sequence: 2, lowest: 2, since: document.forgotten }
  await world.simulation.wait(document.commit([], { key: again }))
  expect(document.lookup(key('c0')).status).toBe('unknown')
  expect(document.lookup(again).status).toBe('known')
})

test('what is on its way to a replica while others are forgotten is not lost', async () => {
  const world = await World.of(4, { members: 4, sessionsMax: MAX })
  const { simulation } = world
  for (let at = 0; at < MAX; at++) await once(world, `c${at}`)
  await simulation.run(1_000)
  const owner = world.ownerOf(ID)!
  const home = world.homeOf(ID, 1)
  const [first, second] = world.peers.filter(
    (peer) => peer !== owner && home.includes(peer.disk.incarnation)
  ) as [Peer, Peer]
  simulation.block(owner.name, first.name)
  await once(world, 'open')
  simulation.block(owner.name, second.name)
  simulation.unblock(owner.name, first.name)
  const forgotten = (peer: Peer) => peer.state!.held(ID)!.copy.forgotten
  expect(await simulation.until(() => forgotten(first).length > 0, 2_000)).toBe(true)
  expect(forgotten(second)).toEqual([])
  world.crash(owner, { wipe: false })
  world.newView(world.peers.filter((peer) => peer !== owner))
  await simulation.run(2_000)
  const document = await owned(world)
  expect(document.forgotten).not.toEqual([])
  expect(document.document.value(schema).total).toBe(MAX + 1)
})

test('the sessions of the program itself are never forgotten', async () => {
  const world = await World.of(3, { sessionsMax: MAX })
  await once(world, '@schedule')
  for (let at = 0; at < 30; at++) await once(world, `c${at}`)
  await world.simulation.run(2_000)
  const document = await owned(world)
  expect(document.forgotten).not.toEqual([])
  expect(document.lookup(key('c0')).status).toBe('unknown')
  expect(document.lookup(key('@schedule')).status).toBe('known')
})

test('nothing counts twice where sessions are forgotten all the time', async () => {
  let [acknowledged, forgetting] = [0, 0]
  await runSeeds({
    first: 5_001,
    count: 25,
    run: async (simulation) => {
      const one = await run(simulation, {}, { forgetting: true })
      acknowledged += one.acknowledged
      forgetting += one.forgetful
    }
  })
  // Without both, nothing was shown.
  expect(acknowledged).toBeGreaterThan(250)
  expect(forgetting).toBeGreaterThan(25)
}, 240_000)
