import { describe, expect, it } from 'vitest'
import { AgentRegister } from '@murmuration/agent-register'
import type { Claimant } from '@murmuration/agent-register'
import type { View } from '@murmuration/interface'
import { keptIn, mergedClaim, mergeOf } from '../src/core/merging.ts'
import type { BranchClaim } from '../src/core/merging.ts'
import { defaults } from '../src/defaults.ts'

const view = (number: number): View => ({
  cluster: 'test',
  number,
  members: ['a', 'b', 'c', 'd', 'e'].map((peer) => ({
    peer,
    incarnation: 'i',
    addresses: [],
    labels: {},
    weight: 100,
    since: 1
  })),
  tieBreaker: 'a',
  placement: { hash: 'sha256-hrw-1', slots: 16_384, zoneLabel: 'zone' }
})
/** The owner by view 9, after the sides abc and de of view 7 have met again. */
const owner: Claimant = {
  peer: 'a',
  incarnation: 'i',
  epoch: { view: 9, boot: 3 },
  view: view(9),
  placed: 'a'
}
const agent = { id: 'default/board/x', placement: 'hash', replicas: 3 } as const
const claim = (labels: Record<string, string>, branch = 'one'): BranchClaim => ({
  registration: { agent, labels, metadata: {} },
  branch,
  epoch: { view: 7, boot: 1, branch },
  members: ['d', 'e']
})
const claimedBy = (
  peer: string,
  number: number,
  labels: Record<string, string>,
  status: AgentRegister['status'] = 'claimed'
): AgentRegister => ({
  owner: peer,
  incarnation: 'i',
  epoch: { view: number, boot: 1 },
  status,
  registration: { agent, labels, metadata: {} }
})

describe('the claim of one side of a split', () => {
  it('becomes that of the owner in the agreed view, where nobody else has the agent', () => {
    const merged = mergedClaim(undefined, owner, claim({ k: 'here' }))
    expect(merged).toMatchObject({ owner: 'a', epoch: { view: 9, boot: 3 }, status: 'claimed' })
    expect(mergeOf(merged, claim({}))).toEqual({ branch: 'one', isBoth: false })
    expect(keptIn(merged).labels).toEqual({ k: 'here' })
    // It is readable by whoever reads registrations, and survives the wire.
    const again = AgentRegister.decode(AgentRegister.encode(merged as AgentRegister))
    expect(keptIn(again)).toEqual(keptIn(merged))
  })

  it('leaves a claim of another side, and adds what that one had not registered', () => {
    const before = claimedBy('b', 8, { k: 'there', there: '1' })
    const merged = mergedClaim(before, owner, claim({ k: 'here', here: '1' }))
    expect(merged).toMatchObject({ owner: 'b', epoch: { view: 8 }, status: 'claimed' })
    expect(keptIn(merged).labels).toEqual({ k: 'there', there: '1', here: '1' })
    expect(mergeOf(merged, claim({}))?.isBoth).toBe(true)
  })

  it('is no conflict with what its own side had before the split, and then says what stands', () => {
    const before = claimedBy('d', 6, { k: 'before', old: '1' })
    const merged = mergedClaim(before, owner, claim({ k: 'here' }))
    expect(merged).toMatchObject({ owner: 'a', epoch: { view: 9 } })
    expect(keptIn(merged).labels).toEqual({ k: 'here', old: '1' })
    expect(mergeOf(merged, claim({}))?.isBoth).toBe(false)
  })

  it('tells who asks again, because the answer was lost, the same of the other side', () => {
    const words = { k: 'there', there: '1' }
    const other = { peer: 'b', epoch: { view: 8, boot: 1 }, labels: words, metadata: {} }
    const merged = mergedClaim(claimedBy('b', 8, words), owner, claim({ k: 'here', here: '1' }))
    expect(mergeOf(merged, claim({}))).toEqual({ branch: 'one', isBoth: true, other })
    const again = AgentRegister.decode(AgentRegister.encode(merged as AgentRegister))
    expect(mergeOf(mergedClaim(again, owner, claim({ k: 'here' })), claim({}))?.other).toEqual(
      other
    )
    // Another side came in between: each is told what was there before it.
    const two = mergedClaim(again, owner, claim({ two: '1' }, 'two'))
    expect(mergeOf(two, claim({}))?.other).toEqual(other)
    expect(mergeOf(two, claim({}, 'two'))?.other?.labels).toEqual({ ...words, here: '1' })
  })

  it('comes after what was given up on the other side, of which nothing is left', () => {
    const before = claimedBy('b', 8, { gone: '1' }, 'released')
    const merged = mergedClaim(before, owner, claim({ k: 'here' }))
    expect(merged).toMatchObject({ owner: 'a', status: 'claimed' })
    expect(keptIn(merged).labels).toEqual({ k: 'here' })
  })

  it('is merged once, and each side of several', () => {
    const one = mergedClaim(undefined, owner, claim({ k: 'one' }))
    expect(mergedClaim(one, owner, claim({ k: 'one' }))).toBe(one)
    const two = mergedClaim(one, owner, claim({ k: 'two', two: '1' }, 'two'))
    expect(mergeOf(two, claim({}, 'two'))?.isBoth).toBe(true)
    expect(keptIn(two).labels).toEqual({ k: 'one', two: '1' })
    expect(mergedClaim(two, owner, claim({ k: 'one' }))).toBe(two)
    expect(mergedClaim(two, owner, claim({}, 'two'))).toBe(two)
  })

  it('waits where the owner is behind what is agreed', () => {
    const before = claimedBy('b', 10, {}, 'released')
    expect(mergedClaim(before, owner, claim({ k: 'here' }))).toBe(before)
  })

  it('is bounded', () => {
    const many = (side: string): Record<string, string> =>
      Object.fromEntries(Array.from({ length: 32 }, (_, at) => [`${side}${at}`, '']))
    let register: AgentRegister | undefined = claimedBy('b', 8, many('there'))
    for (let branch = 0; branch < 40; branch++) {
      register = mergedClaim(register, owner, claim(many('here'), `${branch}`))
    }
    expect(Object.keys(keptIn(register).labels)).toHaveLength(defaults.labelsMax)
    expect(keptIn(register).merged).toHaveLength(defaults.mergesKept)
  })
})
