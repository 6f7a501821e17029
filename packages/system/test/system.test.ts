import { describe, expect, it } from 'vitest'
import { systemClock, systemRandom } from '@murmuration/system'

describe('the clock of this machine', () => {
  it('runs a task once after its delay, and not if it was cancelled', async () => {
    const ran: string[] = []
    const begun = systemClock.monotonic()
    systemClock.schedule(1, () => ran.push('cancelled'))()
    await new Promise<void>((resolve) => {
      systemClock.schedule(5, () => {
        ran.push('due')
        resolve()
      })
    })
    expect(ran).toEqual(['due'])
    expect(systemClock.monotonic()).toBeGreaterThan(begun)
  })
})

describe('the randomness of this machine', () => {
  it('gives numbers from 0 to below 1, and as many bytes as asked', () => {
    const numbers = Array.from({ length: 1_000 }, () => systemRandom.next())
    expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true)
    expect(new Set(numbers).size).toBeGreaterThan(990)
    expect(systemRandom.bytes(16)).toHaveLength(16)
  })
})
