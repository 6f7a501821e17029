import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AgentRegister, claimed, isHeld, released } from '@murmuration/agent-register'
import type { Claimant } from '@murmuration/agent-register'
import type { View } from '@murmuration/interface'

const view: View = {
  cluster: 'test',
  number: 7,
  members: ['a', 'b', 'c'].map((peer) => ({
    peer,
    incarnation: 'i',
    addresses: [],
    labels: {},
    weight: 100,
    since: 1
  })),
  tieBreaker: 'a',
  placement: { hash: 'sha256-hrw-1', slots: 16_384, zoneLabel: 'zone' }
}

const at = (number: number, peers: readonly string[] = ['a', 'b', 'c']): Claimant['view'] => ({
  ...view,
  number,
  members: view.members.filter(({ peer }) => peers.includes(peer))
})
const by = (peer: string, number = 7, init: Partial<Claimant> = {}): Claimant => ({
  peer,
  incarnation: 'i',
  epoch: { view: number, boot: 1 },
  view: at(number),
  placed: 'a',
  ...init
})
const of = (peer: string, number = 7, init: Partial<AgentRegister> = {}): AgentRegister => ({
  owner: peer,
  incarnation: 'i',
  epoch: { view: number, boot: 1 },
  status: 'claimed',
  ...init
})

describe('the register of an agent', () => {
  it('is free when nobody claimed it, when it was released, and for who holds it', () => {
    expect(isHeld(undefined, by('b'))).toBe(false)
    expect(isHeld(of('a', 7, { status: 'released' }), by('b'))).toBe(false)
    expect(isHeld(of('b'), by('b'))).toBe(false)
  })

  it('is held by a living owner, and not by one that died or lost its disk', () => {
    expect(isHeld(of('a'), by('b'))).toBe(true)
    expect(isHeld(of('a'), by('b', 8, { view: at(8, ['b', 'c']) }))).toBe(false)
    expect(isHeld(of('a', 7, { incarnation: 'former' }), by('b'))).toBe(false)
  })

  it('is held by a claim under this very view, whatever placement says yet', () => {
    expect(isHeld(of('b', 7), by('a', 7, { placed: 'a' }))).toBe(true)
    expect(isHeld(of('b', 7), by('a', 8, { placed: 'a' }))).toBe(false)
    expect(isHeld(of('b', 7), by('a', 8, { placed: 'b' }))).toBe(true)
  })

  it('is held by a claim that is on its way, whatever views come in between', () => {
    const claiming = of('b', 7, { status: 'claiming' })
    expect(isHeld(claiming, by('c', 9, { placed: 'a' }))).toBe(true)
    expect(isHeld(claiming, by('b', 9, { placed: 'b' }))).toBe(false)
    expect(isHeld(claiming, by('c', 9, { view: at(9, ['a', 'c']) }))).toBe(false)
    expect(isHeld(released(claiming), by('c', 9))).toBe(false)
  })

  it('gives nothing to who is behind, so that epochs only rise', () => {
    expect(isHeld(of('a', 9), by('b', 7))).toBe(true)
    expect(isHeld(of('a', 9, { status: 'released' }), by('b', 7))).toBe(true)
  })

  it('keeps strong state and registration through claims, and drops the latter when released', () => {
    const registration = { labels: { k: 'v' } }
    const data = { version: 3, forgotten: 0, value: Uint8Array.of(1) }
    const before = of('a', 7, { data, registration })
    const after = claimed(before, by('b', 8, { view: at(8, ['b']) }), undefined)
    expect(after).toMatchObject({ owner: 'b', data, registration })
    const gone = released(after)
    expect(gone).toMatchObject({ status: 'released', data })
    expect(gone).not.toHaveProperty('registration')
    expect(AgentRegister.decode(AgentRegister.encode(gone ?? before))).toEqual(gone)
  })

  it('is not claimed for one side of a split, and not held against it by an owner of that view', () => {
    const side = { isBranched: true, placed: 'b' }
    expect(isHeld(of('a', 7), by('b', 7, side))).toBe(false)
    expect(claimed(of('a', 7), by('b', 7, side))).toEqual(of('a', 7))
    // Who has agreed on a later view is ahead of every side of this one.
    expect(isHeld(of('a', 8), by('b', 7, side))).toBe(true)
    const free = claimed(undefined, by('b', 7, side))
    expect(free).toMatchObject({ status: 'released', epoch: { view: 0, boot: 0 } })
    expect(claimed(free, by('a', 7))).toMatchObject({ owner: 'a', epoch: { view: 7, boot: 1 } })
  })

  it('never gives one epoch to two owners, nor a lower one, whatever happens', () => {
    const step = fc.record({
      peer: fc.constantFrom('a', 'b', 'c'),
      view: fc.integer({ min: 1, max: 6 }),
      alive: fc.subarray(['a', 'b', 'c'], { minLength: 1 }),
      placed: fc.constantFrom('a', 'b', 'c'),
      release: fc.boolean()
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let register: AgentRegister | undefined
        for (const { peer, view: number, alive, placed, release } of steps) {
          const before = register
          const claimant = by(peer, number, { view: at(number, [...alive, peer]), placed })
          register = release ? released(register) : claimed(register, claimant, undefined)
          if (before === undefined || register === undefined) continue
          expect(register.epoch.view).toBeGreaterThanOrEqual(before.epoch.view)
        }
      })
    )
  })
})
