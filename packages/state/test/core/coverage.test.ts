import type { AgentRecord, Member, View } from '@murmuration/interface'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Coverage } from '../../src/core/coverage.ts'
import type { Round } from '../../src/core/coverage.ts'
import { memberKey } from '../../src/core/homes.ts'
import type { MemberKey } from '../../src/core/homes.ts'
import { homesOf } from '../../src/placements.ts'

const peers = ['p0', 'p1', 'p2', 'p3', 'p4', 'p5']

function member(peer: string, incarnation = '0'): Member {
  return { peer, incarnation, addresses: [], labels: {}, weight: 100, since: 1 }
}

function viewOf(number: number, members: readonly Member[], cluster = 'test'): View {
  const placement = { hash: 'sha256-hrw-1', slots: 1024, zoneLabel: 'zone' } as const
  return { cluster, number, members, tieBreaker: members[0]?.peer ?? '', placement }
}

/** Some peers, each in one of two lives. */
const members: fc.Arbitrary<Member[]> = fc
  .subarray(peers, { minLength: 1 })
  .chain((some) =>
    fc.tuple(
      ...some.map((peer) => fc.constantFrom('0', '0', '1').map((life) => member(peer, life)))
    )
  )
const chain: fc.Arbitrary<View[]> = fc
  .array(members, { minLength: 1, maxLength: 4 })
  .map((all) => all.map((some, at) => viewOf(at + 1, some)))
const record: fc.Arbitrary<AgentRecord> = fc.record({
  id: fc.integer({ min: 0, max: 500 }).map((id) => `test/doc/${id}`),
  placement: fc.constant('hash' as const),
  replicas: fc.integer({ min: 1, max: 7 })
})
const everyone = peers.flatMap((peer) => [`${peer}#0`, `${peer}#1`])

function coverageOf(peer: string, views: readonly View[]): Coverage {
  const coverage = new Coverage({ peer, homes: homesOf })
  const view = views.at(-1)
  if (view !== undefined) coverage.adopt(view, views)
  return coverage
}

function begun(coverage: Coverage, settled: number, unsettled: readonly View[]): Round {
  const round = coverage.begin(settled, unsettled)
  if (round === undefined) throw new Error('no view was adopted')
  return round
}

/** The same views, with some disks given up in the newest one: none of its members. */
function givingUp(views: readonly View[], keys: readonly MemberKey[]): View[] {
  const newest = views.at(-1)
  if (newest === undefined) return []
  const present = new Set(newest.members.map((one) => memberKey(one)))
  const abandoned = keys
    .filter((key) => !present.has(key))
    .map((key) => ({ peer: key.slice(0, 2), incarnation: key.slice(3) }))
  return [...views.slice(0, -1), { ...newest, abandoned }]
}

/** The rule, in the words of the design: R − W + 1 of every unsettled home set, or all that are left. */
function enough(views: readonly View[], agent: AgentRecord, from: ReadonlySet<string>): boolean {
  return views.every((view) => {
    const home = homesOf(view).homeOf(agent)
    const acknowledged = Math.min(2, home.length)
    const answered = home.filter((one) => from.has(memberKey(one))).length
    const abandoned = new Set(views.at(-1)?.abandoned?.map((one) => memberKey(one)))
    const left = home.filter((one) => !abandoned.has(memberKey(one))).length
    return answered >= Math.min(left, home.length - acknowledged + 1)
  })
}

test('a round knows what it was begun with: less that is unsettled, or another view, is news', () => {
  const all = peers.slice(0, 3).map((peer) => member(peer))
  const [first, second, third] = [1, 2, 3].map((number) => viewOf(number, all)) as [
    View,
    View,
    View
  ]
  const coverage = coverageOf('p0', [first, second])
  expect(coverage.knows(1, [first, second])).toBe(false)
  coverage.begin(1, [first, second])
  expect(coverage.knows(1, [first, second])).toBe(true)
  expect(coverage.knows(2, [second])).toBe(false)
  expect(coverage.knows(1, [second])).toBe(false)
  coverage.begin(2, [second])
  expect(coverage.knows(2, [second])).toBe(true)
  coverage.adopt(third, [second, third])
  expect(coverage.knows(2, [second])).toBe(false)
  expect(coverage.knows(2, [second, third])).toBe(false)
})

describe('a document is served', () => {
  test('by its owner, with R − W + 1 undamaged copies of every unsettled view, else not', () => {
    const some = fc.subarray(everyone)
    const inputs = fc.tuple(chain, record, some, some, fc.oneof(fc.constant([]), some))
    fc.assert(
      fc.property(inputs, ([agreed, agent, collected, damaged, gone]) => {
        const views = givingUp(agreed, gone)
        const newest = views.at(-1)
        if (newest === undefined) return
        const owner = homesOf(newest).ownerOf(agent)?.peer
        for (const peer of peers) {
          const coverage = coverageOf(peer, views)
          const round = begun(coverage, 1, views)
          expect(coverage.covers(agent)).toBe(peer === owner && enough(views, agent, new Set()))
          for (const key of collected) {
            coverage.collected(round, key, damaged.includes(key) ? [agent.id, 'other'] : ['other'])
          }
          const sound = new Set(collected.filter((key) => !damaged.includes(key)))
          expect(coverage.covers(agent)).toBe(peer === owner && enough(views, agent, sound))
        }
      }),
      { numRuns: 200 }
    )
  })

  test('only after members were asked that together may hold everything', () => {
    fc.assert(
      fc.property(chain, record, (views, agent) => {
        const newest = views.at(-1)
        const owner = newest && homesOf(newest).ownerOf(agent)?.peer
        if (owner === undefined) return
        const coverage = coverageOf(owner, views)
        const round = begun(coverage, 1, views)
        const asked = coverage.membersOf(round)
        const all = views.flatMap((view) => view.members.map((one) => memberKey(one)))
        expect([...asked.keys()].toSorted()).toEqual([...new Set(all)].toSorted())
        for (const [key, peer] of asked) {
          expect(key.startsWith(`${peer}#`)).toBe(true)
          coverage.collected(round, key, [])
        }
        expect(coverage.covers(agent)).toBe(true)
        expect(coverage.complete(round)).toBe(true)
        expect(coverage.missing(agent)).toBe('copies are being merged')
      })
    )
  })

  test('before any view was adopted by nobody, and the reason is given', () => {
    const coverage = new Coverage({ peer: 'p0', homes: homesOf })
    const agent = { id: 'a', placement: 'hash', replicas: 3 } as const
    expect(coverage.begin(1, [])).toBeUndefined()
    expect(coverage.covers(agent)).toBe(false)
    expect(coverage.missing(agent)).toBe('no view was adopted yet')
  })

  test('is refused with how many copies of which view are missing', () => {
    const view = viewOf(
      3,
      peers.slice(0, 3).map((peer) => member(peer))
    )
    const coverage = coverageOf('p0', [view])
    const round = begun(coverage, 3, [view])
    coverage.collected(round, 'p0#0', [])
    const agent = { id: 'a', placement: 'hash', replicas: 3 } as const
    expect(coverage.missing(agent)).toBe('copies merged: 1 of 2 needed in view 3')
  })
})

describe('complete', () => {
  test('means that every document with two or more replicas is covered', () => {
    const inputs = fc.tuple(
      chain,
      fc.subarray(everyone),
      fc.array(record, { minLength: 5 }),
      fc.subarray(everyone)
    )
    fc.assert(
      fc.property(inputs, ([agreed, collected, agents, gone]) => {
        const views = givingUp(agreed, gone)
        const newest = views.at(-1)
        if (newest === undefined) return
        for (const agent of agents.filter(({ replicas }) => replicas > 1)) {
          const coverage = coverageOf(homesOf(newest).ownerOf(agent)?.peer ?? '', views)
          const round = begun(coverage, 1, views)
          collected.forEach((key) => coverage.collected(round, key, []))
          if (coverage.complete(round)) expect(coverage.covers(agent)).toBe(true)
        }
      })
    )
  })

  test('does not hold with two members of a view missing', () => {
    const view = viewOf(
      1,
      peers.map((peer) => member(peer))
    )
    const coverage = coverageOf('p0', [view])
    const round = begun(coverage, 1, [view])
    const keys = view.members.map((one) => memberKey(one))
    keys.slice(0, 4).forEach((key) => coverage.collected(round, key, []))
    expect(coverage.complete(round)).toBe(false)
    coverage.collected(round, keys[4] ?? '', [])
    expect(coverage.complete(round)).toBe(true)
  })
})

describe('a newer settled fact', () => {
  test('restarts: replies that were asked for before it never count for the smaller list', () => {
    const inputs = fc.tuple(chain, record, fc.subarray(everyone), fc.subarray(everyone))
    fc.assert(
      fc.property(inputs, ([views, agent, early, late]) => {
        const newest = views.at(-1)
        const owner = newest && homesOf(newest).ownerOf(agent)?.peer
        if (newest === undefined || owner === undefined) return
        const coverage = coverageOf(owner, views)
        const first = begun(coverage, 1, views)
        early.forEach((key) => coverage.collected(first, key, []))
        const second = begun(coverage, newest.number, [newest])
        expect(coverage.round).toBe(second)
        expect([second.settled, second.unsettled, second.collected.size]).toEqual([
          newest.number,
          [newest],
          0
        ])
        late.forEach((key) => coverage.collected(second, key, []))
        // A late reply to the first question counts for the first list only.
        const last: MemberKey = 'p0#0'
        coverage.collected(first, last, [])
        const before = enough(views, agent, new Set([...early, last]))
        expect(coverage.covers(agent)).toBe(before || enough([newest], agent, new Set(late)))
      }),
      { numRuns: 200 }
    )
  })

  test('leaves what was covered before it covered', () => {
    const views = [1, 2].map((number) => viewOf(number, [member('p0'), member('p1')]))
    const agent = { id: 'pinned/to/p0', placement: 'pinned', replicas: 2 } as const
    const coverage = coverageOf('p0', views)
    const first = begun(coverage, 1, views)
    coverage.collected(first, 'p0#0', [])
    expect(coverage.covers(agent)).toBe(true)
    begun(coverage, 2, views.slice(1))
    expect(coverage.covers(agent)).toBe(true)
  })
})

describe('a new view', () => {
  const agent = { id: 'pinned/to/p0', placement: 'pinned', replicas: 2 } as const
  const [p0, p1, p2] = ['p0', 'p1', 'p2'].map((peer) => member(peer)) as [Member, Member, Member]

  function served(): Coverage {
    const view = viewOf(1, [p0, p1, p2])
    const coverage = coverageOf('p0', [view])
    const round = begun(coverage, 1, [view])
    for (const { peer } of [p0, p1, p2]) coverage.collected(round, `${peer}#0`, [])
    return coverage
  }

  test('lets an owner without a break go on', () => {
    const coverage = served()
    expect(coverage.adopt(viewOf(2, [p0, p1]), [])).toBe(true)
    expect(coverage.covers(agent)).toBe(true)
    const next = viewOf(4, [p0, p1])
    expect(coverage.adopt(next, [viewOf(3, [p0, p2]), next])).toBe(true)
    expect(coverage.covers(agent)).toBe(true)
  })

  test('makes an owner collect again that was not the owner in between', () => {
    const coverage = served()
    const next = viewOf(3, [p0, p1])
    expect(coverage.adopt(next, [viewOf(2, [p1, p2]), next])).toBe(true)
    expect(coverage.covers(agent)).toBe(false)
    const round = begun(coverage, 1, [viewOf(1, [p0, p1, p2]), viewOf(2, [p1, p2]), next])
    coverage.collected(round, 'p0#0', [])
    expect(coverage.covers(agent)).toBe(false)
    coverage.collected(round, 'p1#0', [])
    expect(coverage.covers(agent)).toBe(true)
  })

  test('after a gap that nobody can fill starts everything afresh', () => {
    const coverage = served()
    expect(coverage.adopt(viewOf(3, [p0, p1, p2]), [])).toBe(false)
    expect([coverage.round, coverage.covers(agent)]).toEqual([undefined, false])
  })

  test('of another cluster starts everything afresh, whatever its number', () => {
    const coverage = served()
    expect(coverage.adopt(viewOf(1, [p0, p1], 'other'), [])).toBe(false)
    expect([coverage.view?.cluster, coverage.covers(agent)]).toEqual(['other', false])
  })

  test('that is not newer changes nothing', () => {
    const coverage = served()
    expect(coverage.adopt(viewOf(1, [p1, p2]), [])).toBe(true)
    expect([coverage.view?.members.length, coverage.covers(agent)]).toEqual([3, true])
  })

  test('does not take the answer of a former life of a member', () => {
    const view = viewOf(1, [p0, member('p1', 'new'), member('p2', 'new')])
    const coverage = coverageOf('p0', [view])
    const round = begun(coverage, 1, [view])
    const wide = { ...agent, replicas: 3 }
    for (const key of ['p0#0', 'p1#0', 'p2#0']) coverage.collected(round, key, [])
    expect(coverage.covers(wide)).toBe(false)
    coverage.collected(round, 'p1#new', [])
    expect(coverage.covers(wide)).toBe(true)
  })
})
