import { runSeeds } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { readsOfRun, runSessions } from './session-run.ts'

const first = Number(process.env['STATE_FIRST'] ?? 1)
const count = Number(process.env['STATE_SEEDS'] ?? 4)

// `STATE_SEEDS=620` for more than 100,000 reads.
test('sessions keep their guarantees while they hop between replicas', async () => {
  let reads = 0
  await runSeeds({
    first,
    count,
    run: async (simulation) => {
      reads += await runSessions(simulation)
    }
  })
  // Most reads must have been answered, or nothing was shown.
  expect(reads).toBeGreaterThan(count * readsOfRun * 0.7)
}, 1_200_000)
