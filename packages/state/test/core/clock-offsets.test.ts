import { describe, expect, it } from 'vitest'
import { ClockOffsets } from '../../src/core/clock-offsets.ts'

const now = { wall: 1_000_010, monotonic: 10 }

describe('the skew of the own clock', () => {
  it('is against the median, so that one wrong clock among others does not count', () => {
    const offsets = new ClockOffsets()
    offsets.saw('b', 1_000_002, 0, 4)
    offsets.saw('c', 1_060_002, 0, 4)
    expect(offsets.skewMs(now)).toBe(0)
    offsets.saw('d', 1_060_002, 0, 4)
    offsets.saw('e', 1_060_002, 0, 4)
    // Three of five agree that it is a minute later.
    expect(offsets.skewMs(now)).toBe(-60_000)
    offsets.keep(new Set(['b', 'c']))
    expect(offsets.skewMs(now)).toBe(0)
  })

  it('shows at once when the own clock jumps, and when it comes back', () => {
    const offsets = new ClockOffsets()
    offsets.saw('b', 1_000_002, 0, 4)
    offsets.saw('c', 1_000_002, 0, 4)
    expect(offsets.skewMs({ ...now, wall: now.wall + 5_000 })).toBe(5_000)
    expect(offsets.skewMs(now)).toBe(0)
  })

  it('is not judged with one other member, by answers that took long or by old ones', () => {
    const offsets = new ClockOffsets()
    offsets.saw('b', 9_000_000, 0, 4)
    expect(offsets.skewMs(now)).toBe(0)
    offsets.saw('c', 9_000_000, 0, 500)
    expect(offsets.skewMs(now)).toBe(0)
    offsets.saw('c', 9_000_000, 0, 4)
    expect(offsets.skewMs(now)).not.toBe(0)
    expect(offsets.skewMs({ wall: now.wall + 100_000, monotonic: 100_010 })).toBe(0)
  })
})
