import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { negativeLog2, table } from '../src/core/logarithm.ts'

const word = fc.integer({ min: 0, max: 0xffff_ffff })

describe('negativeLog2', () => {
  it('has the table that was agreed', () => {
    const hash = createHash('sha256').update(table.join(',')).digest('hex')
    expect(hash.slice(0, 16)).toBe('1ca79df3173d3193')
  })

  it('is within a millionth of the logarithm', () => {
    fc.assert(
      fc.property(word, word, (high, low) => {
        fc.pre(high > 0)
        const exact = -Math.log2((high * 2 ** 32 + low) / 2 ** 64)
        expect(Math.abs(negativeLog2(high, low) / 2 ** 24 - exact)).toBeLessThan(1e-6)
      }),
      { numRuns: 5000 }
    )
  })

  it('never rises with its argument', () => {
    fc.assert(
      fc.property(word, word, word, word, (highA, lowA, highB, lowB) => {
        const aFirst = highA < highB || (highA === highB && lowA <= lowB)
        const [a, b] = [negativeLog2(highA, lowA), negativeLog2(highB, lowB)]
        expect(aFirst ? a >= b : b >= a).toBe(true)
      }),
      { numRuns: 5000 }
    )
    const rises: number[] = []
    for (let high = 0; high < 70_000; high += 1) {
      if (negativeLog2(high + 1, 0) > negativeLog2(high, 0xffff_ffff)) {
        rises.push(high)
      }
    }
    expect(rises).toEqual([])
  })

  it.each([
    [0, 0, 64],
    [0, 1, 64],
    [0, 2, 63],
    [0, 0x8000_0000, 33],
    [1, 0, 32],
    [0x4000_0000, 0, 2],
    [0x8000_0000, 0, 1]
  ])('of (%i, %i) is %i', (high, low, result) => {
    expect(negativeLog2(high, low)).toBe(result * 2 ** 24)
  })

  it('is above zero and small at the end', () => {
    const last = negativeLog2(0xffff_ffff, 0xffff_ffff)
    expect(last).toBeGreaterThanOrEqual(0)
    expect(last).toBeLessThan(100)
  })
})
