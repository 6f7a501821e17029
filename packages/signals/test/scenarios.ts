import type { Simulation } from '@murmuration/testkit'
import type { Mutants } from '../src/core/mutants.ts'
import { World } from './world.ts'
import type { Life, Wanted } from './world.ts'

/** Says what went wrong, or nothing. */
export type Scenario = (simulation: Simulation, mutants: Mutants) => Promise<string | undefined>

async function started(
  simulation: Simulation,
  mutants: Mutants,
  peers: readonly string[],
  named = false
): Promise<World> {
  const alerts: Wanted = {
    name: 'alerts',
    pattern: 'alert.*',
    peers,
    group: false,
    ready: false,
    before: new Set()
  }
  const world = new World(simulation, ['a', 'b', 'c'], [alerts], mutants, named)
  for (const name of world.names) {
    world.start(name)
  }
  const ready = (): boolean => world.names.every((name) => lifeOf(world, name).ready)
  if (!(await simulation.until(ready, 10_000))) {
    throw new Error('the peers were not ready within 10 s')
  }
  return world
}

function lifeOf(world: World, name: string): Life {
  const life = world.lives.get(name)
  if (life === undefined) {
    throw new Error(`there is no peer ${name}`)
  }
  return life
}

/** The one that holds the copy loses its power, then the author its disk; the third was cut off. */
export const loseAuthorAfterCopy: Scenario = async (simulation, mutants) => {
  const world = await started(simulation, mutants, ['c'])
  simulation.split(['a', 'b'], ['c'])
  await simulation.wait(world.publish(lifeOf(world, 'a'), 'alert.raised', false), 10_000)
  world.crash('b', 'lost')
  await simulation.run(50)
  world.start('b')
  await simulation.run(200)
  world.crash('a', 'lost')
  simulation.wipe('a')
  simulation.heal()
  world.start('a')
  if (world.accepted.length === 0) {
    throw new Error('nothing was accepted, so that nothing is shown')
  }
  const done = await simulation.until(() => world.open().length === 0, 30_000)
  return done ? world.violations[0] : `not handled: ${world.open().join(', ')}`
}

/** A peer is killed and comes back; somebody sends it once more what it had seen before. */
export const replayAfterRestart: Scenario = async (simulation, mutants) => {
  const world = await started(simulation, mutants, ['c'])
  const got: unknown[] = []
  const listen = ({ bus }: Life): void => {
    bus.subscribe('alert.*', ({ id }) => void got.push(id))
  }
  listen(lifeOf(world, 'b'))
  await simulation.run(100)
  for (let count = 0; count < 3; count += 1) {
    await simulation.wait(lifeOf(world, 'a').bus.publish({ type: 'alert.raised', id: `${count}` }))
  }
  // Longer than the marks may go unsynced.
  await simulation.run(1500)
  world.crash('b', 'lost')
  await simulation.run(20)
  world.start('b')
  await simulation.until(() => lifeOf(world, 'b').ready, 10_000)
  listen(lifeOf(world, 'b'))
  const before = got.length
  const sent = [...world.gossip.sent]
  for (const { bytes, topic } of sent) {
    await simulation.wait(world.gossip.inject('b', 'c', topic, bytes))
  }
  await simulation.run(500)
  return got.length === before && before === 3
    ? undefined
    : `got ${before} signals, then ${got.length - before} of them again`
}

/** A peer is killed just when it has heard something, which its disk does not know of yet. */
export const replayAfterKill: Scenario = async (simulation, mutants) => {
  const world = await started(simulation, mutants, ['c'])
  const got: string[] = []
  let killed = 0
  lifeOf(world, 'b').bus.subscribe('alert.*', ({ id }) => {
    got.push(id)
    if (got.length === 10) {
      killed = simulation.now
      world.crash('b', 'torn')
    }
  })
  await simulation.run(100)
  for (let count = 0; count < 10; count += 1) {
    void lifeOf(world, 'a').bus.publish({ type: 'alert.raised', id: `${count}` })
    await simulation.run(count === 8 ? 280 : 20)
  }
  await simulation.until(() => killed > 0, 1000)
  world.start('b')
  await simulation.until(() => lifeOf(world, 'b').ready, 10_000)
  lifeOf(world, 'b').bus.subscribe('alert.*', ({ id }) => void got.push(id))
  const sent = [...world.gossip.sent]
  for (const { bytes, topic } of sent) {
    await simulation.wait(world.gossip.inject('b', 'c', topic, bytes))
  }
  await simulation.run(1000)
  // What is sent from then on is taken as ever.
  await simulation.wait(lifeOf(world, 'a').bus.publish({ type: 'alert.raised', id: 'new' }))
  await simulation.run(1000)
  const wanted = [...Array.from({ length: 10 }, (_, count) => `${count}`), 'new']
  return got.join() === wanted.join() ? undefined : `got ${got.join()}, killed at ${killed} ms`
}

/** From the author nothing comes through to one peer, and nobody knows: others have it, and tell. */
export const oneWayCut: Scenario = async (simulation, mutants) => {
  const world = await started(simulation, mutants, ['b', 'c'], true)
  const took: number[] = []
  const { bus } = lifeOf(world, 'c')
  bus.subscribe('alert.*', ({ data }) => void took.push(simulation.now - Number(data)))
  await simulation.run(3000)
  simulation.block('a', 'c')
  const count = 20
  for (let sent = 0; sent < count; sent += 1) {
    const data = simulation.now
    void lifeOf(world, 'a').bus.publish({ type: 'alert.raised', data })
    await simulation.run(50)
  }
  await simulation.run(1500)
  const slowest = Math.max(...took)
  // Compared with at most each 375 ms by the one other peer, or asked in turn: two turns, then the grace.
  return took.length === count && slowest < 1250
    ? undefined
    : `${took.length} of ${count} signals came, the slowest after ${slowest} ms`
}
