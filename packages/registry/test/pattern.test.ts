import { describe, expect, it } from 'vitest'
import { compilePattern } from '@murmuration/registry'

describe('patterns of agent ids', () => {
  it.each([
    ['default/station/berlin', 'default/station/berlin', true],
    ['default/station/*', 'default/station/berlin', true],
    ['default/*', 'default/station/berlin', false],
    ['**', 'default/station/berlin', true],
    ['default/**', 'default/station/berlin', true],
    ['**/berlin', 'default/station/berlin', true],
    ['**/paris', 'default/station/berlin', false],
    ['*/station/*', 'other/station/berlin', true],
    ['default/station/berlin/**', 'default/station/berlin', true],
    ['', 'default/station/berlin', false]
  ])('%s on %s: %s', (pattern, id, expected) => {
    expect(compilePattern(pattern)(id)).toBe(expected)
  })
})
