import type { Mutants } from '../src/core/mutants.ts'
import type { Scenario } from './scenarios.ts'
import { World } from './world.ts'
import type { Peer } from './world.ts'

const id = 'test/doc/a'

/** A document of several pieces, acknowledged. */
export async function withLargeDocument(
  count: number,
  init: { readonly mutants?: Mutants; readonly ids?: readonly string[] } = {}
): Promise<{ readonly world: World; readonly owner: Peer }> {
  const { mutants = {}, ids = [id] } = init
  const world = await World.of(count, { mutants, streams: smallStreams })
  for (const one of ids) {
    for (let sequence = 0; sequence < 6; sequence++) {
      const reply = await add(world, world.ownerOf(one)!, sequence, one)
      if (reply !== 'ok') throw new Error(`update ${sequence} of ${one}: ${reply}`)
    }
  }
  await world.simulation.run(500)
  return { world, owner: world.ownerOf(id)! }
}

export const smallStreams = { messageBytes: 200, chunkBytes: 160, progressMs: 200 }

export async function add(
  world: World,
  peer: Peer,
  sequence: number,
  document = id
): Promise<string> {
  const update = { kind: 'add' } as const
  const request = { id: document, session: 's', sequence, lowest: 0, update }
  try {
    return (await world.simulation.wait(world.request('client', peer.name, request))).status
  } catch {
    // No answer in time, which is an answer here.
    return 'none'
  }
}

/** One who has nothing takes a document over, and the first stream of each replica breaks within it. */
export const takesOverFromBrokenStreams: Scenario = async (mutants) => {
  const { world } = await withLargeDocument(5, { mutants })
  const home = world.homeOf(id, 1)
  const next = world.peers.find(({ disk }) => !home.includes(disk.incarnation))!
  const broken = new Set<string>()
  world.onItem = (receiver, source) => {
    if (receiver !== next.name || broken.has(source)) return 'none'
    broken.add(source)
    return 'late'
  }
  world.newView(world.peers, [{ peer: next.name, keys: [id] }])
  await world.simulation.run(100)
  await add(world, next, 6)
  await world.simulation.run(3000)
  if (broken.size < 2) throw new Error('too few streams broke: the scenario shows nothing')
  return world.violations[0]
}

/** A replica that lost its disk never gets what it is offered, and the other one cannot be reached. */
export const confirmsWhatNeverComes: Scenario = async (mutants) => {
  const { world, owner } = await withLargeDocument(3, { mutants })
  const [lost, other] = world.peers.filter((peer) => peer !== owner) as [Peer, Peer]
  world.onItem = (receiver) => (receiver === lost.name ? 'cut' : 'none')
  world.crash(lost, { wipe: true })
  await world.simulation.wait(world.start(lost))
  world.newView(world.peers)
  await world.simulation.run(500)
  world.isolate(other)
  const reply = await add(world, owner, 6)
  return reply === 'ok' ? 'acknowledged with one copy' : world.violations[0]
}
