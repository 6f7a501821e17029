import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import type { Member, View } from '@murmuration/interface'
import { acceptorsOf, isMajority } from '@murmuration/membership'
import { standingOf } from '@murmuration/partition'

const member = (peer: string): Member => ({
  peer,
  incarnation: 'i',
  addresses: [],
  labels: {},
  weight: 1,
  since: 1
})

function viewOf(peers: readonly string[], tieBreaker = peers[0] ?? ''): View {
  return {
    cluster: 'test',
    number: 1,
    members: peers.map(member),
    tieBreaker,
    placement: { hash: 'sha256-hrw-1', slots: 16_384, zoneLabel: 'zone' }
  }
}

const status = (view: View, mine: ReadonlySet<string>): string =>
  standingOf(view, (peer) => (mine.has(peer) ? 'reachable' : 'unreachable')).status

describe('standing of a peer in a split', () => {
  it('is whole while every member can be reached', () => {
    expect(status(viewOf(['a', 'b', 'c']), new Set(['a', 'b', 'c']))).toBe('whole')
  })

  it('counts a suspected member as reachable: suspicion is no verdict', () => {
    expect(standingOf(viewOf(['a', 'b']), () => 'suspected').status).toBe('whole')
  })

  it('lets exactly one of two complementary sides go on', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 2, maxLength: 12 }),
        fc.nat(),
        fc.nat(),
        (peers, cut, tie) => {
          const view = viewOf(peers, peers[tie % peers.length])
          const at = 1 + (cut % (peers.length - 1))
          const sides = [new Set(peers.slice(0, at)), new Set(peers.slice(at))]
          const going = sides.filter((side) => status(view, side) === 'majority')
          expect(going).toHaveLength(1)
        }
      )
    )
  })

  it('gives a pair to the side of the tie-breaker', () => {
    const view = viewOf(['a', 'b'], 'b')
    expect(status(view, new Set(['b']))).toBe('majority')
    expect(status(view, new Set(['a']))).toBe('minority')
  })

  it('counts the acceptors above 21 members, as membership does, and not the members', () => {
    const peers = Array.from({ length: 60 }, (_, index) => `p${String(index).padStart(2, '0')}`)
    const view = viewOf(peers)
    const acceptors = acceptorsOf(view).map(({ peer }) => peer)
    expect(acceptors).toHaveLength(21)
    const few = acceptors.slice(0, 11)
    const many = peers.filter((peer) => !few.includes(peer))
    expect(many).toHaveLength(49)
    expect(status(view, new Set(few))).toBe('majority')
    expect(status(view, new Set(many))).toBe('minority')
    // Of any two complementary sides the one that can decide the next view goes on.
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }), (choice) => {
        const side = new Set(peers.filter((_, index) => choice[index]))
        const other = new Set(peers.filter((peer) => !side.has(peer)))
        if (side.size > 0 && other.size > 0) {
          expect(status(view, side) === 'majority').toBe(isMajority(view, side))
          expect(isMajority(view, side)).toBe(status(view, other) === 'minority')
        }
      })
    )
  })

  it('leaves no majority when three parts have none', () => {
    const view = viewOf(['a', 'b', 'c', 'd', 'e'])
    for (const side of [['a', 'b'], ['c', 'd'], ['e']]) {
      expect(status(view, new Set(side))).toBe('minority')
    }
  })
})
