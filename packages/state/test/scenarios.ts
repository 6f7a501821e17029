import type { Mutants } from '../src/core/mutants.ts'
import { schema, World } from './world.ts'
import type { Peer, Reply, Request } from './world.ts'

/** A schedule that breaks one rule if the rule is not kept. Returns what went wrong. */
export type Scenario = (mutants: Mutants) => Promise<string | undefined>

function add(id: string, sequence = 0): Request {
  return { id, session: 's', sequence, lowest: 0, update: { kind: 'add' } }
}

async function ask(world: World, peer: Peer, request: Request): Promise<Reply | undefined> {
  try {
    return await world.simulation.wait(world.request('client', peer.name, request))
  } catch {
    // No answer in time, which is an answer here.
    return undefined
  }
}

function hits(peer: Peer, id: string): Readonly<Record<string, number>> {
  return peer.state?.held(id)?.copy.live.value(schema).hits ?? {}
}

function holders(world: World, id: string): { owner: Peer; home: Peer[]; others: Peer[] } {
  const owner = world.ownerOf(id)!
  const incarnations = world.homeOf(id, world.views.all.length)
  const home = world.peers.filter((peer) => incarnations.includes(peer.disk.incarnation))
  return { owner, home, others: world.peers.filter((peer) => !home.includes(peer)) }
}

/** An owner that has not heard of the next view asks replicas that have. */
export const acknowledgesUnderAnOldView: Scenario = async (mutants) => {
  const world = await World.of(4, { mutants })
  const id = 'test/doc/a'
  const former = world.ownerOf(id)!
  await ask(world, former, add(id, 0))
  await world.simulation.run(500)
  world.deaf.add(former.name)
  world.newView(world.peers.filter((peer) => peer !== former))
  const next = world.ownerOf(id)!
  world.isolate(former)
  await world.simulation.run(300)
  await ask(world, next, add(id, 1))
  world.simulation.heal()
  world.isolate(former, [next])
  await ask(world, former, add(id, 2))
  return world.violations[0]
}

/** An owner restarts without the last update, which one replica has. */
export const issuesDotsTwice: Scenario = async (mutants) => {
  const world = await World.of(3, { mutants })
  const id = 'test/doc/a'
  const { owner, home } = holders(world, id)
  const [first, second] = home.filter((peer) => peer !== owner) as [Peer, Peer]
  await ask(world, owner, add(id, 0))
  await world.simulation.run(500)
  world.isolate(owner, [second])
  world.simulation.failWrites(owner.name, true)
  await ask(world, owner, add(id, 1))
  world.simulation.failWrites(owner.name, false)
  world.crash(owner, { wipe: false })
  world.simulation.heal()
  world.simulation.pause(first.name)
  await world.simulation.wait(world.start(owner))
  await world.simulation.run(300)
  await ask(world, owner, add(id, 2))
  world.simulation.resume(first.name)
  await world.simulation.run(4000)
  for (const peer of home) {
    const found = hits(peer, id)
    if (found['s:1'] !== 1 || found['s:2'] !== 1) {
      return `${peer.name} has ${JSON.stringify(found)}`
    }
  }
  return undefined
}

/** An owner outside of the home set reaches one replica only. */
export const countsTheOwner: Scenario = async (mutants) => {
  const world = await World.of(5, { mutants })
  const id = 'test/pinned/p0'
  const { owner, home } = holders(world, id)
  if (home.includes(owner)) {
    throw new Error('the owner is in its home set: the scenario needs another id')
  }
  world.isolate(owner, home.slice(1))
  const reply = await ask(world, owner, add(id))
  return reply?.status === 'ok' ? 'acknowledged with one replica' : undefined
}

/** The only holders of an update are no replicas in the next view. */
export const forgetsTooEarly: Scenario = async (mutants) => {
  const world = await World.of(5, { mutants })
  const id = 'test/doc/a'
  const { owner, home, others } = holders(world, id)
  const [holder, behind] = home.filter((peer) => peer !== owner) as [Peer, Peer]
  world.isolate(owner, [behind])
  await ask(world, owner, add(id))
  world.crash(owner, { wipe: false })
  world.simulation.heal()
  world.isolate(holder)
  world.newView([behind, ...others])
  await world.simulation.run(3000)
  world.simulation.heal()
  await world.simulation.run(2500)
  const next = world.ownerOf(id)!
  const repeated = await ask(world, next, add(id, 1))
  const found = hits(next, id)
  return repeated?.status === 'ok' && found['s:0'] !== 1 ? 'the update is lost' : undefined
}

/** An owner that was replaced unheard is told that the client needs an answer no more: the next owner's. */
export const forgetsForAnother: Scenario = async (mutants) => {
  const world = await World.of(5, { mutants })
  const id = 'test/doc/a'
  const former = world.ownerOf(id)!
  await ask(world, former, add(id, 0))
  await world.simulation.run(1000)
  world.deaf.add(former.name)
  world.isolate(former)
  world.newView(world.peers.filter((peer) => peer !== former))
  await world.simulation.run(300)
  await ask(world, world.ownerOf(id)!, add(id, 1))
  await ask(world, former, { ...add(id, 2), lowest: 2 })
  await world.simulation.run(1000)
  world.deaf.clear()
  world.simulation.heal()
  world.newView(world.peers)
  await world.simulation.run(5000)
  const found = hits(world.ownerOf(id)!, id)
  return found['s:1'] === 1 ? world.violations[0] : 'the update of the next owner is lost'
}

/** Two owners execute one key; the first one answers for it, then the execution of the other comes. */
export const twoExecutions: Scenario = async (mutants) => {
  for (let number = 0; number < 40; number++) {
    const world = await World.of(5, { mutants })
    const id = `test/doc/${number}`
    const violation = await executeTwice(world, id)
    if (violation !== undefined) {
      return violation
    }
    if (number >= 3) {
      break
    }
  }
  return undefined
}

async function executeTwice(world: World, id: string): Promise<string | undefined> {
  const first = world.ownerOf(id)!
  world.isolate(first)
  await ask(world, first, add(id))
  world.newView(world.peers.filter((peer) => peer !== first))
  const second = world.ownerOf(id)!
  await world.simulation.run(500)
  world.isolate(second)
  await ask(world, second, add(id))
  world.newView(world.peers.filter((peer) => peer !== second))
  world.simulation.heal()
  world.isolate(second)
  await world.simulation.run(500)
  const reply = await ask(world, first, add(id))
  if (reply?.status !== 'ok') {
    return 'the first owner did not answer'
  }
  world.histories.get('s:0')!.acknowledged = reply.result
  world.simulation.heal()
  world.newView(world.peers)
  await world.simulation.run(5000)
  for (const peer of world.peers) {
    world.checkResult(peer, 's:0')
  }
  return world.violations[0]
}
