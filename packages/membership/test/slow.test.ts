import { expect, test } from 'vitest'
import { Cluster } from './cluster.ts'

const seeds = [1, 2, 3]

/** How long twenty members need to be without one that was killed, where messages take so long. */
async function withoutOne(seed: number, delayMs: readonly [number, number]): Promise<number> {
  const cluster = new Cluster({ seed })
  const names = await cluster.form(20)
  const { simulation } = cluster
  simulation.conditions({ delayMs })
  await simulation.run(3000)
  cluster.crash('c')
  const rest = names.filter((name) => name !== 'c')
  const tookMs = await cluster.agree(rest)
  cluster.assertSound()
  return tookMs
}

test.each(seeds)(
  'members that answer late do not outbid each other for ever (seed %i)',
  async (seed) => {
    expect(await withoutOne(seed, [150, 450])).toBeLessThan(4000)
  }
)

test.each(seeds)(
  'an attempt is given more time where two rounds take too long (seed %i)',
  async (seed) => {
    expect(await withoutOne(seed, [250, 450])).toBeLessThan(5000)
  }
)
