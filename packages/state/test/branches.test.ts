import { createSimulation, runSeeds } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { runBranches } from './branch-run.ts'

const first = Number(process.env['STATE_FIRST'] ?? 1)
const count = Number(process.env['STATE_SEEDS'] ?? 4)

test('sides that go on by themselves lose nothing, count once and end with one owner', async () => {
  await runSeeds({
    first,
    count,
    run: async (simulation) => {
      await runBranches(simulation)
    }
  })
}, 600_000)

test('several sides write the same documents meanwhile', async () => {
  const { agreed, branched, both } = await runBranches(createSimulation({ seed: 1 }))
  expect(agreed).toBeGreaterThan(20)
  expect(branched).toBeGreaterThan(20)
  expect(both).toBeGreaterThan(0)
}, 600_000)
