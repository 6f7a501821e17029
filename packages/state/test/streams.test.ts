import { expect, test } from 'vitest'
import type { CopyProgress } from '../src/contract.ts'
import { copiesRequest } from '../src/core/copy-messages.ts'
import { add, withLargeDocument } from './stream-scenarios.ts'
import type { Break } from './breaking-streams.ts'
import type { Peer, World } from './world.ts'

const ids = ['test/doc/a', 'test/doc/b', 'test/doc/c', 'test/doc/d']
const [id = ''] = ids

function toldBy(peer: Peer): CopyProgress[] {
  const told: CopyProgress[] = []
  peer.state!.addEventListener('copying', ({ detail }) => void told.push(detail))
  return told
}

/** Who holds nothing, and who holds the document. */
function sides(world: World): { readonly next: Peer; readonly home: readonly Peer[] } {
  const home = world.homeOf(id, 1)
  const isHome = ({ disk }: Peer): boolean => home.includes(disk.incarnation)
  return {
    next: world.peers.find((peer) => !isHome(peer))!,
    home: world.peers.filter((peer) => isHome(peer))
  }
}

async function copiedBytes(breaks: (item: number) => Break): Promise<CopyProgress> {
  const { world, owner } = await withLargeDocument(5)
  const { next } = sides(world)
  const told = toldBy(next)
  let items = 0
  world.onItem = (receiver) => (receiver === next.name ? breaks(items++) : 'none')
  await world.simulation.wait(next.state!.prepare(next.name, owner.name, [id]))
  expect(next.state!.held(id)?.copy.digestAsText).toBe(owner.state!.held(id)!.copy.digestAsText)
  expect(next.state!.stats().copying).toBe(0)
  return told.at(-1)!
}

test('a stream that is cut after any piece goes on there, and no byte is received twice', async () => {
  const whole = await copiedBytes(() => 'none')
  expect(whole).toMatchObject({ status: 'ended', documents: 1, of: 1, resumes: 0 })
  for (let cut = 0; cut < 6; cut++) {
    const broken = await copiedBytes((item) => (item === cut ? 'late' : 'none'))
    expect(broken).toMatchObject({ status: 'ended', documents: 1 })
    // The number of an item takes a byte at most.
    expect(Math.abs(broken.bytes - whole.bytes)).toBeLessThan(20)
  }
})

test('a stream may take as long as it likes while it goes on', async () => {
  const { world, owner } = await withLargeDocument(5)
  const { next } = sides(world)
  const told = toldBy(next)
  // To open it and to get the first item takes nearly as long as it may.
  world.simulation.conditions({ delayMs: [38, 45] })
  const start = world.simulation.node(next.name).clock.monotonic()
  await world.simulation.wait(next.state!.prepare(next.name, owner.name, [id]))
  const took = world.simulation.node(next.name).clock.monotonic() - start
  expect(told.at(-1)).toMatchObject({ status: 'ended', resumes: 0 })
  expect(took).toBeGreaterThan(2 * 200)
})

test('a source that falls silent is given up, and another one goes on within the document', async () => {
  const { world, owner } = await withLargeDocument(5)
  const { home, next } = sides(world)
  const other = home.find((peer) => peer !== owner)!
  const told = toldBy(next)
  let items = 0
  world.onItem = (receiver) => {
    if (receiver === next.name && ++items === 2) world.isolate(owner)
    return 'none'
  }
  await world.simulation.wait(next.state!.prepare(next.name, owner.name, [id]))
  const broken = told.at(-1)!
  expect(broken).toMatchObject({ status: 'broken', documents: 0, resumes: 3 })
  expect(next.state!.held(id)).toBeUndefined()
  await world.simulation.wait(next.state!.prepare(next.name, other.name, [id]))
  const rest = told.at(-1)!
  expect(rest).toMatchObject({ status: 'ended', documents: 1 })
  const whole = await copiedBytes(() => 'none')
  expect(Math.abs(broken.bytes + rest.bytes - whole.bytes)).toBeLessThan(20)
})

test('a replica without its disk gets every document, though its streams break', async () => {
  const { world, owner } = await withLargeDocument(3, { ids })
  const lost = world.peers.find((peer) => peer !== owner)!
  world.crash(lost, { wipe: true })
  await world.simulation.wait(world.start(lost))
  let items = 0
  world.onItem = (receiver) => (receiver === lost.name && ++items % 5 === 0 ? 'cut' : 'none')
  world.newView(world.peers)
  await world.simulation.run(8000)
  expect(items).toBeGreaterThan(5)
  for (const one of ids) {
    const digest = world.ownerOf(one)!.state!.held(one)!.copy.digestAsText
    expect(lost.state!.held(one)?.copy.digestAsText).toBe(digest)
  }
  expect(world.views.settled).toBe(2)
  expect(await add(world, world.ownerOf(id)!, 6)).toBe('ok')
})

test('whoever asks for nothing is sent nothing', async () => {
  const { world, owner } = await withLargeDocument(3)
  const { rpc } = world.simulation.node('client')
  const request = copiesRequest.encode({ ids: [] })
  const items: Uint8Array[] = []
  const read = async (): Promise<void> => {
    for await (const item of rpc.stream(owner.name, 'state.copies', request)) items.push(item)
  }
  await world.simulation.wait(read())
  expect(items).toEqual([])
})
