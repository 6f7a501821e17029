import { describe, expect, test } from 'vitest'
import { recordOf, schema, World } from './world.ts'
import type { Peer } from './world.ts'

const id = 'test/doc/a'

/** Some updates, of which the earlier ones are folded; the last of a session stay entries. */
async function withUpdates(): Promise<World> {
  const world = await World.of(3)
  for (let sequence = 0; sequence < 6; sequence++) {
    const update = { kind: 'count', by: 1 } as const
    const request = { id, session: 's', sequence, lowest: Math.max(0, sequence - 1), update }
    const owner = world.ownerOf(id)!
    expect(await world.simulation.wait(world.request('c', owner.name, request))).toMatchObject({
      status: 'ok'
    })
    await world.simulation.run(300)
  }
  await world.simulation.run(2000)
  return world
}

async function keysOf(world: World, { name }: Peer): Promise<readonly string[]> {
  const reading = async (): Promise<string[]> => {
    const keys: string[] = []
    for await (const [key] of world.simulation.node(name).store.entries({ prefix: 'state/' })) {
      keys.push(key)
    }
    return keys
  }
  return world.simulation.wait(reading())
}

async function restart(world: World, peer: Peer): Promise<void> {
  world.crash(peer, { wipe: false })
  await world.simulation.wait(world.start(peer))
}

async function totalAt(world: World, peer: Peer): Promise<number> {
  const reading = await world.simulation.wait(peer.state!.read(recordOf(id), { stale: true }))
  return reading.document.value(schema).total
}

describe.each(['the owner', 'another replica'])('any record of %s with a wrong bit', (which) => {
  test('is put aside and replaced, keeps nothing else from being read, and loses nothing', async () => {
    const kinds = new Set<string>()
    const count = (await keysOf(await withUpdates(), await victimOf(which))).length
    for (let at = 0; at < count; at++) {
      const world = await withUpdates()
      const victim = world.peers.find(({ name }) => name === nameOf(world, which))!
      const key = (await keysOf(world, victim))[at]!
      kinds.add(key.slice(0, 'state/x'.length))
      world.simulation.flipBit(victim.name, key)
      await restart(world, victim)
      world.newView(world.peers)
      await world.simulation.run(5000)
      expect(victim.state!.stats().damaged, key).toBe(0)
      const { total } = victim.state!.held(id)!.copy.live.value(schema)
      expect(total, key).toBe(6)
      expect(await keysOf(world, victim), key).toContain(`state/q/${key.slice('state/'.length)}`)
      // Nothing of the damage is left for the next start, and the copy here counts again.
      await restart(world, victim)
      expect(victim.state!.stats().damaged, key).toBe(0)
      expect(await totalAt(world, victim), key).toBe(6)
    }
    expect([...kinds].toSorted()).toEqual(['state/b', 'state/e', 'state/f', 'state/r'])
  })
})

test('a damaged copy of the owner waits no more for what was settled, once that is heard', async () => {
  const pinned = 'test/pinned/p0'
  const world = await World.of(3)
  const owner = world.peer('p0')
  const [, kept, lost] = world.peers as [Peer, Peer, Peer]
  for (let sequence = 0; sequence < 3; sequence++) {
    const update = { kind: 'count', by: 1 } as const
    const request = { id: pinned, session: 's', sequence, lowest: 0, update }
    await world.simulation.wait(world.request('c', 'p0', request))
  }
  await world.simulation.run(1000)
  world.crash(lost, { wipe: true })
  await world.simulation.wait(world.start(lost))
  world.newView(world.peers)
  await world.simulation.run(100)
  world.deaf.add('p0')
  expect(await world.simulation.until(() => world.views.settled === 2, 20_000)).toBe(true)
  world.crash(owner, { wipe: false })
  const damaged = (await keysOf(world, owner)).find((key) => key.startsWith('state/b/'))!
  world.simulation.flipBit('p0', damaged)
  // It has not heard that the view with the lost disk counts no more, and finds one copy of two there.
  Object.assign(owner.disk, { settled: 1, settledHeard: 1 })
  world.newsMs = 2000
  await world.simulation.wait(world.start(owner))
  await world.simulation.run(30)
  expect(owner.membership!.settled).toBe(1)
  expect(owner.state!.held(pinned)!.tenure).toBeUndefined()
  await world.simulation.run(2000)
  expect(owner.membership!.settled).toBe(2)
  const owned = await world.simulation.wait(owner.state!.own(recordOf(pinned)))
  expect(owned.document.value(schema).total).toBe(3)
  expect(kept.state!.held(pinned)!.copy.live.value(schema).total).toBe(3)
})

test('nothing is settled over a copy that only looks empty, whatever is left of it', async () => {
  for (const left of ['nothing', 'its record']) {
    const world = await World.of(4, { members: 3 })
    const owner = world.ownerOf(id)!
    const [holder, other] = world.peers.slice(0, 3).filter((peer) => peer !== owner) as [Peer, Peer]
    world.isolate(other)
    const update = { kind: 'count', by: 1 } as const
    const request = { id, session: 's', sequence: 0, lowest: 0, update }
    const reply = await world.simulation.wait(world.request('c', owner.name, request))
    expect(reply.status).toBe('ok')
    await world.simulation.run(20)
    world.crash(owner, { wipe: false })
    for (const key of await keysOf(world, owner)) {
      const isIts = /^state\/[rbe]\/test%2Fdoc%2Fa/.test(key)
      if (isIts && !(left === 'its record' && key.startsWith('state/r/'))) {
        world.simulation.flipBit(owner.name, key)
      }
    }
    world.simulation.heal()
    world.isolate(holder)
    world.deaf.add(holder.name)
    await world.simulation.wait(world.start(owner))
    world.newView(world.peers.filter((peer) => peer !== holder))
    await world.simulation.run(5000)
    expect(world.ownerOf(id)).toBe(owner)
    expect(world.views.settled, left).toBe(1)
    await expect(world.simulation.wait(owner.state!.own(recordOf(id)))).rejects.toMatchObject({
      name: 'UnavailableError'
    })
    world.deaf.clear()
    world.simulation.heal()
    const isSettled = (): boolean => world.views.settled === 2
    expect(await world.simulation.until(isSettled, 20_000)).toBe(true)
    const owned = await world.simulation.wait(owner.state!.own(recordOf(id)))
    expect(owned.document.value(schema).total).toBe(1)
    expect(world.violations).toEqual([])
  }
})

function nameOf(world: World, which: string): string {
  const owner = world.ownerOf(id)!
  return which === 'the owner' ? owner.name : world.peers.find((peer) => peer !== owner)!.name
}

async function victimOf(which: string): Promise<Peer> {
  const world = await World.of(3)
  return world.peer(nameOf(world, which))
}
