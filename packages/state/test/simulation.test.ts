import { runSeeds } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { run } from './run.ts'

/**
 * More and other runs: `STATE_SEEDS=5000 STATE_FIRST=1`. The seeds before the first are left to
 * `state/faults` of the 10,000 simulated runs, which begin with 1.
 */
const count = Number(process.env['STATE_SEEDS'] ?? 160)
const first = Number(process.env['STATE_FIRST'] ?? 91)

test(
  'no acknowledged update is lost or counted twice, whatever fails',
  { timeout: Math.max(120_000, count * 1000) },
  async () => {
    let acknowledged = 0
    await runSeeds({
      first,
      count,
      run: async (simulation) => {
        acknowledged += (await run(simulation)).acknowledged
      }
    })
    // Without traffic the runs would show nothing.
    expect(acknowledged / count).toBeGreaterThan(10)
  }
)

test('slow disks change nothing', { timeout: 120_000 }, async () => {
  await runSeeds({
    first: 100_000,
    count: 50,
    diskMs: [0.05, 6],
    run: async (simulation) => {
      await run(simulation)
    }
  })
})
