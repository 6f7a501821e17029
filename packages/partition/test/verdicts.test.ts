import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PartitionPolicy, PartitionStrategy, SplitSituation } from '@murmuration/interface'
import {
  describeLinks,
  simulateSplit,
  situationOf,
  staticQuorum,
  strategyOf
} from '@murmuration/partition'
import { cut, linksOf, viewOf } from './view.ts'

const policies = {
  'pause-minority': 'pause-minority',
  'continue-all': 'continue-all',
  'leader-election': 'leader-election',
  'static-quorum(3)': staticQuorum({ size: 3 }),
  'keep-oldest': 'keep-oldest',
  'down-all': 'down-all'
} as const satisfies Record<string, PartitionPolicy>

type Outside = Partial<Pick<SplitSituation, 'leaving' | 'joining' | 'isUnstable'>>

/** The members that go on, by strategy: each judges for itself by what it heard. */
function going(
  peers: string,
  broken: readonly string[],
  outside: Outside = {}
): Record<string, string> {
  const view = viewOf(peers.split(''))
  return Object.fromEntries(
    Object.entries(policies).map(([name, policy]) => [
      name,
      peers
        .split('')
        .filter((self) => {
          const situation = situationOf(linksOf(view, self, broken), outside)
          return strategyOf(policy).decide(situation).verdict === 'run'
        })
        .join('')
    ])
  )
}

function kinds(peers: string, broken: readonly string[]): string[] {
  const view = viewOf(peers.split(''))
  return peers.split('').map((self) => describeLinks(linksOf(view, self, broken)).kind)
}

// Members by age: `a` is the oldest and the tie-breaker.
const table: readonly [
  what: string,
  peers: string,
  broken: string[],
  going: Record<string, string>
][] = [
  [
    'no split',
    'abc',
    [],
    {
      'pause-minority': 'abc',
      'continue-all': 'abc',
      'leader-election': 'abc',
      'static-quorum(3)': 'abc',
      'keep-oldest': 'abc',
      'down-all': 'abc'
    }
  ],
  [
    'a pair',
    'ab',
    cut('a', 'b'),
    {
      'pause-minority': 'a',
      'continue-all': 'ab',
      'leader-election': 'ab',
      'static-quorum(3)': '',
      'keep-oldest': 'a',
      'down-all': ''
    }
  ],
  [
    '2 and 1',
    'abc',
    cut('ab', 'c'),
    {
      'pause-minority': 'ab',
      'continue-all': 'abc',
      'leader-election': 'abc',
      'static-quorum(3)': '',
      'keep-oldest': 'ab',
      'down-all': ''
    }
  ],
  [
    '1 and 2',
    'abc',
    cut('a', 'bc'),
    {
      'pause-minority': 'bc',
      'continue-all': 'abc',
      'leader-election': 'abc',
      'static-quorum(3)': '',
      'keep-oldest': 'bc',
      'down-all': ''
    }
  ],
  [
    '2 and 2',
    'abcd',
    cut('ab', 'cd'),
    {
      'pause-minority': 'ab',
      'continue-all': 'abcd',
      'leader-election': 'abcd',
      'static-quorum(3)': '',
      'keep-oldest': 'ab',
      'down-all': ''
    }
  ],
  [
    '3 and 2',
    'abcde',
    cut('cde', 'ab'),
    {
      'pause-minority': 'cde',
      'continue-all': 'abcde',
      'leader-election': 'abcde',
      'static-quorum(3)': 'cde',
      'keep-oldest': 'ab',
      'down-all': ''
    }
  ],
  [
    '1 and 4',
    'abcde',
    cut('a', 'bcde'),
    {
      'pause-minority': 'bcde',
      'continue-all': 'abcde',
      'leader-election': 'abcde',
      'static-quorum(3)': 'bcde',
      'keep-oldest': 'bcde',
      'down-all': ''
    }
  ],
  [
    '4 and 1',
    'abcde',
    cut('abcd', 'e'),
    {
      'pause-minority': 'abcd',
      'continue-all': 'abcde',
      'leader-election': 'abcde',
      'static-quorum(3)': 'abcd',
      'keep-oldest': 'abcd',
      'down-all': ''
    }
  ],
  [
    '2, 2 and 1',
    'abcde',
    cut('ab', 'cd', 'e'),
    {
      'pause-minority': '',
      'continue-all': 'abcde',
      'leader-election': 'abcde',
      'static-quorum(3)': '',
      'keep-oldest': 'ab',
      'down-all': ''
    }
  ],
  [
    '1, 2 and 2',
    'abcde',
    cut('a', 'bc', 'de'),
    {
      'pause-minority': '',
      'continue-all': 'abcde',
      'leader-election': 'abcde',
      'static-quorum(3)': '',
      'keep-oldest': '',
      'down-all': ''
    }
  ],
  // c reaches both sides. Each of them has a majority with c, and only one view can be decided.
  [
    'a bridge',
    'abcde',
    cut('ab', 'de'),
    {
      'pause-minority': 'abcde',
      'continue-all': 'abcde',
      'leader-election': 'abc',
      'static-quorum(3)': 'abc',
      'keep-oldest': 'abc',
      'down-all': ''
    }
  ],
  [
    'one broken link',
    'abcde',
    cut('b', 'c'),
    {
      'pause-minority': 'abcde',
      'continue-all': 'abcde',
      'leader-election': 'abde',
      'static-quorum(3)': 'abde',
      'keep-oldest': 'abde',
      'down-all': ''
    }
  ],
  [
    'one way only',
    'abcde',
    ['b>c'],
    {
      'pause-minority': 'abcde',
      'continue-all': 'abcde',
      'leader-election': 'abde',
      'static-quorum(3)': 'abde',
      'keep-oldest': 'abde',
      'down-all': ''
    }
  ],
  [
    'one that hears nobody',
    'abc',
    ['c>a', 'c>b'],
    {
      'pause-minority': 'ab',
      'continue-all': 'abc',
      'leader-election': 'abc',
      'static-quorum(3)': '',
      'keep-oldest': 'ab',
      'down-all': ''
    }
  ]
]

describe('verdicts', () => {
  it.each(table)('of %s', (_what, peers, broken, expected) => {
    expect(going(peers, broken)).toEqual(expected)
  })

  it('count members that leave, and again without them where nobody else decides it', () => {
    const leaving = new Set(['c'])
    const found = going('abcde', cut('abc', 'de'), { leaving })
    expect(found['pause-minority']).toBe('abc')
    expect(found['static-quorum(3)']).toBe('')
    expect(going('abcde', cut('abc', 'de'), {})['static-quorum(3)']).toBe('abc')
    // The oldest stays the oldest until it is gone.
    expect(going('abc', cut('ab', 'c'), { leaving: new Set(['a']) })['keep-oldest']).toBe('ab')
  })

  it('do not count who joins, and fear that it is on the other side', () => {
    const joining = new Set(['x'])
    const found = going('abcde', cut('abc', 'de'), { joining })
    expect(found['pause-minority']).toBe('abc')
    expect(found['static-quorum(3)']).toBe('')
    expect(going('ab', cut('a', 'b'), { joining })['keep-oldest']).toBe('')
  })

  it('stop what needs rest while the links do not come to rest', () => {
    const found = going('abcde', cut('abc', 'de'), { isUnstable: true })
    expect(found).toMatchObject({
      'pause-minority': 'abc',
      'continue-all': 'abcde',
      'leader-election': '',
      'static-quorum(3)': '',
      'keep-oldest': ''
    })
  })

  it('stay safe when the sides know different views', () => {
    // a, b and c have let f in; d and e do not know it.
    const [older, newer] = [viewOf('abcde'.split('')), viewOf('abcdef'.split(''))]
    const broken = cut('abcf', 'de')
    const runs = (view: typeof older, self: string): boolean =>
      strategyOf('pause-minority').decide(situationOf(linksOf(view, self, broken))).verdict ===
      'run'
    expect('abc'.split('').filter((self) => runs(newer, self))).toHaveLength(3)
    expect('de'.split('').filter((self) => runs(older, self))).toHaveLength(0)
  })

  it('let exactly one of two complementary sides go on where a majority or the oldest decides', () => {
    const peers = fc.uniqueArray(fc.constantFrom(...'abcdefghijkl'.split('')), { minLength: 2 })
    fc.assert(
      fc.property(
        peers,
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 1, max: 9 }),
        (all, at, tie, size) => {
          const view = viewOf(all, all[tie % all.length])
          const point = 1 + (at % (all.length - 1))
          const sides = [all.slice(0, point), all.slice(point)]
          const count = (policy: PartitionPolicy): number =>
            simulateSplit(view, policy, sides).filter(({ decision }) => decision.verdict === 'run')
              .length
          expect(count('pause-minority')).toBe(1)
          expect(count('keep-oldest')).toBe(1)
          expect(count(staticQuorum({ size }))).toBeLessThanOrEqual(1)
          expect(count('down-all')).toBe(0)
          expect(count('continue-all')).toBe(2)
        }
      )
    )
  })

  it('let at most one of two sides go on that have heard differently of who joins and leaves', () => {
    const peers = fc.uniqueArray(fc.constantFrom(...'abcdefgh'.split('')), { minLength: 2 })
    const strangers = fc.uniqueArray(fc.constantFrom('x', 'y', 'z'))
    const heard = fc.record({
      leaving: fc.nat({ max: 255 }),
      joining: strangers,
      rest: fc.boolean()
    })
    fc.assert(
      fc.property(peers, fc.nat(), fc.tuple(heard, heard), (all, at, both) => {
        const point = 1 + (at % (all.length - 1))
        const sides = [all.slice(0, point), all.slice(point)]
        const broken = cut(sides[0]?.join('') ?? '', sides[1]?.join('') ?? '')
        const goingOn = (policy: PartitionPolicy): number =>
          sides.filter((side, index) =>
            side.some((self) => {
              const { leaving, joining, rest } = both[index] ?? both[0]
              const outside = {
                leaving: new Set(all.filter((_, bit) => (leaving & (1 << bit)) !== 0)),
                joining: new Set(joining),
                isUnstable: !rest
              }
              const situation = situationOf(linksOf(viewOf(all), self, broken), outside)
              return strategyOf(policy).decide(situation).verdict === 'run'
            })
          ).length
        // Who is in the view counts, whatever else was heard: so it is always one.
        expect(goingOn('pause-minority')).toBe(1)
        expect(goingOn('keep-oldest')).toBeLessThanOrEqual(1)
        expect(goingOn(staticQuorum({ size: 4 }))).toBeLessThanOrEqual(1)
      })
    )
  })

  it('let at most one of two sides go on where a view was decided that not all have heard of', () => {
    const peers = fc.uniqueArray(fc.constantFrom(...'abcdefgh'.split('')), { minLength: 3 })
    const order = fc.shuffledSubarray('abcdefghx'.split(''), { minLength: 9, maxLength: 9 })
    fc.assert(
      fc.property(peers, order, fc.nat(), fc.boolean(), (all, shuffled, at, isJoin) => {
        const older = viewOf(all)
        // One joins, or one leaves; the tie-breaker stays, as who decides it is not asked here.
        const newer = viewOf(isJoin ? [...all, 'x'] : all.slice(0, -1), older.tieBreaker)
        // A majority has decided it, and knows it; who joins does too.
        const deciders = shuffled.filter((peer) => all.includes(peer))
        const known = new Set([...deciders.slice(0, Math.floor(all.length / 2) + 1), 'x'])
        const everybody = shuffled.filter((peer) => all.includes(peer) || (isJoin && peer === 'x'))
        everybody.push(...everybody.splice(0, at % everybody.length))
        const point = 1 + (at % (everybody.length - 1))
        const sides = [everybody.slice(0, point), everybody.slice(point)]
        const broken = cut(sides[0]?.join('') ?? '', sides[1]?.join('') ?? '')
        // Those of a side tell each other of the newest view.
        const goesOn = (side: readonly string[]): boolean => {
          const newest = side.some((peer) => known.has(peer)) ? newer : older
          return side
            .filter((self) => newest.members.some(({ peer }) => peer === self))
            .some((self) => {
              const situation = situationOf(linksOf(newest, self, broken))
              return strategyOf('pause-minority').decide(situation).verdict === 'run'
            })
        }
        expect(sides.filter((side) => goesOn(side)).length).toBeLessThanOrEqual(1)
      })
    )
  })

  it('are on every member of a side what was said of that side before', () => {
    const peers = fc.uniqueArray(fc.constantFrom(...'abcdefgh'.split('')), { minLength: 2 })
    fc.assert(
      fc.property(
        peers,
        fc.array(fc.nat({ max: 2 }), { minLength: 8, maxLength: 8 }),
        (all, on) => {
          const view = viewOf(all)
          const sides = [0, 1, 2].map((side) => all.filter((_, at) => on[at] === side))
          const broken = cut(...sides.map((side) => side.join('')))
          for (const policy of Object.values(policies)) {
            for (const { members, decision } of simulateSplit(view, policy, sides)) {
              for (const self of members) {
                const { verdict, steward } = strategyOf(policy).decide(
                  situationOf(linksOf(view, self, broken))
                )
                expect([self, verdict, steward]).toEqual([self, decision.verdict, decision.steward])
              }
            }
          }
        }
      )
    )
  })

  it('are the same on all members of a side, whatever the links', () => {
    const all = 'abcdef'.split('')
    const pairs = all.flatMap((a) => all.filter((b) => a < b).map((b) => `${a}>${b}`))
    fc.assert(
      fc.property(fc.subarray(pairs), (broken) => {
        const view = viewOf(all)
        const both = broken.flatMap((pair) => [pair, pair.split('').toReversed().join('')])
        for (const policy of [
          'leader-election',
          'keep-oldest',
          policies['static-quorum(3)']
        ] as const) {
          const sides = all.map((self) => {
            const situation = situationOf(linksOf(view, self, both))
            const { verdict, steward } = strategyOf(policy).decide(situation)
            return { self, verdict, steward, side: [...situation.side].toSorted().join('') }
          })
          for (const { side, steward } of sides.filter(({ verdict }) => verdict === 'run')) {
            const same = sides.filter(
              (other) => side.includes(other.self) && other.verdict === 'run'
            )
            for (const other of same) expect([other.side, other.steward]).toEqual([side, steward])
          }
        }
      })
    )
  })

  it('of leader-election name one steward for each side', () => {
    const sides = simulateSplit(viewOf('abcde'.split(''), 'd'), 'leader-election', [
      ['a', 'b'],
      ['c', 'd', 'e']
    ])
    expect(sides.map(({ decision }) => decision.steward)).toEqual(['a', 'd'])
  })

  it('may be those of a strategy of one’s own', () => {
    const evens: PartitionStrategy = {
      name: 'evens',
      decide: ({ side }) => ({ verdict: side.size % 2 === 0 ? 'run' : 'pause', reason: 'even' })
    }
    const sides = simulateSplit(viewOf('abc'.split('')), evens, [['a', 'b'], ['c']])
    expect(sides.map(({ decision }) => decision.verdict)).toEqual(['run', 'pause'])
    expect(() => simulateSplit(viewOf(['a']), evens, [['x']])).toThrow(
      expect.objectContaining({ name: 'InvalidParametersError' })
    )
  })
})

describe('links', () => {
  it('are told apart: whole, suspected, indirect, one way, split', () => {
    expect(kinds('abc', [])).toEqual(['whole', 'whole', 'whole'])
    expect(kinds('abc', cut('a', 'b'))).toEqual(['indirect', 'indirect', 'indirect'])
    expect(kinds('abc', ['a>b'])).toEqual(['one-way', 'one-way', 'one-way'])
    expect(kinds('abc', cut('ab', 'c'))).toEqual(['split', 'split', 'split'])
    const view = viewOf(['a', 'b'])
    const rows = new Map([['a', new Map([['b', 'suspected' as const]])]])
    expect(describeLinks({ self: 'a', view, rows }).kind).toBe('suspected')
  })

  it('come with a sentence for each thing that is wrong', () => {
    const view = viewOf(['a', 'b', 'c', 'd'])
    const { reasons } = describeLinks(linksOf(view, 'a', [...cut('abc', 'd'), 'b>c']))
    expect(reasons).toEqual([
      'b does not hear c, which hears it',
      'nobody on the side of a reaches d'
    ])
  })
})
