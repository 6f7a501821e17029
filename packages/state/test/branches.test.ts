import { runSeeds } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { runBranches } from './branch-run.ts'

/** More and other runs: `STATE_SEEDS=100 STATE_FIRST=5`; the first few are in `state/branches` of the simulated runs. */
const first = Number(process.env['STATE_FIRST'] ?? 1)
const count = Number(process.env['STATE_SEEDS'] ?? 1)

test('sides that go on by themselves lose nothing, count once and end with one owner', async () => {
  const sum = { agreed: 0, branched: 0, both: 0 }
  await runSeeds({
    first,
    count,
    run: async (simulation) => {
      const { agreed, branched, both } = await runBranches(simulation)
      sum.agreed += agreed
      sum.branched += branched
      sum.both += both
    }
  })
  // Both sides wrote, and the same documents: otherwise there was nothing to lose.
  expect(sum.agreed / count).toBeGreaterThan(20)
  expect(sum.branched / count).toBeGreaterThan(20)
  expect(sum.both).toBeGreaterThan(0)
}, 600_000)
