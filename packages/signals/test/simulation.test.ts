import { runSeeds } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { run } from './run.ts'

/** More and other runs: `SIGNALS_SEEDS=5000 SIGNALS_FIRST=1`. */
const count = Number(process.env['SIGNALS_SEEDS'] ?? 100)
const first = Number(process.env['SIGNALS_FIRST'] ?? 1)

test(
  'what is accepted at least once is handled once, in order, or a dead letter, whatever fails',
  { timeout: Math.max(120_000, count * 1000) },
  async () => {
    let accepted = 0
    await runSeeds({
      first,
      count,
      run: async (simulation) => {
        accepted += (await run(simulation)).accepted.length
      }
    })
    // Without traffic the runs would show nothing.
    expect(accepted / count).toBeGreaterThan(5)
  }
)
