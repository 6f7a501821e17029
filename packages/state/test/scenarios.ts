import type { Mutants } from '../src/core/mutants.ts'
import { schema, tallied, World } from './world.ts'
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

/** An update of an earlier owner that is not folded yet, and that owner has another name since. */
export const collectsTooEarly: Scenario = async (mutants) => {
  const world = await World.of(4, { mutants, collectNames: 1 })
  const id = 'test/doc/a'
  const former = world.ownerOf(id)!
  await once(world, id, 0)
  await world.simulation.run(500)
  const update = { kind: 'tally', digit: 1 } as const
  await ask(world, former, { id, session: 's', sequence: 0, lowest: 0, update })
  await world.simulation.run(500)
  world.newView(world.peers.filter((peer) => peer !== former))
  await world.simulation.run(1500)
  await once(world, id, 2)
  await world.simulation.run(2000)
  const [, keyed] = tallyOf(world.ownerOf(id)!, id)
  return keyed === 1 ? world.violations[0] : 'an update that was acknowledged is lost'
}

/** A replica comes back that has not heard that updates were folded, and that their writers went. */
export const returnsWithOldUpdates: Scenario = async (mutants) => {
  const world = await World.of(4, { mutants, collectNames: 1 })
  const id = 'test/doc/a'
  const { owner, home } = holders(world, id)
  const away = home.find((peer) => peer !== owner)!
  await once(world, id, 0)
  await world.simulation.run(15)
  world.isolate(away)
  world.crash(owner, { wipe: false })
  await world.simulation.wait(world.start(owner))
  await world.simulation.run(500)
  await once(world, id, 1)
  world.newView(world.peers.filter((peer) => peer !== away))
  await world.simulation.run(1500)
  world.newView(world.peers.filter((peer) => peer !== away && peer !== owner))
  await world.simulation.run(1500)
  await once(world, id, 2)
  await world.simulation.run(1500)
  if ((world.ownerOf(id)!.state?.held(id)?.copy.state().lineage.count ?? 0) === 0) {
    throw new Error('nothing was collected: the scenario shows nothing')
  }
  if ((away.state?.held(id)?.copy.entryCount ?? 0) === 0) {
    throw new Error('the replica that was away holds no old update: the scenario shows nothing')
  }
  world.simulation.heal()
  world.newView(world.peers)
  await world.simulation.run(4000)
  const counts = tallyOf(world.ownerOf(id)!, id).slice(0, 3)
  return counts.every((count) => count === 1) ? world.violations[0] : `they count ${counts.join()}`
}

/** An owner takes writers out while nobody hears it, and others go on without it. */
export const collectsAlone: Scenario = async (mutants) => {
  const world = await World.of(4, { mutants })
  const id = 'test/doc/a'
  const owner = world.ownerOf(id)!
  world.collectNames = 6
  // Two names for each of its starts: the third makes it worth while.
  for (const number of [0, 1]) {
    await once(world, id, number)
    await world.simulation.run(500)
    world.crash(owner, { wipe: false })
    await world.simulation.wait(world.start(owner))
    await world.simulation.run(500)
  }
  await once(world, id, 2)
  await world.simulation.run(15)
  world.isolate(owner)
  await world.simulation.run(1000)
  if ((owner.state?.held(id)?.copy.state().lineage.count ?? 0) === 0) {
    throw new Error('the owner collected nothing: the scenario shows nothing')
  }
  world.newView(world.peers.filter((peer) => peer !== owner))
  await world.simulation.run(1000)
  await once(world, id, 3)
  await world.simulation.run(1000)
  world.simulation.heal()
  world.newView(world.peers)
  await world.simulation.run(4000)
  const counts = tallyOf(world.ownerOf(id)!, id).slice(0, 4)
  return counts.every((count) => count === 1) ? world.violations[0] : `they count ${counts.join()}`
}

/** How often each of these updates counted. */
function tallyOf(peer: Peer, id: string): number[] {
  return tallied(peer.state?.held(id)?.copy.live.value(schema).tally ?? 0)
}

/** An update without a key, which has to be acknowledged. */
async function once(world: World, id: string, sequence: number): Promise<void> {
  const update = { kind: 'tally', digit: sequence } as const
  const request = { id, session: 'once', sequence, lowest: 0, update, isKeyless: true }
  const reply = await ask(world, world.ownerOf(id)!, request)
  if (reply?.status !== 'ok') throw new Error(`update ${sequence} was not acknowledged`)
}
