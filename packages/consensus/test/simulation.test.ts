import { runSeeds } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { CoreRun } from './core-run.ts'

/** More and other runs: `CONSENSUS_SEEDS=5000 CONSENSUS_FIRST=1`. */
const count = Number(process.env['CONSENSUS_SEEDS'] ?? 300)
const first = Number(process.env['CONSENSUS_FIRST'] ?? 1)

test(
  'registers stay linearizable, whatever fails and whoever comes and goes',
  { timeout: Math.max(60_000, count * 200) },
  async () => {
    let committed = 0
    let views = 0
    await runSeeds({
      first,
      count,
      run: async (simulation) => {
        const result = new CoreRun(simulation).run()
        committed += result.committed
        views += result.views
      }
    })
    // Without traffic and without new views the runs would show nothing.
    expect(committed / count).toBeGreaterThan(15)
    expect(views / count).toBeGreaterThan(5)
  }
)
