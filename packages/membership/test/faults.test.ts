import { expect, test } from 'vitest'
import { Cluster } from './cluster.ts'
import { runFaults } from './faults.ts'
import type { Outcome } from './faults.ts'

const seeds = 60

test(`keeps one view per number and comes together again, seeds 1 to ${seeds}`, async () => {
  const outcomes: Record<Outcome, number> = { agreed: 0, 'majority lost': 0 }
  for (let seed = 1; seed <= seeds; seed++) {
    outcomes[await runFaults({ seed, isRough: seed % 4 === 0 })]++
  }
  console.log(outcomes)
  // Runs that lose a majority of disks prove only safety; most must prove both.
  expect(outcomes.agreed).toBeGreaterThan(0.9 * seeds)
}, 120_000)

test('the same seed gives the same run', async () => {
  const run = async (): Promise<readonly string[]> => {
    const cluster = new Cluster({ seed: 5, trace: true })
    await cluster.form(4)
    cluster.crash('c')
    await cluster.agree(['a', 'b', 'd'])
    return cluster.simulation.trace
  }
  const trace = await run()
  expect(trace.length).toBeGreaterThan(100)
  expect(await run()).toEqual(trace)
})
