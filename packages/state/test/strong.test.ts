import { runSeeds } from '@murmuration/testkit'
import { test } from 'vitest'
import { runStrong } from './strong-run.ts'

const first = Number(process.env['STATE_FIRST'] ?? 1)
const count = Number(process.env['STATE_SEEDS'] ?? 4)

test('strong updates are linearizable through crashes, splits, pauses and moves', async () => {
  await runSeeds({ first, count, run: (simulation) => runStrong(simulation) })
}, 600_000)
