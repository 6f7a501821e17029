import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { View } from '@murmuration/interface'
import {
  createPlacement,
  nextFall,
  nextPart,
  partsFor,
  planRebalance,
  riseOf,
  sharesAt,
  withShares
} from '../src/index.ts'
import { agents, member, peers, view } from './views.ts'

const slots = Array.from({ length: 128 }, (_, slot) => slot)
const small = (members: Parameters<typeof view>[0]): View => view(members, slots.length)
const joining = (peer: string, weight = 100): View['members'][number] => {
  return { ...member(peer, { weight }), ownerWeight: 0 }
}
const old = (count: number): View['members'] => peers(count).map((one) => ({ ...one, weight: 100 }))
const anybody = (): boolean => true

function ownersOf(at: View): (string | undefined)[] {
  const placement = createPlacement(at)
  return slots.map((slot) => placement.ownerOfSlot(slot)?.peer)
}

interface Change {
  readonly slot: number
  readonly from: string | undefined
  readonly to: string | undefined
}

/** Slots that change their owner between two views. */
function changes(before: View, after: View): Change[] {
  const [one, other] = [ownersOf(before), ownersOf(after)]
  return slots
    .filter((slot) => one[slot] !== other[slot])
    .map((slot) => ({ slot, from: one[slot], to: other[slot] }))
}

const slotsOf = (moved: readonly Change[]): number[] => moved.map(({ slot }) => slot)

/** The views of all members on their way up. */
function up(start: View, agentsMax: number): View[] {
  const views = [start]
  for (let at = start; ; views.push(at)) {
    const rise = riseOf(at, anybody)
    if (rise.peers.length === 0) return views
    const end = withShares(at, sharesAt(at, rise.peers, rise.until))
    const part = nextPart(at, rise, slotsOf(changes(at, end)), agentsMax)
    at = withShares(at, sharesAt(at, rise.peers, part))
  }
}

function down(start: View, peer: string, agentsMax: number): View[] {
  const views = [start]
  for (let at = start; ; views.push(at)) {
    const going = slotsOf(changes(at, withShares(at, [{ peer, ownerWeight: 0 }])))
    if (going.length === 0) return views
    const ownerWeight = nextFall(at, { peer, target: 0 }, going, agentsMax)
    at = withShares(at, [{ peer, ownerWeight }])
  }
}

const stepsOf = (views: readonly View[]): Change[][] =>
  views.slice(1).map((at, index) => changes(views[index] ?? at, at))

/** Two slots may need parts of a weight that are less than a thousandth of one apart. */
const slack = 3

describe('a member on the way to its weight', () => {
  it('owns nothing at 0 and has its copies already', () => {
    const before = small(old(5))
    const joined = small([...old(5), joining('joiner')])
    expect(changes(before, joined)).toEqual([])
    const names = (at: View): string[][] =>
      slots.map((slot) =>
        createPlacement(at)
          .homeOfSlot(slot, 3)
          .map(({ peer }) => peer)
      )
    expect(names(joined)).toEqual(names(small([...old(5), member('joiner', { weight: 100 })])))
    const plan = planRebalance(before, joined, agents(300))
    expect(plan.owners).toMatchObject({ moved: 0, needless: 0 })
    expect(plan.idealShare).toBe(0)
  })

  it('owns by weight where nobody owns anything, and at 1000 times the weight', () => {
    const all = old(4)
    const nobody = all.map((one) => ({ ...one, ownerWeight: 0 }))
    const full = all.map((one) => ({ ...one, ownerWeight: 100_000 }))
    expect(ownersOf(small(nobody))).toEqual(ownersOf(small(all)))
    expect(ownersOf(small(full))).toEqual(ownersOf(small(all)))
  })

  it('is refused with an owner weight out of range', () => {
    for (const ownerWeight of [-1, 1_000_001, Number.NaN]) {
      expect(() => createPlacement(small([{ ...member('a'), ownerWeight }]))).toThrow(
        expect.objectContaining({ name: 'InvalidParametersError' })
      )
    }
  })

  it('gets a slot when it rises past the part of its weight that the slot needs', () => {
    const start = small([...old(3), joining('joiner')])
    const partOf = partsFor(start, ['joiner'])
    for (const slot of slots.slice(0, 16)) {
      const ownerAt = (part: number): string | undefined => {
        const share = [{ peer: 'joiner', ownerWeight: part * 100_000 }]
        return createPlacement(withShares(start, share)).ownerOfSlot(slot)?.peer
      }
      const at = Math.min(partOf(slot), 5)
      if (at < 5) expect(ownerAt(at * 1.0001)).toBe('joiner')
      expect(ownerAt(at * 0.9999)).not.toBe('joiner')
    }
    expect(partsFor(start, [])(0)).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('members that join', () => {
  it('get each slot once, from who had it, as many as a step may move, as if they came at once', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 4, max: 40 }),
        (count, weights, agentsMax) => {
          const joiners = weights.map((weight, at) => joining(`joiner-${at}`, weight))
          const start = small([...old(count), ...joiners])
          const views = up(start, agentsMax)
          const steps = stepsOf(views)
          for (const step of steps) expect(step.length).toBeLessThanOrEqual(agentsMax + slack)
          const moved = steps.flat()
          const isTwice = moved.length - new Set(slotsOf(moved)).size
          // Where weights are so small that their thousandths are steps.
          const isFine = weights.every((weight) => weight >= 20)
          expect(isTwice).toBeLessThanOrEqual(isFine ? 2 : moved.length / 4)
          const end = small([
            ...old(count),
            ...weights.map((weight, at) => member(`joiner-${at}`, { weight }))
          ])
          expect(ownersOf(views.at(-1) ?? start)).toEqual(ownersOf(end))
        }
      ),
      { numRuns: 10 }
    )
  }, 120_000)

  it('move no more than the ideal share even where three join one', () => {
    const start = small([...old(1), joining('x'), joining('y'), joining('z')])
    const views = up(start, 8)
    const direct = changes(start, views.at(-1) ?? start).length
    expect(stepsOf(views).flat().length / direct).toBeLessThan(1.05)
  })

  it('rise alone until they are as far as those that came before', () => {
    const half = { ...joining('early'), ownerWeight: 50_000 }
    const start = small([...old(3), half, joining('late')])
    expect(riseOf(start, anybody)).toEqual({ peers: ['late'], until: 0.5 })
    const next = withShares(start, sharesAt(start, ['late'], 0.5))
    expect(riseOf(next, anybody)).toEqual({ peers: ['early', 'late'], until: 1 })
    expect(riseOf(next, (peer) => peer === 'late')).toEqual({ peers: ['late'], until: 1 })
    expect(riseOf(small(old(3)), anybody)).toEqual({ peers: [], until: 1 })
  })

  it('take all agents of a slot at once, however many, and at least one slot', () => {
    const start = small([...old(3), joining('joiner')])
    const rise = riseOf(start, anybody)
    const partOf = partsFor(start, rise.peers)
    const end = withShares(start, sharesAt(start, rise.peers, 1))
    const going = slotsOf(changes(start, end)).toSorted((a, b) => partOf(a) - partOf(b))
    const crowded = [...Array.from({ length: 50 }, () => going[0] ?? 0), ...going]
    const part = nextPart(start, rise, crowded, 5)
    const moved = slotsOf(changes(start, withShares(start, sharesAt(start, rise.peers, part))))
    expect(moved).toContain(going[0])
    expect(moved.length).toBeLessThanOrEqual(1 + slack)
  })
})

describe('a member that gives its agents away', () => {
  it('gives each slot once, as many as a step may move, and then can leave for nothing', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 6 }),
        fc.integer({ min: 4, max: 40 }),
        (count, agentsMax) => {
          const start = small(old(count))
          const views = down(start, 'peer-1', agentsMax)
          const steps = stepsOf(views)
          for (const step of steps) expect(step.length).toBeLessThanOrEqual(agentsMax + slack)
          const moved = steps.flat()
          expect(moved.every(({ from }) => from === 'peer-1')).toBe(true)
          expect(new Set(slotsOf(moved)).size).toBe(moved.length)
          const end = small(old(count).filter(({ peer }) => peer !== 'peer-1'))
          expect(changes(views.at(-1) ?? start, end)).toEqual([])
        }
      ),
      { numRuns: 10 }
    )
  }, 120_000)

  it('gives away what a smaller weight is too small for', () => {
    const start = small([...old(2), { ...member('less', { weight: 50 }), ownerWeight: 100_000 }])
    const fall = { peer: 'less', target: 50_000 }
    const end = withShares(start, [{ peer: 'less', ownerWeight: 50_000 }])
    const going = slotsOf(changes(start, end))
    const ownerWeight = nextFall(start, fall, going, 4)
    expect(ownerWeight).toBeLessThan(100_000)
    expect(ownerWeight).toBeGreaterThan(50_000)
    expect(nextFall(start, fall, going, going.length)).toBe(50_000)
  })
})
