import { expect, test } from 'vitest'
import { runFaults } from './faults.ts'
import type { Outcome } from './faults.ts'

const seeds = Number(process.env['SEEDS'] ?? 300)
const first = Number(process.env['FIRST_SEED'] ?? 1)

test(`keeps one view per number and comes together again, seeds ${first} to ${first + seeds - 1}`, async () => {
  const outcomes: Record<Outcome, number> = { agreed: 0, 'majority lost': 0 }
  for (let seed = first; seed < first + seeds; seed++) {
    outcomes[await runFaults({ seed, isRough: seed % 4 === 0 })]++
  }
  console.log(outcomes)
  // Runs that lose a majority of disks prove only safety; most must prove both.
  expect(outcomes.agreed).toBeGreaterThan(0.9 * seeds)
}, 600_000)
