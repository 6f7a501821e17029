import { integerBetween, pick } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import type { Mutants } from '../src/core/mutants.ts'
import { World } from './world.ts'
import type { Wanted } from './world.ts'

const types = ['order.created', 'order.paid', 'alert.raised']
const faultsMs = 1500

/**
 * One run: publishers, subscribers and a group, through lost messages, crashes, splits and one lost
 * disk. In the end every accepted signal was handled by everybody it was for, or is a dead letter;
 * never twice but where a crash came between a handler and its record; in order.
 */
export async function run(simulation: Simulation, mutants: Mutants = {}): Promise<World> {
  const { random } = simulation
  const subscription = (
    name: string,
    pattern: string,
    peers: readonly string[],
    group = false
  ): Wanted => ({ name, pattern, peers, group, ready: false, before: new Set() })
  const world = new World(
    simulation,
    ['a', 'b', 'c'],
    [
      subscription('orders', 'order.**', ['b', 'c']),
      subscription('team', 'order.*', ['b', 'c'], true),
      subscription('alerts', 'alert.*', ['c'])
    ],
    mutants
  )
  const early = random.next() < 0.3
  for (const name of ['a', ...(early ? [] : ['b', 'c'])]) {
    world.start(name)
  }
  const subscribed = (): boolean => world.subscriptions.every(({ ready }) => ready)
  if (early) {
    // What is accepted before anybody subscribes is for nobody.
    await simulation.run(100)
    for (let count = 0; count < 3; count += 1) {
      await simulation.wait(publishOne(world, 0))
    }
    world.start('b')
    world.start('c')
  }
  if (!(await simulation.until(subscribed, 10_000))) {
    throw new Error('the subscriptions were not there within 10 s')
  }
  simulation.conditions({ loss: random.next() * 0.1, reordering: 0.2, duplication: 0.05 })
  const publications = integerBetween(random, 6, 12)
  const pending: Promise<void>[] = []
  for (let count = 0; count < publications; count += 1) {
    simulation.after(random.next() * faultsMs, () => {
      pending.push(publishOne(world, 0.05))
    })
  }
  scheduleFaults(world)
  await simulation.run(faultsMs)
  simulation.heal()
  simulation.conditions({ loss: 0, reordering: 0, duplication: 0 })
  for (const name of world.names) {
    if (!simulation.isRunning(name)) {
      world.start(name)
    }
  }
  const done = (): boolean => world.violations.length > 0 || world.open().length === 0
  await simulation.run(1600)
  const kept = await simulation.until(done, 40_000)
  // What comes too often comes soon after.
  await simulation.run(300)
  const [violation] = world.violations
  if (violation !== undefined) {
    throw new Error(violation)
  }
  if (!kept) {
    throw new Error(`not handled in the end: ${world.open().join(', ')}`)
  }
  return world
}

async function publishOne(world: World, poisonous: number): Promise<void> {
  const { random } = world.simulation
  const life = pick(
    random,
    world.alive().filter(({ ready }) => ready)
  )
  const type = pick(random, types) ?? ''
  if (life !== undefined) {
    await world.publish(life, type, random.next() < poisonous)
  }
}

function scheduleFaults(world: World): void {
  const { simulation } = world
  const { random } = simulation
  const count = integerBetween(random, 1, 4)
  let wiped = false as boolean
  for (let fault = 0; fault < count; fault += 1) {
    const at = random.next() * faultsMs * 0.8
    const kind = random.next()
    const unsynced = random.next() < 0.5 ? 'lost' : 'some'
    const downMs = 20 + random.next() ** 2 * 600
    if (kind < 0.6) {
      const name = pick(random, world.names) ?? ''
      const wipe: boolean = !wiped && name === 'a' && random.next() < 0.3
      wiped ||= wipe
      simulation.after(at, () => {
        // One disk at a time is lost, and none while another peer is down.
        const all = world.names.every((each) => simulation.isRunning(each))
        world.crash(name, unsynced)
        if (wipe && all) {
          simulation.wipe(name)
        }
        simulation.after(downMs, () => {
          if (!simulation.isRunning(name)) {
            world.start(name)
          }
        })
      })
    } else if (kind < 0.85) {
      const cut = integerBetween(random, 1, world.names.length - 1)
      simulation.after(at, () => {
        simulation.split(world.names.slice(0, cut), world.names.slice(cut))
        simulation.after(downMs * 2, () => simulation.heal())
      })
    } else {
      const [one = '', other = ''] = [pick(random, world.names), pick(random, world.names)]
      simulation.after(at, () => simulation.disconnect(one, other))
    }
  }
}
