import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Member, View } from '@murmuration/interface'
import { Acceptor, compareBallots } from '../src/core/acceptor.ts'
import { cutOf } from '../src/core/cut.ts'
import type { Evidence } from '../src/core/cut.ts'
import { Detector } from '../src/core/detector.ts'
import { edgesOf } from '../src/core/edges.ts'
import { History } from '../src/core/history.ts'
import type { Accusation } from '../src/core/messages.ts'
import type { Decision } from '../src/core/records.ts'
import { rank } from '../src/core/rank.ts'
import { nextDecision } from '../src/core/view-change.ts'
import { acceptorsOf, createMembership, isMajority } from '../src/index.ts'

function member(peer: string, since = 1, labels: Record<string, string> = {}): Member {
  return { peer, incarnation: `i-${peer}`, addresses: [], labels, weight: 100, since }
}

function viewOf(count: number, number = 1, zones = 1): View {
  const members = Array.from({ length: count }, (_, index) => {
    return member(`p${String(index).padStart(4, '0')}`, 1, { zone: `z${index % zones}` })
  })
  const placement = { hash: 'sha256-hrw-1', slots: 16_384, zoneLabel: 'zone' } as const
  return { cluster: 'test', number, members, tieBreaker: 'p0000', placement }
}

function decisionOf(number: number, count = 3): Decision {
  return { view: viewOf(count, number), left: [] }
}

describe('majorities', () => {
  test('two sets of members never both decide, and with an even number one half does', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.array(fc.boolean()), (count, choice) => {
        const view = viewOf(count)
        const peers = view.members.map(({ peer }) => peer)
        const side = new Set(peers.filter((_, index) => choice[index]))
        const other = new Set(peers.filter((peer) => !side.has(peer)))
        expect(isMajority(view, side)).toBe(!isMajority(view, other))
      })
    )
  })

  test('above 21 members the acceptors are 21, spread over zones, and few change with the view', () => {
    const view = viewOf(100, 1, 5)
    const acceptors = acceptorsOf(view)
    expect(acceptors).toHaveLength(21)
    for (const zone of ['z0', 'z1', 'z2', 'z3', 'z4']) {
      const inZone = acceptors.filter(({ labels }) => labels['zone'] === zone)
      expect(inZone.length).toBeGreaterThanOrEqual(4)
    }
    const others = view.members.filter((_, index) => index !== 17)
    const after = acceptorsOf({ ...view, number: 2, members: others })
    const kept = after.filter(({ peer }) => acceptors.some((before) => before.peer === peer))
    expect(kept.length).toBeGreaterThanOrEqual(20)
  })

  test('ranks are the same on every machine', () => {
    expect([rank('a', 'b'), rank('acceptor', 'p0000'), rank('', 'é🐦')]).toMatchInlineSnapshot(`
      [
        2703019842,
        65627443,
        664513414,
      ]
    `)
  })
})

describe('the expander', () => {
  test('gives everybody ten watchers or fewer, and connects all', () => {
    const view = viewOf(200)
    const edges = edgesOf(view)
    const reached = new Set(['p0000'])
    let hops = 0
    for (let before = 0; before !== reached.size; hops++) {
      before = reached.size
      for (const peer of Array.from(reached)) {
        for (const next of edges.watchedBy(peer)) {
          reached.add(next)
        }
      }
    }
    expect(reached.size).toBe(200)
    expect(hops).toBeLessThanOrEqual(5)
    for (const { peer } of view.members) {
      expect(edges.observersOf(peer).length).toBeLessThanOrEqual(10)
      expect(edges.observersOf(peer).length).toBeGreaterThanOrEqual(7)
      expect(edges.observersOf(peer)).not.toContain(peer)
    }
  })
})

describe('the tie-breaker', () => {
  test('is never one that is just joining', () => {
    const view = { ...viewOf(2), tieBreaker: 'p0001' }
    const candidate = { ...member('a'), after: 0 }
    const change = { join: [candidate], remove: ['p0001'], leave: [], advance: false }
    const next = nextDecision(view, change).view
    expect(next.members.map(({ peer }) => peer)).toEqual(['a', 'p0000'])
    expect(next.tieBreaker).toBe('p0000')
  })

  test('is another one when the former has lost its disk', () => {
    const candidate = { ...member('p0000'), incarnation: 'new', after: 0 }
    const change = { join: [candidate], remove: [], leave: [], advance: false }
    expect(nextDecision(viewOf(3), change).view.tieBreaker).toBe('p0001')
  })
})

describe('the acceptor', () => {
  const low = { counter: 1, proposer: 'a' }
  const high = { counter: 2, proposer: 'a' }

  test('promises only strictly greater ballots', () => {
    const acceptor = new Acceptor(undefined)
    expect(acceptor.prepare(2, high).status).toBe('yes')
    expect(acceptor.prepare(2, high)).toMatchObject({ status: 'conflict', promised: high })
    expect(acceptor.prepare(2, low).status).toBe('conflict')
    expect(acceptor.accept(2, low, decisionOf(2)).status).toBe('conflict')
  })

  test('raises its promise when it accepts, and tells what it accepted', () => {
    const acceptor = new Acceptor(undefined)
    expect(acceptor.accept(2, high, decisionOf(2)).status).toBe('yes')
    expect(acceptor.prepare(2, low).status).toBe('conflict')
    const higher = { counter: 2, proposer: 'b' }
    expect(acceptor.prepare(2, higher)).toMatchObject({
      status: 'yes',
      state: { accepted: { ballot: high } }
    })
  })

  test('never goes below what it promised, in any order of messages', () => {
    const ballot = fc.record({
      counter: fc.integer({ min: 1, max: 5 }),
      proposer: fc.constantFrom('a', 'b')
    })
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), ballot)), (steps) => {
        const acceptor = new Acceptor(undefined)
        let highest = { counter: 0, proposer: '' }
        for (const [isPrepare, next] of steps) {
          const answer = isPrepare
            ? acceptor.prepare(2, next)
            : acceptor.accept(2, next, decisionOf(2))
          if (answer.status === 'yes') {
            expect(compareBallots(next, highest)).toBeGreaterThanOrEqual(isPrepare ? 1 : 0)
            highest = next
          }
          expect(acceptor.promised(2) ?? highest).toEqual(highest)
        }
      })
    )
  })
})

describe('the history', () => {
  test('takes a chain over a gap only if it begins at a settled view', () => {
    const history = new History({ lineage: 'x', settled: 1, decisions: [decisionOf(1)] })
    const gap = { lineage: 'x', settled: 3, decisions: [decisionOf(5), decisionOf(6)] }
    expect(history.continues(gap)).toBe(false)
    expect(history.continues({ ...gap, settled: 5 })).toBe(true)
    expect(history.continues({ ...gap, lineage: 'y', settled: 5 })).toBe(false)
    expect(history.extend({ ...gap, settled: 5 })).toMatchObject({ dropped: [1] })
    expect([history.number, history.settled, history.views.length]).toEqual([6, 5, 2])
  })

  test('answers in pages of bounded size', () => {
    const decisions = Array.from({ length: 500 }, (_, index) => decisionOf(index + 1, 40))
    const history = new History({ lineage: 'x', settled: 1, decisions })
    expect(history.page(0).length).toBe(50)
    expect(history.page(499).map(({ view }) => view.number)).toEqual([500])
    expect(history.page(500)).toEqual([])
  })

  test('knows which incarnations have been replaced', () => {
    const replaced = viewOf(3, 2)
    const [first, ...rest] = replaced.members
    const members = [{ ...(first ?? member('x')), incarnation: 'new' }, ...rest]
    const second = { view: { ...replaced, members }, left: [] }
    const history = new History({ lineage: 'x', settled: 1, decisions: [decisionOf(1), second] })
    expect(history.isRetired('p0000', 'i-p0000')).toBe(true)
    expect(history.isRetired('p0000', 'new')).toBe(false)
    expect(history.isRetired('p0000', 'newer')).toBe(false)
  })
})

describe('the detector', () => {
  test('needs two who find a port closed, or one of two peers', () => {
    for (const [count, expected] of [
      [2, ['p0001']],
      [3, []],
      [5, []]
    ] as const) {
      const detector = new Detector('p0000')
      detector.track(viewOf(count), 0)
      detector.probed('p0001', 'refused')
      expect(detector.removable(0)).toEqual(expected)
      expect(detector.vouchesFor('p0001', 0)).toBe(false)
    }
  })

  test('takes back everything after a stall of its own', () => {
    const detector = new Detector('p0000')
    detector.track(viewOf(2), 0)
    expect(detector.removable(6000)).toEqual(['p0001'])
    detector.stalled(6000, 6000)
    expect(detector.removable(6000)).toEqual([])
    expect(detector.reachability('p0001', 6000)).toBe('reachable')
    expect(detector.vouchesFor('p0001', 8999)).toBe(true)
  })

  function silent(by: string, ...accused: string[]): Accusation[] {
    return accused.map((peer) => ({ by, peer, kind: 'silent', ageMs: 0 }))
  }

  test('needs all observers, for one that hears a peer keeps it', () => {
    const detector = new Detector('p0000')
    detector.track(viewOf(5), 0)
    for (const peer of ['p0002', 'p0003', 'p0004']) {
      detector.heard(peer, true, 5500)
    }
    detector.learn('p0002', silent('p0002', 'p0001'), false, 5900)
    detector.learn('p0003', silent('p0003', 'p0001'), false, 5900)
    detector.learn('p0004', silent('p0004', 'p0001'), false, 5900)
    expect(detector.removable(5900)).toEqual([])
    // Its own silence verdict comes at 6 s.
    expect(detector.removable(6000)).toEqual(['p0001'])
    detector.learn('p0004', [], false, 6000)
    expect(detector.removable(6000)).toEqual([])
    // Accusations that nobody confirms lapse.
    detector.learn('p0004', silent('p0004', 'p0001'), false, 6000)
    expect(detector.removable(8100)).toEqual([])
  })

  test('does not ask those who fell silent together to accuse each other', () => {
    const detector = new Detector('p0000')
    detector.track(viewOf(5), 0)
    detector.heard('p0001', true, 6000)
    detector.heard('p0002', true, 6000)
    expect(detector.removable(6000)).toEqual([])
    for (const by of ['p0001', 'p0002']) {
      detector.learn(by, silent(by, 'p0003', 'p0004'), false, 6000)
    }
    expect(detector.removable(6000)).toEqual(['p0003', 'p0004'])
  })

  test('neither believes nor waits for an observer that stood still lately', () => {
    const detector = new Detector('p0000')
    detector.track(viewOf(4), 0)
    for (const by of ['p0002', 'p0003']) {
      detector.heard(by, true, 6000)
    }
    detector.learn('p0002', silent('p0002', 'p0001'), false, 6000)
    detector.learn('p0003', [], true, 6000)
    expect(detector.removable(6000)).toEqual(['p0001'])
    // Calm for long enough, and it still accuses nobody: so it hears the peer.
    detector.learn('p0002', silent('p0002', 'p0001'), false, 9100)
    expect(detector.removable(9100)).toEqual([])
  })
})

describe('the cut above full mesh', () => {
  /** Reports by observer of member 0 and 1, each watched by ten others. */
  function evidence(reports: Record<string, readonly string[]>): Evidence {
    const observers = (peer: string): readonly string[] => {
      const others = Array.from({ length: 8 }, (_, index) => `o${index}`)
      return [...others, ...(peer === 'a' ? ['b', 'o8'] : ['a', 'o8'])]
    }
    return {
      members: 100,
      accused: Object.keys(reports),
      observersOf: observers,
      accuses: (by, peer) => reports[peer]?.includes(by) === true,
      refusals: () => 0,
      isLagging: () => false
    }
  }
  const o = (count: number): readonly string[] => {
    return Array.from({ length: count }, (_, index) => `o${index}`)
  }

  test.each([
    [2, [], []],
    [3, [], ['a']],
    [8, [], ['a']],
    [9, ['a'], []]
  ])('with %i reports of ten: out %j, undecided %j', (count, stable, unstable) => {
    expect(cutOf(evidence({ a: o(count) }))).toEqual({ stable, unstable })
  })

  test('counts the missing report of an observer that is doubted itself', () => {
    expect(cutOf(evidence({ a: o(8), b: o(8) })).stable).toEqual(['a', 'b'])
    expect(cutOf(evidence({ a: o(8), b: o(2) }))).toEqual({ stable: [], unstable: ['a'] })
  })
})

describe('options', () => {
  test.each([
    [{ cluster: '' }, /cluster/],
    [{ cluster: 'x', weight: 0 }, /weight/],
    [{ cluster: 'x', weight: 1.5 }, /weight/],
    [{ cluster: 'x', placement: { slots: 0 } }, /slots/],
    [{ cluster: 'x', labels: { long: 'x'.repeat(300) } }, /labels/]
  ])('%j is refused', (init, message) => {
    // No option is read from the components before it is checked.
    expect(() => createMembership({ clock: {} } as never, init)).toThrow(message)
  })
})
