import { runSeeds } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { run } from './run.ts'

const count = Number(process.env['STATE_SEEDS'] ?? 300)
const first = Number(process.env['STATE_FIRST'] ?? 1)

test('no acknowledged update is lost or counted twice', { timeout: 600_000 }, async () => {
  let acknowledged = 0
  await runSeeds({
    first,
    count,
    run: async (simulation) => {
      acknowledged += (await run(simulation)).acknowledged
    }
  })
  // Without traffic the runs would show nothing.
  expect(acknowledged / count).toBeGreaterThan(5)
})
