import { expect, test } from 'vitest'
import { createState } from '../src/index.ts'
import type { OwnedDocument, State } from '../src/index.ts'
import { recordOf, schema, World } from './world.ts'
import type { Peer } from './world.ts'

const id = 'test/doc/a'
const key = (sequence: number, lowest = sequence) => ({ session: 's', sequence, lowest })

function update(sequence: number, lowest = 0) {
  return { id, session: 's', sequence, lowest, update: { kind: 'count', by: 1 } as const }
}

function increment(document: OwnedDocument, by = 1) {
  const { draft, operations } = document.document.draft(schema)
  draft.total.increment(by)
  return operations
}

async function owned(world: World): Promise<{ owner: Peer; document: OwnedDocument }> {
  const owner = world.ownerOf(id)!
  return { owner, document: await world.simulation.wait(owner.state!.own(recordOf(id))) }
}

async function totalAt(world: World, peer: Peer, stale = false): Promise<number> {
  const reading = await world.simulation.wait(peer.state!.read(recordOf(id), { stale }))
  return reading.document.value(schema).total
}

test('an update is on two replicas when it is acknowledged, and on all soon after', async () => {
  const world = await World.of(3)
  const { document } = await owned(world)
  const commit = await world.simulation.wait(document.commit(increment(document, 5)))
  expect(commit.copies).toBeGreaterThanOrEqual(2)
  expect(commit).toMatchObject({ duplicate: false, epoch: { view: 1, boot: 1 } })
  await world.simulation.run(500)
  for (const peer of world.peers) {
    expect(await totalAt(world, peer, true)).toBe(5)
  }
})

test('a stale read shows what replicas hold, not an empty copy that was left here', async () => {
  const world = await World.of(5)
  const { owner } = await owned(world)
  const outside = world.peers.findLast((peer) => peer.state!.held(id) === undefined)!
  world.newView(world.peers, [{ peer: outside.name, keys: [id] }])
  await world.simulation.run(1000)
  expect(await totalAt(world, outside)).toBe(0)
  world.newView(world.peers)
  await world.simulation.run(1000)
  expect(world.ownerOf(id)).toBe(owner)
  const { document } = await owned(world)
  await world.simulation.wait(document.commit(increment(document, 5)))
  await world.simulation.run(2000)
  expect(outside.state!.held(id)?.copy.empty).toBe(true)
  expect(await totalAt(world, outside, true)).toBe(5)
})

test('a stale read shows what replicas hold, not what a former owner still has', async () => {
  const world = await World.of(5)
  const outside = world.peers.findLast((peer) => peer !== world.ownerOf(id))!
  world.newView(world.peers, [{ peer: outside.name, keys: [id] }])
  await world.simulation.run(200)
  const before = await owned(world)
  await world.simulation.wait(before.document.commit(increment(before.document, 3)))
  world.newView(world.peers)
  await world.simulation.run(200)
  const after = await owned(world)
  await world.simulation.wait(after.document.commit(increment(after.document, 5)))
  expect(outside.state!.held(id)?.copy.live.value(schema).total).toBe(3)
  expect(await totalAt(world, outside, true)).toBe(8)
})

test('what only a replica has comes to an owner that is never at rest', async () => {
  // Made on another side of a split, by a peer that owned it there.
  const side = await World.of(5, { seed: 2 })
  const world = await World.of(5)
  const { owner, document } = await owned(world)
  await world.simulation.wait(document.commit(increment(document)))
  await world.simulation.run(500)
  const replica = world.peers.find((peer) => peer !== owner && peer.state!.held(id) !== undefined)
  const outside = world.peers.findLast((peer) => peer.state!.held(id) === undefined)!
  side.newView(side.peers, [{ peer: outside.name, keys: [id] }])
  await side.simulation.run(1000)
  const there = await owned(side)
  await side.simulation.wait(there.document.commit(increment(there.document, 1000)))
  replica!.state!.held(id)!.copy.merge(there.owner.state!.held(id)!.copy)
  let count = 1
  while (count < 100 && document.document.value(schema).total === count) {
    await world.simulation.wait(document.commit(increment(document)))
    await world.simulation.run(100)
    count++
  }
  expect(document.document.value(schema).total).toBe(count + 1000)
})

test('an update is in the document before anybody has confirmed it', async () => {
  const world = await World.of(3)
  const { document } = await owned(world)
  const commit = document.commit(increment(document, 2))
  expect(document.document.value(schema).total).toBe(2)
  await world.simulation.wait(commit)
})

test('a repeated key gives the first result and counts once', async () => {
  const world = await World.of(3)
  const owner = world.ownerOf(id)!.name
  const first = await world.simulation.wait(world.request('c', owner, update(0)))
  const second = await world.simulation.wait(world.request('c', owner, update(0)))
  expect(first).toEqual(second)
  expect(await totalAt(world, world.peers[0]!)).toBe(1)
})

test('a key that its session has passed is folded away and refused as expired', async () => {
  const world = await World.of(3)
  const { document } = await owned(world)
  for (let at = 0; at < 10; at++) {
    await world.simulation.wait(document.commit(increment(document), { key: key(at) }))
  }
  await world.simulation.run(2000)
  for (const peer of world.peers) {
    expect(peer.state!.held(id)!.copy.entryCount).toBeLessThan(3)
  }
  expect(document.lookup(key(3, 0))).toEqual({ status: 'expired' })
  await expect(document.commit(increment(document), { key: key(3, 0) })).rejects.toMatchObject({
    name: 'KeyExpiredError'
  })
  expect(await totalAt(world, world.peers[1]!)).toBe(10)
})

test('updates without a key are folded as soon as all replicas have them', async () => {
  const world = await World.of(3)
  const { document } = await owned(world)
  for (let at = 0; at < 50; at++) {
    void document.commit(increment(document))
  }
  await world.simulation.run(3000)
  for (const peer of world.peers) {
    const { copy } = peer.state!.held(id)!
    expect(copy.entryCount).toBe(0)
    expect(copy.live.value(schema).total).toBe(50)
  }
  expect(document.lookup(key(0))).toEqual({ status: 'new' })
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
  expect(await totalAt(world, next)).toBe(20)
  await world.simulation.run(3000)
  expect(world.views.settled).toBe(2)
})

test('everything is there after all peers restarted', async () => {
  const world = await World.of(3)
  const { document } = await owned(world)
  for (let at = 0; at < 30; at++) {
    await world.simulation.wait(document.commit(increment(document), { key: key(at, 0) }))
  }
  for (const peer of world.peers) {
    world.crash(peer, { wipe: false })
  }
  await Promise.all(world.peers.map((peer) => world.simulation.wait(world.start(peer))))
  const { document: again } = await owned(world)
  expect(again.epoch).toEqual({ view: 1, boot: 2 })
  expect(again.document.value(schema).total).toBe(30)
  const found = again.lookup(key(7, 0))
  expect(found.status).toBe('known')
  const commit = found.status === 'known' ? await world.simulation.wait(found.commit) : undefined
  expect(commit).toMatchObject({ duplicate: true, epoch: { view: 1, boot: 2 } })
})

test('a tenure goes on through a view that leaves the owner as it is', async () => {
  const world = await World.of(4)
  const { owner, document } = await owned(world)
  const gone = world.peers.find((peer) => peer !== owner)!
  world.newView(world.peers.filter((peer) => peer !== gone))
  await world.simulation.run(200)
  expect(world.ownerOf(id)).toBe(owner)
  expect(document.signal.aborted).toBe(false)
  const commit = await world.simulation.wait(document.commit(increment(document)))
  expect(commit.epoch.view).toBe(2)
})

test('a tenure ends when a view gives the document to another peer', async () => {
  const world = await World.of(4)
  const { owner, document } = await owned(world)
  world.isolate(owner)
  const commit = document.commit(increment(document))
  world.newView(world.peers.filter((peer) => peer !== owner))
  await expect(world.simulation.wait(commit)).rejects.toMatchObject({
    name: 'FencedError',
    outcomeUnknown: true
  })
  expect(document.signal.aborted).toBe(true)
  await expect(document.commit([])).rejects.toMatchObject({
    name: 'FencedError',
    outcomeUnknown: false
  })
  await expect(owner.state!.own(recordOf(id))).rejects.toMatchObject({ name: 'NotOwnerError' })
})

test('copies that were prepared are there before a view moves a document, and not fetched again', async () => {
  const world = await World.of(4, { trace: true })
  const { owner } = await owned(world)
  const home = world.homeOf(id, 1)
  const target = world.peers.find(({ name }) => !home.includes(name))!
  await world.simulation.wait(world.request('c', owner.name, update(0)))
  await world.simulation.wait(owner.state!.prepare(target.name, owner.name, [id]))
  expect(target.state!.held(id)!.copy.live.value(schema).total).toBe(1)
  const fetches = () => world.simulation.trace.filter((line) => line.endsWith('state.fetch')).length
  const before = fetches()
  expect(before).toBeGreaterThan(0)
  world.newView(world.peers, [{ peer: target.name, keys: [id] }])
  await world.simulation.run(200)
  const taken = await world.simulation.wait(target.state!.own(recordOf(id)))
  expect(taken.document.value(schema).total).toBe(1)
  expect(fetches()).toBe(before)
})

test('a document whose owner is silent is not prepared, and moves all the same', async () => {
  const world = await World.of(4)
  const { owner } = await owned(world)
  const target = world.peers.find((peer) => peer !== owner)!
  world.isolate(owner)
  await world.simulation.wait(target.state!.prepare(target.name, owner.name, [id]))
  await expect(
    world.simulation.wait(target.state!.prepare(owner.name, target.name, [id]))
  ).rejects.toMatchObject({ name: 'DeadlineExceededError' })
})

test('an owner that cannot reach enough copies says so and serves nothing', async () => {
  const world = await World.of(4)
  const { owner } = await owned(world)
  await world.simulation.wait(world.request('c', owner.name, update(0)))
  world.crash(owner, { wipe: false })
  world.newView(world.peers.filter((peer) => peer !== owner))
  const next = world.ownerOf(id)!
  world.isolate(next)
  await world.simulation.run(100)
  await expect(world.simulation.wait(next.state!.own(recordOf(id)))).rejects.toMatchObject({
    name: 'UnavailableError',
    message: expect.stringContaining('needed in view')
  })
})

test('an update that reaches nobody has an unknown outcome, and is delivered later', async () => {
  const world = await World.of(3)
  const { owner, document } = await owned(world)
  world.isolate(owner)
  await expect(world.simulation.wait(document.commit(increment(document)))).rejects.toMatchObject({
    name: 'OutcomeUnknownError',
    outcomeUnknown: true
  })
  const local = await world.simulation.wait(document.commit(increment(document), { ack: 'local' }))
  expect(local.copies).toBe(1)
  world.simulation.heal()
  await world.simulation.run(3000)
  for (const peer of world.peers) {
    expect(await totalAt(world, peer, true)).toBe(2)
  }
})

test('a caller may stop waiting', async () => {
  const world = await World.of(3)
  const { owner, document } = await owned(world)
  world.isolate(owner)
  const controller = new AbortController()
  const commit = document.commit(increment(document), { signal: controller.signal })
  controller.abort()
  await expect(commit).rejects.toMatchObject({ name: 'AbortedError', outcomeUnknown: true })
})

test('more updates than may wait for copies are refused and change nothing', async () => {
  const world = await World.of(3)
  const { owner, document } = await owned(world)
  world.isolate(owner)
  const waiting = Array.from({ length: 1024 }, () => document.commit(increment(document)))
  void Promise.allSettled(waiting)
  await expect(document.commit(increment(document))).rejects.toMatchObject({
    name: 'OverloadedError',
    retryable: true
  })
  expect(document.document.value(schema).total).toBe(1024)
})

test('wrong keys and records are refused', async () => {
  const world = await World.of(3)
  const { owner, document } = await owned(world)
  const invalid = { name: 'InvalidParametersError' }
  for (const bad of [
    { session: '~x', sequence: 0, lowest: 0 },
    { session: '', sequence: 0, lowest: 0 },
    { session: 's', sequence: -1, lowest: -1 },
    { session: 's', sequence: 1, lowest: 2 }
  ]) {
    await expect(document.commit([], { key: bad })).rejects.toMatchObject(invalid)
  }
  const record = recordOf(id)
  await expect(owner.state!.own({ ...record, replicas: 9 })).rejects.toMatchObject(invalid)
  await expect(owner.state!.own({ ...record, replicas: 2 })).rejects.toMatchObject(invalid)
  await expect(owner.state!.read({ ...record, id: '' })).rejects.toMatchObject(invalid)
  expect(() => createState(componentsOf(owner), { compareMs: -1 })).toThrow(
    expect.objectContaining(invalid)
  )
})

function componentsOf(peer: Peer) {
  // Never started, so the parts are not used.
  return { membership: peer.membership } as unknown as Parameters<typeof createState>[0]
}

test('a single member works with one copy, and copies are made when others join', async () => {
  const world = await World.of(3, { members: 1 })
  const [first] = world.peers as [Peer, Peer, Peer]
  const document = await world.simulation.wait(first.state!.own(recordOf(id)))
  const commit = await world.simulation.wait(document.commit(increment(document), { key: key(0) }))
  expect(commit.copies).toBe(1)
  world.newView(world.peers)
  await world.simulation.run(3000)
  expect(world.views.settled).toBe(2)
  for (const peer of world.peers) {
    expect(peer.state!.held(id)!.copy.live.value(schema).total).toBe(1)
  }
})

test('an update that waits for a second copy has enough when one member is left', async () => {
  const world = await World.of(2)
  const { owner, document } = await owned(world)
  world.isolate(owner)
  const commit = document.commit(increment(document), { timeoutMs: 2000 })
  await world.simulation.run(100)
  world.newView([owner])
  expect(await world.simulation.wait(commit)).toMatchObject({ copies: 1, epoch: { view: 2 } })
})

test('who is no replica any more hands its copy over and forgets it', async () => {
  const world = await World.of(5)
  const { owner, document } = await owned(world)
  await world.simulation.wait(document.commit(increment(document)))
  await world.simulation.run(500)
  world.newView(world.peers.filter((peer) => peer !== owner))
  await world.simulation.run(6000)
  expect(world.views.settled).toBe(2)
  expect(owner.state!.held(id)).toBeUndefined()
  expect(owner.state!.records()).toEqual([])
  const home = world.homeOf(id, 2)
  for (const peer of world.peers.filter((one) => home.includes(one.disk.incarnation))) {
    expect(peer.state!.held(id)!.copy.live.value(schema).total).toBe(1)
  }
})

test('documents larger than a message travel in chunks', async () => {
  const world = await World.of(4)
  const { owner, document } = await owned(world)
  for (let at = 0; at < 12; at++) {
    const { draft, operations } = document.document.draft(schema)
    draft.tags.add(`${at}`.repeat(100_000))
    await world.simulation.wait(document.commit(operations))
  }
  await world.simulation.run(3000)
  world.crash(owner, { wipe: true })
  world.newView(world.peers.filter((peer) => peer !== owner))
  await world.simulation.run(4000)
  for (const peer of world.peers.filter((one) => one !== owner)) {
    const reading = await world.simulation.wait(peer.state!.read(recordOf(id)))
    expect(reading.document.value(schema).tags.length).toBe(12)
    expect(peer.state!.held(id)!.copy.live.value(schema).tags.length).toBe(12)
  }
})

test('an update that is too large is refused and changes nothing', async () => {
  const world = await World.of(3)
  const { document } = await owned(world)
  const { draft, operations } = document.document.draft(schema)
  draft.tags.add('x'.repeat(150_000))
  draft.tags.add('y'.repeat(150_000))
  await expect(document.commit(operations)).rejects.toMatchObject({ name: 'MessageTooLargeError' })
  await expect(
    document.commit(increment(document), { result: new Uint8Array(300_000) })
  ).rejects.toMatchObject({ name: 'MessageTooLargeError' })
  expect(document.document.value(schema)).toMatchObject({ total: 0, tags: [] })
})

test('a damaged value is reported, put aside, and replaced from other replicas', async () => {
  const world = await World.of(3)
  const { owner, document } = await owned(world)
  await world.simulation.wait(document.commit(increment(document)))
  await world.simulation.run(1500)
  const replica = world.peers.find((peer) => peer !== owner)!
  const { store } = world.simulation.node(replica.name)
  const path = `state/b/${encodeURIComponent(id)}`
  const value = (await world.simulation.wait(store.get(path)))!
  value[value.length - 1]! ^= 1
  await world.simulation.wait(store.write([{ key: path, value }], { sync: true }))
  world.crash(replica, { wipe: false })
  await world.simulation.wait(world.start(replica))
  expect(replica.state!.stats().damaged).toBe(1)
  expect(await totalAt(world, replica, true)).toBe(1)
  await world.simulation.run(5000)
  expect(replica.state!.stats().damaged).toBe(0)
  expect(replica.state!.held(id)!.copy.live.value(schema).total).toBe(1)
  world.crash(replica, { wipe: false })
  await world.simulation.wait(world.start(replica))
  expect(replica.state!.stats().damaged).toBe(0)
})

test('a refusing disk delays acknowledgements and loses nothing', async () => {
  const world = await World.of(3)
  const { owner, document } = await owned(world)
  for (const peer of world.peers) {
    world.simulation.failWrites(peer.name, true)
  }
  await expect(world.simulation.wait(document.commit(increment(document)))).rejects.toMatchObject({
    name: 'OutcomeUnknownError'
  })
  for (const peer of world.peers) {
    world.simulation.failWrites(peer.name, false)
  }
  await world.simulation.run(3000)
  world.crash(owner, { wipe: true })
  world.newView(world.peers.filter((peer) => peer !== owner))
  await world.simulation.run(500)
  expect(await totalAt(world, world.ownerOf(id)!)).toBe(1)
})

test('changes and tenures are announced', async () => {
  const world = await World.of(3)
  const { owner, document } = await owned(world)
  const replica = world.peers.find((peer) => peer !== owner)!
  const changes: string[] = []
  for (const [name, state] of [
    ['owner', owner.state!],
    ['replica', replica.state!]
  ] as [string, State][]) {
    state.addEventListener('change', ({ detail }) => changes.push(`${name} ${detail.id}`))
    state.addEventListener('tenure', ({ detail }) => changes.push(`${name} ${detail.status}`))
  }
  await world.simulation.wait(document.commit(increment(document)))
  await world.simulation.run(100)
  expect(changes).toEqual(expect.arrayContaining([`owner ${id}`, `replica ${id}`]))
  await world.simulation.wait(Promise.resolve(owner.state!.stop()))
  expect(changes).toContain('owner ended')
  expect(document.signal.aborted).toBe(true)
  await expect(owner.state!.own(recordOf(id))).rejects.toMatchObject({ name: 'NotStartedError' })
})
