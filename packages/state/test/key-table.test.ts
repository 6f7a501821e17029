import { expect, test } from 'vitest'
import { recordOf, schema, World } from './world.ts'

const ids = ['test/doc/a', 'test/pinned/p0']
const SESSIONS = ['s', 't', 'u']
/** Simulated; more before the test command as STATE_HOURS. */
const HOURS = Number(process.env['STATE_HOURS'] ?? 0.2)
/** What a session may leave above its floor: what it has not let go of, and what is not folded yet. */
const OPEN_MAX = 8

test('keyed updates count once for hours, repeated ones too, and their table does not grow', async () => {
  const world = await World.of(3, { seed: 3 })
  const { simulation, random } = world
  world.compareMs = 20_000
  const sequences = new Map(SESSIONS.map((session) => [session, 0]))
  const counted = new Map(ids.map((id) => [id, 0]))
  let largest = 0
  const minutes = Math.round(HOURS * 60)
  for (let minute = 0; minute < minutes; minute++) {
    for (const id of ids) {
      for (const session of SESSIONS) {
        const sequence = sequences.get(session)!
        sequences.set(session, sequence + 1)
        const update = { kind: 'count', by: 1 } as const
        // Of the last ones nobody has told the client's other half yet.
        const request = { id, session, sequence, lowest: Math.max(0, sequence - 2), update }
        const owner = world.ownerOf(id)!.name
        const first = await simulation.wait(world.request('c', owner, request))
        if (random.next() < 0.3) {
          expect(await simulation.wait(world.request('c', owner, request))).toEqual(first)
        }
        expect(first.status).toBe('ok')
        counted.set(id, counted.get(id)! + 1)
      }
    }
    if (minute % 20 === 5) {
      const peer = world.peers[Math.floor(minute / 20) % world.peers.length]!
      world.crash(peer, { wipe: false })
      await simulation.wait(world.start(peer))
    }
    await simulation.run(60_000)
    if (minute % 3 !== 2) continue
    for (const { state } of world.peers) {
      for (const id of ids) {
        const { copy } = state!.held(id)!
        largest = Math.max(largest, copy.entryCount)
        expect(copy.entryCount).toBeLessThanOrEqual(SESSIONS.length * OPEN_MAX)
        expect(copy.live.value(schema).total).toBe(counted.get(id))
      }
    }
  }
  expect(largest).toBeGreaterThan(0)
  // A key that was let go of hours ago is told to be old, and does not count again.
  const owner = world.ownerOf(ids[0]!)!
  const owned = await simulation.wait(owner.state!.own(recordOf(ids[0]!)))
  expect(owned.lookup({ session: 's', sequence: 0, lowest: 0 }).status).toBe('expired')
  expect(world.violations).toEqual([])
}, 3_600_000)
