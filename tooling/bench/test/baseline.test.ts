import { describe, expect, it } from 'vitest'
import { best, namesOfWorsened, readBaseline, TOLERANCE, worsened } from '../src/baseline.ts'

describe('the baseline of ratios', () => {
  it('names what got worse than the tolerance, and what is gone', () => {
    const baseline = { quiet: { call: 4, update: 10, find: 3 } }
    const now = { quiet: { call: 4 * TOLERANCE, update: 10 * TOLERANCE + 1 } }
    expect(worsened(now, baseline)).toEqual([
      `quiet, update: ${(10 * TOLERANCE + 1).toFixed(1)} times the raw socket, 10.0 before`,
      'quiet, find: it is measured no more'
    ])
    expect(namesOfWorsened(now, baseline)).toEqual(new Set(['update']))
  })

  it('takes the better of two runs', () => {
    expect(best({ quiet: { call: 4, find: 9 } }, { quiet: { call: 5, find: 3 } })).toEqual({
      quiet: { call: 4, find: 3 }
    })
  })

  it('has a ratio for every operation in both settings', async () => {
    const baseline = await readBaseline()
    expect(Object.keys(baseline)).toEqual(['delay-0ms', 'delay-2ms'])
    for (const ratios of Object.values(baseline)) {
      expect(Object.values(ratios).every((ratio) => ratio > 0)).toBe(true)
      expect(Object.keys(ratios)).toContain('update, eventual')
    }
  })
})
