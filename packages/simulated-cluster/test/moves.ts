import { integerBetween, pick } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import { createSimulatedCluster } from '../src/index.ts'
import { Callers, tagged } from './callers.ts'

const peers = ['p0', 'p1', 'p2', 'p3']
const keys = ['x', 'y', 'z']

/**
 * Agents that are called all the time move from one peer to another, and one of the two is killed at
 * some step of it: while copies are made, at the switch, while the new owner merges, or after. No call
 * fails for good, and each counts once.
 */
export async function runMoves(simulation: Simulation): Promise<void> {
  const cluster = await createSimulatedCluster({ simulation, peers, agents: [tagged] })
  const { random } = simulation
  const callers = new Callers(cluster, keys)
  const [from, to] = peers.toSorted(() => random.next() - 0.5)
  if (from === undefined || to === undefined) throw new Error('no peers')
  const ids = keys.map((key) => tagged.id(key))
  await simulation.wait(cluster.peer(from).placement.move(ids, from))
  callers.start()
  await simulation.run(integerBetween(random, 50, 300))
  const mover =
    pick(
      random,
      peers.filter((name) => name !== from && name !== to)
    ) ?? ''
  const moving = cluster.peer(mover).placement.move(ids, to, { timeoutMs: 5000 })
  // A view is agreed on within some milliseconds; a merge needs some more.
  const killed = random.next() < 0.5 ? from : to
  await simulation.run(random.next() < 0.7 ? random.next() * 12 : random.next() * 100)
  cluster.crash(killed, { machine: random.next() < 0.3 })
  await simulation.wait(moving.catch(() => {}))
  await simulation.run(integerBetween(random, 200, 3000))
  await simulation.wait(cluster.start(killed))
  callers.stop()
  await cluster.ready(peers, 60_000)
  await callers.check()
}
