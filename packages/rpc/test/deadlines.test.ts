import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Deadlines } from '../src/core/deadlines.ts'
import type { Expiring } from '../src/core/deadlines.ts'
import { fixed } from '../src/defaults.ts'
import { ManualClock } from './manual-clock.ts'

describe('deadlines', () => {
  it('fire never early, at most one slice late, and not once removed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ delayMs: fc.integer({ min: 1, max: 300 }), remove: fc.boolean() }), {
          maxLength: 50
        }),
        fc.integer({ min: 1, max: 40 }),
        (calls, stepMs) => {
          const clock = new ManualClock()
          const deadlines = new Deadlines(clock)
          const fired = new Map<number, number>()
          const start = clock.monotonic()
          for (const [index, { delayMs, remove }] of calls.entries()) {
            const entry: Expiring = {
              slice: 0,
              expire: () => fired.set(index, clock.monotonic() - start)
            }
            deadlines.add(entry, delayMs)
            if (remove) deadlines.remove(entry)
          }
          for (let passed = 0; passed < 320; passed += stepMs) clock.advance(stepMs)
          for (const [index, { delayMs, remove }] of calls.entries()) {
            const at = fired.get(index)
            if (remove) expect(at).toBeUndefined()
            else {
              expect(at).toBeGreaterThanOrEqual(delayMs)
              expect(at).toBeLessThanOrEqual(delayMs + fixed.deadlineSliceMs)
            }
          }
          expect(clock.timers).toBe(0)
        }
      ),
      { numRuns: 200 }
    )
  })

  it('that end each other in the same slice fire once', () => {
    const clock = new ManualClock()
    const deadlines = new Deadlines(clock)
    const fired: string[] = []
    const second: Expiring = { slice: 0, expire: () => fired.push('second') }
    const first: Expiring = {
      slice: 0,
      expire: () => {
        fired.push('first')
        deadlines.remove(second)
      }
    }
    deadlines.add(first, 10)
    deadlines.add(second, 10)
    clock.advance(50)
    expect(fired).toEqual(['first'])
  })

  it('leave no timer behind when nothing waits', () => {
    const clock = new ManualClock()
    const deadlines = new Deadlines(clock)
    const entry: Expiring = { slice: 0, expire: () => {} }
    deadlines.add(entry, 5_000)
    expect(clock.timers).toBe(1)
    deadlines.remove(entry)
    expect(clock.timers).toBe(0)
  })

  it('added while others expire fire too', () => {
    const clock = new ManualClock()
    const deadlines = new Deadlines(clock)
    const fired: number[] = []
    const again: Expiring = {
      slice: 0,
      expire: () => {
        fired.push(clock.monotonic())
        if (fired.length < 3) deadlines.add(again, 10)
      }
    }
    deadlines.add(again, 10)
    clock.advance(100)
    expect(fired).toHaveLength(3)
  })
})
