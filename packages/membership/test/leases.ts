import { integerBetween, pick } from '@murmuration/testkit'
import { edgesOf } from '../src/core/edges.ts'
import { Cluster, namesOf } from './cluster.ts'
import type { ClusterInit } from './cluster.ts'

/** Virtual time between two looks at who holds a lease and who may be replaced. */
const lookMs = 20

/** No two of these differ by more than 5 %. */
function randomPaces(init: ClusterInit): (name: string) => number {
  const paces = new Map<string, number>()
  return (name) => {
    const random = init.simulation?.random.next() ?? 0.5
    const pace = paces.get(name) ?? 0.976 + 0.048 * random
    paces.set(name, pace)
    return pace
  }
}

async function watch(cluster: Cluster, durationMs: number): Promise<void> {
  const end = cluster.simulation.now + durationMs
  while (cluster.simulation.now < end) {
    await cluster.simulation.run(Math.min(lookMs, end - cluster.simulation.now))
    cluster.checkLeases()
    cluster.assertSound()
  }
}

/** Leases while members are revoked, cut off, killed, restarted and admitted again. */
export async function runLeases(init: ClusterInit): Promise<void> {
  const cluster = new Cluster({ paceOf: randomPaces(init), ...init })
  const { simulation } = cluster
  const { random } = simulation
  const names = await cluster.form(integerBetween(random, 2, 4))
  await watch(cluster, integerBetween(random, 100, 1200))
  const isSlow = random.next() < 0.4
  if (isSlow) {
    simulation.conditions({ delayMs: [1, 900], reordering: 0.5, loss: 0.02 })
  }
  const victim = pick(random, names.slice(1)) ?? 'b'
  const others = names.filter((name) => name !== victim)
  if (random.next() < 0.4) {
    for (const name of others.filter(() => random.next() < 0.7)) {
      cluster.crash(name, { machine: true })
      cluster.start(name, { found: false })
    }
    await watch(cluster, integerBetween(random, 1, 300))
  }
  const kind = random.next()
  if (kind < 0.7) {
    revoke(cluster, pick(random, others) ?? 'a', victim)
    await watch(cluster, integerBetween(random, 0, isSlow ? 1500 : 150))
    simulation.split([victim], others)
  } else if (kind < 0.85) {
    cluster.crash(victim)
    await watch(cluster, integerBetween(random, 0, 300))
    cluster.start(victim, { found: false })
  } else {
    simulation.split([victim], others)
    await watch(cluster, 3000)
  }
  await watch(cluster, 2500)
  simulation.heal()
  await watch(cluster, 1000)
}

/**
 * Two views follow each other while the holder and one other acceptor learn of neither: what that
 * acceptor voted for must end its grants.
 */
export async function runOvertaken(init: ClusterInit): Promise<void> {
  const cluster = new Cluster({ paceOf: randomPaces(init), ...init })
  const { simulation } = cluster
  const { random } = simulation
  await cluster.form(3)
  await watch(cluster, 1200)
  simulation.conditions({ delayMs: [20, 80] })
  cluster.start('d', { contacts: () => ['a'] })
  cluster.start('e', { contacts: () => ['a'] })
  await simulation.run(integerBetween(random, 250, 450))
  simulation.split(['b', 'c'], ['a', 'd', 'e'])
  const isIn = (): boolean => cluster.members('d').length === 5
  if (await simulation.until(isIn, 3000)) {
    revoke(cluster, 'a', 'c')
  }
  await watch(cluster, 5000)
}

/** The holder is cut off together with those that watch it, who are not those that decide. */
export async function runWide(init: ClusterInit): Promise<void> {
  const cluster = new Cluster({ paceOf: randomPaces(init), ...init })
  const { simulation } = cluster
  const { random } = simulation
  const names = namesOf(13)
  for (const name of names) {
    cluster.start(name, { found: name === 'a', contacts: () => ['a'] })
  }
  await cluster.agree(names)
  await simulation.run(1600)
  const { view } = cluster.of('a')
  const holder = pick(random, names.slice(1)) ?? 'b'
  const watchers = view === undefined ? [] : new Set(edgesOf(view).observersOf(holder))
  const cut = [holder, ...[...watchers].slice(0, integerBetween(random, 4, 6) - 1)]
  simulation.split(
    cut,
    names.filter((name) => !cut.includes(name))
  )
  for (let step = 0; step < 25; step++) {
    await simulation.run(400)
    cluster.checkLeases()
    cluster.assertSound()
  }
}

function revoke(cluster: Cluster, by: string, peer: string): void {
  cluster
    .of(by)
    .propose({ revoke: { peers: [peer] } }, { timeoutMs: 5000 })
    // It may fail with its proposer; what matters is what follows if it does not.
    .catch(() => {})
}
