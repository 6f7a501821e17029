import { integerBetween } from '@murmuration/testkit'
import { Cluster } from './cluster.ts'
import type { ClusterInit } from './cluster.ts'

/**
 * A majority is lost, or only cut off; an operator forces a view on the others; the former majority
 * comes back, and all must become one again.
 */
export async function runForced(init: ClusterInit): Promise<void> {
  const cluster = new Cluster(init)
  const { simulation } = cluster
  const { random } = simulation
  const names = await cluster.form(integerBetween(random, 3, 5))
  await simulation.run(integerBetween(random, 200, 1000))
  const kept = names.filter((_, index) => (index + 1) * 2 > names.length + 1)
  const others = names.filter((name) => !kept.includes(name))
  const isAlive = random.next() < 0.6
  if (isAlive) {
    simulation.split(kept, others)
  } else {
    for (const name of others) {
      cluster.crash(name, { machine: true })
    }
  }
  await simulation.run(integerBetween(random, 6500, 9000))
  const [by = ''] = kept
  const forcing = cluster.of(by).forceView({ members: kept, reason: 'test' })
  await simulation.wait(forcing, 10_000)
  if (random.next() < 0.3) {
    const victim = kept.at(-1) ?? by
    cluster.crash(victim, { machine: random.next() < 0.5 })
    await simulation.run(integerBetween(random, 1, 50))
    cluster.start(victim, { found: false })
  }
  await simulation.run(integerBetween(random, 0, 1500))
  cluster.assertSound()
  simulation.heal()
  for (const name of isAlive ? [] : others) {
    cluster.start(name, { found: false })
  }
  await cluster.agree(names, 30_000)
  cluster.assertSound()
  const isMarked = names.every((name) => cluster.of(name).view?.unsafe?.[0]?.by === by)
  if (!isMarked) {
    throw new Error(`seed ${simulation.seed}: a view does not say that it was forced`)
  }
}

/** Members stand still, alone or together, for as long as that removes nobody. */
export async function runStalls(init: ClusterInit): Promise<void> {
  const cluster = new Cluster(init)
  const { simulation } = cluster
  const { random } = simulation
  const names = await cluster.form(integerBetween(random, 2, 5))
  await simulation.run(1000)
  const number = cluster.of('a').view?.number
  const isSlow = random.next() < 0.3
  simulation.conditions({
    loss: 0.05,
    duplication: 0.05,
    ...(isSlow && { delayMs: [100, 400] as const })
  })
  for (let round = 0; round < 2; round++) {
    const isAll = random.next() < 0.4
    const stalled = names.filter(() => isAll || random.next() < 0.4)
    const forMs = integerBetween(random, 500, isAll ? 15_000 : 4900)
    for (const name of stalled) {
      simulation.pause(name)
    }
    await simulation.run(forMs)
    for (const name of stalled) {
      simulation.resume(name)
    }
    await simulation.run(integerBetween(random, 500, 3000))
  }
  cluster.assertSound()
  for (const name of names) {
    const seen = cluster.of(name).view?.number
    if (seen !== number) {
      throw new Error(`seed ${simulation.seed}: a stall removed somebody (view ${seen} on ${name})`)
    }
  }
}
