import { runSeeds } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { run } from './run.ts'
import { recordOf, schema, World } from './world.ts'
import type { Peer } from './world.ts'

const ID = 'test/doc/a'
/** Simulated; more before the test command as STATE_HOURS. */
const HOURS = Number(process.env['STATE_HOURS'] ?? 0.5)
const NAMES = 6

/** Counts one, without a key or with one, and leaves nothing else. */
async function count(world: World, ack: 'local' | 'replicated', key?: number): Promise<void> {
  const owned = await world.simulation.wait(world.ownerOf(ID)!.state!.own(recordOf(ID)))
  const { draft, operations } = owned.document.draft(schema)
  draft.tally.increment()
  const options = key === undefined ? {} : { key: { session: 's', sequence: key, lowest: key } }
  await world.simulation.wait(owned.commit(operations, { ack, timeoutMs: 2_000, ...options }))
}

async function restart(world: World, peer: Peer, wipe: boolean): Promise<void> {
  world.crash(peer, { wipe })
  await world.simulation.wait(world.start(peer))
  if (wipe) world.newView(world.peers)
  await world.simulation.run(3_000)
}

function copiesOf(world: World) {
  return world.peers.flatMap(({ state }) => state?.held(ID)?.copy ?? [])
}

test('documents do not keep the names of owners that are gone, whatever hours bring', async () => {
  const world = await World.of(3, { seed: 5, collectNames: NAMES })
  world.compareMs = 20_000
  let counted = 0
  let largest = 0
  for (let minute = 0; minute < HOURS * 60; minute++) {
    await count(world, 'replicated')
    await count(world, 'replicated', minute)
    counted += 2
    if (minute % 2 === 1) await restart(world, world.ownerOf(ID)!, minute % 10 === 9)
    await world.simulation.run(60_000)
    for (const copy of copiesOf(world)) {
      const { closed, floors } = copy.state()
      copy.verify()
      largest = Math.max(largest, copy.names)
      expect(copy.live.value(schema).tally).toBe(counted)
      // Keys that are passed, and updates without one, do not pile up either.
      expect(copy.entryCount).toBeLessThanOrEqual(2)
      // Twice as many before it is worth while, and each life of a disk leaves one line.
      expect(copy.names).toBeLessThanOrEqual(2 * NAMES + closed.length)
      expect(floors.length).toBeLessThanOrEqual(2 * NAMES + closed.length)
    }
  }
  expect(largest).toBeGreaterThan(NAMES / 2)
  expect(copiesOf(world)[0]?.state().lineage.count).toBeGreaterThan(1)
  const [first, ...others] = copiesOf(world).map((copy) => copy.digestAsText)
  expect(others).toEqual(others.map(() => first))
}, 600_000)

test('what an owner that was cut off did for itself counts, although what it did before was collected', async () => {
  const world = await World.of(4, { collectNames: 1 })
  const former = world.ownerOf(ID)!
  await count(world, 'replicated')
  await world.simulation.run(500)
  world.isolate(former)
  await count(world, 'local')
  world.newView(world.peers.filter((peer) => peer !== former))
  await world.simulation.run(1_500)
  await count(world, 'replicated')
  await world.simulation.run(1_500)
  const writers = Object.keys(world.ownerOf(ID)!.state!.held(ID)!.copy.live.version)
  const [closed] = world.ownerOf(ID)!.state!.held(ID)!.copy.state().closed
  expect(closed).toMatchObject({ last: 1 })
  expect(writers.filter((name) => name.startsWith(closed!.life))).toEqual([])
  world.simulation.heal()
  world.newView(world.peers)
  await world.simulation.run(4_000)
  for (const copy of copiesOf(world)) expect(copy.live.value(schema).tally).toBe(3)
  const [first, ...others] = copiesOf(world).map((copy) => copy.digestAsText)
  expect(others).toEqual(others.map(() => first))
})

test('a session that has seen a writer which has left goes on, and not without what it has seen', async () => {
  const world = await World.of(3, { collectNames: 1 })
  const former = world.ownerOf(ID)!
  await count(world, 'replicated')
  await count(world, 'replicated')
  const { version } = await world.simulation.wait(former.state!.read(recordOf(ID)))
  world.newView(world.peers.filter((peer) => peer !== former))
  await world.simulation.run(1_500)
  await count(world, 'replicated')
  await world.simulation.run(1_500)
  const next = world.ownerOf(ID)!
  const [writer = ''] = Object.keys(version)
  for (const { state } of world.peers.filter((peer) => peer !== former)) {
    const reading = await world.simulation.wait(state!.read(recordOf(ID), { after: version }))
    expect(reading.version[writer]).toBeUndefined()
    expect(reading.document.value(schema).tally).toBe(3)
    expect(reading.includes(version)).toBe(true)
  }
  const more = { ...version, [writer]: 3 }
  const lost = world.simulation.wait(next.state!.read(recordOf(ID), { after: more }))
  await expect(lost).rejects.toMatchObject({ name: 'SessionAheadError' })
})

test('random runs with faults lose and double nothing while writers leave', async () => {
  let collections = 0
  await runSeeds({
    first: 200_000,
    count: 20,
    run: async (simulation) => {
      collections += (await run(simulation, {}, { collecting: true })).collections
    }
  })
  expect(collections).toBeGreaterThan(3)
}, 240_000)
