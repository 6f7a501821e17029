import { expect, it } from 'vitest'
import { playFault } from './fault-run.ts'
import type { FaultRow } from './fault-run.ts'

/** Shorter than the table of docs/resilience.md is played, and long enough for its bounds. */
const short = { beforeMs: 300, lastsMs: 1_500 }

/** What calls to the faulty peer came to beside what the table names. */
function unexpected({ outcomes }: FaultRow, expected: readonly string[]): readonly string[] {
  return Object.keys(outcomes).filter((name) => name !== 'answered' && !expected.includes(name))
}

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

it('fails calls to a dead peer at once, not those to others', async () => {
  const row = await playFault('dead', short)
  expect(unexpected(row, ['ConnectionLostError', 'PeerUnavailableError'])).toEqual([])
  expect(row.outcomes.PeerUnavailableError ?? 0).toBeGreaterThan(10)
  expect(row.failureMs).toBeLessThan(100)
  expect(row.othersFailed).toBe(0)
})

it('fails calls to a slow agent at once after five late ones, not those to others', async () => {
  const row = await playFault('slow', short)
  expect(unexpected(row, ['DeadlineExceededError', 'PeerUnavailableError'])).toEqual([])
  expect(row.outcomes.DeadlineExceededError ?? 0).toBeGreaterThanOrEqual(5)
  expect(row.outcomes.PeerUnavailableError ?? 0).toBeGreaterThan(10)
  expect(row.openCircuitMs).toBeLessThan(1)
  expect(row.othersFailed).toBe(0)
  expect(row.recoveryMs).toBeLessThan(3_000)
})

it('tells an overloaded peer from one that is gone, and is answered again after the load', async () => {
  const row = await playFault('overloaded', short)
  expect(row.outcomes.OverloadedError ?? 0).toBeGreaterThan(10)
  expect(row.openCircuitMs).toBeUndefined()
  expect(row.othersFailed).toBe(0)
  expect(row.recoveryMs).toBeLessThan(3_000)
})

it('fails calls to a flapping peer at once while it is away, and meets it again', async () => {
  const row = await playFault('flapping', short)
  expect(unexpected(row, ['ConnectionLostError', 'PeerUnavailableError'])).toEqual([])
  expect(row.outcomes.PeerUnavailableError ?? 0).toBeGreaterThan(10)
  expect(row.failureMs).toBeLessThan(100)
  expect(row.othersFailed).toBe(0)
  // The next dial comes after 10 s at most, and begins a connection.
  expect(row.recoveryMs).toBeLessThan(12_000)
})
