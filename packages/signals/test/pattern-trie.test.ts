import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { patternSegments, topicNumber, topicsOfPattern, typeSegments } from '../src/core/pattern.ts'
import { PatternTrie } from '../src/core/trie.ts'

function matches(pattern: string, type: string): boolean {
  const trie = new PatternTrie<string>()
  trie.add(patternSegments(pattern), pattern)
  return trie.match(typeSegments(type)).has(pattern)
}

describe('patterns', () => {
  it.each([
    ['order.created', 'order.created', true],
    ['order.created', 'order', false],
    ['order.*', 'order.created', true],
    ['order.*', 'order', false],
    ['order.*', 'order.created.late', false],
    ['order.**', 'order', true],
    ['order.**', 'order.created.late', true],
    ['*.created', 'order.created', true],
    ['**.created', 'created', true],
    ['**.created', 'shop.order.created', true],
    ['**', 'anything.at.all', true],
    ['a.**.z', 'a.z', true],
    ['a.**.z', 'a.b.c.z', true],
    ['a.**.z', 'a.b.c', false],
    ['**.b.**', 'a.b', true]
  ])('%s on %s: %s', (pattern, type, expected) => {
    expect(matches(pattern, type)).toBe(expected)
  })

  it('matches like a plain regular expression does', () => {
    const part = fc.constantFrom('a', 'b', 'c')
    const pattern = fc.array(fc.oneof(part, fc.constantFrom('*', '**')), {
      minLength: 1,
      maxLength: 6
    })
    const type = fc.array(part, { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 8 }), type, (patterns, segments) => {
        const trie = new PatternTrie<number>()
        for (const [index, each] of patterns.entries()) {
          trie.add(each, index)
        }
        const expected = patterns.flatMap((each, index) => (slow(each, segments) ? [index] : []))
        expect([...trie.match(segments)].toSorted((a, b) => a - b)).toEqual(expected)
      })
    )
  })

  it('forgets removed values and their branches', () => {
    const trie = new PatternTrie<string>()
    trie.add(['a', '**'], 'x')
    trie.add(['a'], 'y')
    trie.remove(['a', '**'], 'x')
    trie.remove(['never', 'there'], 'x')
    expect([...trie.match(['a'])]).toEqual(['y'])
    expect([...trie.match(['a', 'b'])]).toEqual([])
  })

  it('stays fast for patterns made to explode', () => {
    const trie = new PatternTrie<number>()
    trie.add(patternSegments('**.a.**.a.**.a.**.a.**.a.**.a.**.b'), 1)
    const started = performance.now()
    for (let round = 0; round < 1000; round += 1) {
      trie.match(Array.from({ length: 16 }, () => 'a'))
    }
    expect(performance.now() - started).toBeLessThan(2000)
  })

  it.each(['', 'a..b', 'a b', '.a', 'a.', 'a.*', '**', 'a\u0000b', 7, null])(
    'refuses %j as a type',
    (type) => {
      expect(() => typeSegments(type)).toThrow(/type/)
    }
  )

  it('refuses types that are too long', () => {
    expect(typeSegments('x'.repeat(256))).toHaveLength(1)
    expect(() => typeSegments('x'.repeat(257))).toThrow(/longer than 256/)
  })

  it.each(['', 'a..b', 'a.b*', '***', 'a b', Array.from({ length: 17 }, () => 'a').join('.')])(
    'refuses %j as a pattern',
    (pattern) => {
      expect(() => patternSegments(pattern)).toThrow(/pattern/)
    }
  )
})

describe('topics', () => {
  it('are a fixed function of the first segment', () => {
    // Part of the protocol: a change here splits a cluster of mixed versions.
    expect(['order', 'metrics', 'agent', 'a'].map(topicNumber)).toEqual([11, 10, 0, 7])
  })

  it('are all of them where the first segment is a wildcard', () => {
    expect(topicsOfPattern(['*', 'x'])).toHaveLength(16)
    expect(topicsOfPattern(['**'])).toHaveLength(16)
    expect(topicsOfPattern(['order', '**'])).toEqual([topicNumber('order')])
  })
})

function slow(pattern: readonly string[], type: readonly string[]): boolean {
  const [head, ...rest] = pattern
  if (head === undefined) {
    return type.length === 0
  }
  if (head === '**') {
    return slow(rest, type) || (type.length > 0 && slow(pattern, type.slice(1)))
  }
  return type.length > 0 && (head === '*' || head === type[0]) && slow(rest, type.slice(1))
}
