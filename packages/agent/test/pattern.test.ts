import fc from 'fast-check'
import { InvalidParametersError } from '@murmuration/interface'
import { compilePattern } from '../src/core/pattern.ts'
import { describe, expect, it } from 'vitest'

/** The same by trying everything. */
function slow(wanted: readonly string[], given: readonly string[]): boolean {
  const [head, ...rest] = wanted
  if (head === undefined) return given.length === 0
  if (head === '**') {
    return Array.from({ length: given.length + 1 }, (_, at) => at).some((at) =>
      slow(rest, given.slice(at))
    )
  }
  return given.length > 0 && (head === '*' || head === given[0]) && slow(rest, given.slice(1))
}

describe('patterns of signal types', () => {
  it('match one segment with * and any number with **', () => {
    expect(compilePattern('order.*')('order.created')).toBe(true)
    expect(compilePattern('order.*')('order')).toBe(false)
    expect(compilePattern('order.*')('order.a.b')).toBe(false)
    expect(compilePattern('order.**')('order')).toBe(true)
    expect(compilePattern('order.**')('order.a.b')).toBe(true)
    expect(compilePattern('**.b')('order.a.b')).toBe(true)
    expect(compilePattern('**')('anything.at.all')).toBe(true)
  })

  it('match the same as trying everything', () => {
    const segment = fc.constantFrom('a', 'b', '*', '**')
    const given = fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 7 })
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 6 }), given, (wanted, type) => {
        expect(compilePattern(wanted.join('.'))(type.join('.'))).toBe(slow(wanted, type))
      }),
      { numRuns: 2_000 }
    )
  })

  it('end soon, whatever the pattern', () => {
    const pattern = compilePattern(`${'**.a.'.repeat(40)}b`)
    expect(pattern(`${'a.'.repeat(200)}c`)).toBe(false)
  })

  it('are refused where they are none', () => {
    for (const pattern of ['', 'a..b', 'a*', '.a', 'a.***']) {
      expect(() => compilePattern(pattern)).toThrow(InvalidParametersError)
    }
  })
})
