import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDecimal, parseDecimal } from '../src/decimal.ts'

describe('exact decimals', () => {
  it.each([
    ['0', '0'],
    ['-0.0', '0'],
    ['12.50', '12.5'],
    ['-3', '-3'],
    ['1e3', '1000'],
    ['1.5E-3', '0.0015'],
    ['-120e-1', '-12'],
    ['0.000000000000000001', '0.000000000000000001'],
    ['100e-20', '0.000000000000000001']
  ])('%s is %s', (text, expected) => {
    const value = parseDecimal(text)
    expect(value === undefined ? undefined : formatDecimal(value)).toBe(expected)
  })

  it.each(['', 'abc', '1.', '.5', '1e99', '0.0000000000000000001', 'Infinity', '0x10'])(
    'refuses %j',
    (text) => {
      expect(parseDecimal(text)).toBeUndefined()
    }
  )

  it('sums what binary numbers round', () => {
    const sum = Array.from({ length: 10 }, () => parseDecimal('0.1') ?? 0n).reduce((a, b) => a + b)
    expect(formatDecimal(sum)).toBe('1')
  })

  it('reads back every number that it writes', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), (value) => {
        expect(parseDecimal(formatDecimal(value))).toBe(value)
      })
    )
  })
})
