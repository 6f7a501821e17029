import { expect, it } from 'vitest'
import { playFault } from './fault-run.ts'

it('fails calls to a frozen peer at once after five silent ones, not those to others, and recovers', async () => {
  const row = await playFault('frozen')
  expect(row.outcomes.PeerUnavailableError ?? 0).toBeGreaterThan(10)
  expect(row.openCircuitMs).toBeLessThan(1)
  expect(row.othersFailed).toBe(0)
  expect(row.recoveryMs).toBeLessThan(3_000)
})

it('keeps calls to others going while a peer moves, and meets it at its new address', async () => {
  const row = await playFault('address changed')
  expect(row.othersFailed).toBe(0)
  expect(row.recoveryMs).toBeLessThan(5_000)
})
