import { integerBetween, pick } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import { createSimulatedCluster } from '../src/index.ts'
import type { SimulatedCluster } from '../src/index.ts'
import { Callers, tagged } from './callers.ts'

const founders = ['p0', 'p1', 'p2']
const joiners = ['p3', 'p4']
const keys = Array.from({ length: 12 }, (_, at) => `k${at}`)

/**
 * Peers join and drain while agents are called all the time, some agents at a time, and one peer is
 * killed at some step of it: while it joins, gives, takes or leaves. No call fails for good, each
 * counts once, and in the end everybody has its share.
 */
export async function runJoins(simulation: Simulation): Promise<void> {
  const { random } = simulation
  const perView = integerBetween(random, 1, 4)
  // Mostly each step waits for the copies of the one before.
  const patienceMs = random.next() < 0.7 ? 2_000 : 0
  const cluster = await createSimulatedCluster({
    simulation,
    peers: founders,
    agents: [tagged],
    optionsOf: () => ({ motion: { perView, pauseMs: 40, patienceMs, startMs: 500 } })
  })
  const callers = new Callers(cluster, keys)
  callers.start()
  await simulation.run(integerBetween(random, 300, 1500))
  // Mostly step by step; a join at the very beginning moves its share at once.
  const isInUse = (): boolean => cluster.peer('p0').view?.inUse === true
  if (random.next() < 0.9) await simulation.until(isInUse, 10_000)
  const comes = joiners.slice(0, integerBetween(random, 0, 2))
  const goes = comes.length === 0 || random.next() < 0.5 ? pick(random, founders) : undefined
  const tasks = comes.map((name) => simulation.wait(cluster.start(name)))
  await Promise.all(tasks)
  if (random.next() < 0.5) await simulation.run(random.next() * 2000)
  const drained = goes === undefined ? undefined : drain(cluster, goes)
  const others = [...founders, ...comes]
  const killed = random.next() < 0.8 ? pick(random, others) : undefined
  if (killed !== undefined) {
    // Most of it happens within two seconds: views, copies, steps and the last view.
    await simulation.run(random.next() * 3000)
    if (cluster.isRunning(killed)) cluster.crash(killed, { machine: random.next() < 0.3 })
  }
  await simulation.run(integerBetween(random, 500, 5000))
  if (drained !== undefined) await simulation.until(() => drained.isOver(), 20_000)
  for (const name of others) {
    // Who has left stands still until it is started again.
    if (cluster.isRunning(name) && cluster.peer(name).status === 'stopped') cluster.crash(name)
    if (!cluster.isRunning(name)) await simulation.wait(cluster.start(name))
  }
  callers.stop()
  await cluster.ready(others, 60_000)
  await callers.check()
  const isThere = (): boolean => cluster.peer('p0').placement.motion.peers().length === 0
  if (!(await simulation.until(isThere, 60_000))) {
    const { motion } = cluster.peer('p0').placement
    throw new Error(`not all have their share: ${JSON.stringify(motion.peers())}`)
  }
}

/** Ends with the peer, or with its death. */
function drain(cluster: SimulatedCluster, name: string): { isOver(): boolean } {
  let isOver = false
  const end = (): void => {
    isOver = true
  }
  cluster.peer(name).drain().then(end, end)
  return { isOver: () => isOver || !cluster.isRunning(name) }
}
