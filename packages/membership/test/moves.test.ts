import { describe, expect, it } from 'vitest'
import type { View, ViewProposal } from '@murmuration/interface'
import { checkProposal } from '../src/control.ts'
import { withMoves } from '../src/core/moves.ts'
import { withShares } from '../src/core/shares.ts'
import { nextDecision } from '../src/core/view-change.ts'
import { Cluster } from './cluster.ts'

const member = (peer: string): View['members'][number] => ({
  peer,
  incarnation: '1',
  addresses: [],
  labels: {},
  weight: 100,
  since: 1
})
const view: View = {
  cluster: 'test',
  number: 3,
  members: ['a', 'b', 'c'].map(member),
  tieBreaker: 'a',
  placement: { hash: 'sha256-hrw-1', slots: 64, zoneLabel: 'zone' }
}
const to = (peer: string, ...keys: string[]): NonNullable<ViewProposal['move']>[number] => ({
  peer,
  keys
})

describe('moves in a view', () => {
  it('are in one order, whatever the order in which they were asked for', () => {
    const one = withMoves(withMoves(view, [to('b', 'y', 'x')]), [to('a', 'z')])
    const other = withMoves(withMoves(view, [to('a', 'z')]), [to('b', 'x'), to('b', 'y')])
    expect(one).toEqual(other)
    expect(one.moved).toEqual([to('a', 'z'), to('b', 'x', 'y')])
  })

  it('are taken back, replaced, and ignored for who is no member', () => {
    const moved = withMoves(view, [to('b', 'x', 'y')])
    expect(withMoves(moved, [to('', 'x'), to('c', 'y')]).moved).toEqual([to('c', 'y')])
    expect(withMoves(moved, [to('nobody', 'x')])).toBe(moved)
    expect(withMoves(moved, [to('b', 'x')])).toBe(moved)
  })

  it.each([
    ['to a stranger', [to('nobody', 'x')], 'InvalidParametersError'],
    ['of nothing', [to('a', '')], 'InvalidParametersError'],
    ['of too long a key', [to('a', 'x'.repeat(513))], 'InvalidParametersError'],
    [
      'of too many',
      [to('a', ...Array.from({ length: 2_049 }, (_, at) => `k${at}`))],
      'OverloadedError'
    ]
  ])('are refused %s', (_why, move, name) => {
    expect(() => checkProposal(view, [view], { move })).toThrow(expect.objectContaining({ name }))
  })
})

describe('moves by agreement', () => {
  it('are shown by all members, and end when their member leaves', async () => {
    const cluster = new Cluster({ seed: 4 })
    const names = await cluster.form(4)
    const { simulation } = cluster
    const moved = await simulation.wait(cluster.of('a').propose({ move: [to('d', 'x', 'y')] }))
    expect(moved.moved).toEqual([to('d', 'x', 'y')])
    const showsAll = (): boolean =>
      names.every((name) => cluster.of(name).view?.moved?.[0]?.peer === 'd')
    expect(await simulation.until(showsAll, 2_000)).toBe(true)
    await simulation.wait(cluster.of('d').leave())
    await cluster.agree(['a', 'b', 'c'])
    expect(cluster.of('b').view?.moved).toBeUndefined()
    cluster.assertSound()
  })

  it('that are asked for at once on several members all come to be', async () => {
    const cluster = new Cluster({ seed: 5 })
    const names = await cluster.form(3)
    const { simulation } = cluster
    const asked = names.map((name) =>
      cluster.of(name).propose({ move: [to('c', `of ${name}`)] }, { timeoutMs: 10_000 })
    )
    await simulation.wait(Promise.all(asked))
    await simulation.run(500)
    expect(cluster.of('a').view?.moved).toEqual([to('c', 'of a', 'of b', 'of c')])
    cluster.assertSound()
  })
})

describe('shares of agents', () => {
  const of = (at: View | undefined, peer: string): number | undefined =>
    at?.members.find((one) => one.peer === peer)?.ownerWeight

  it('are taken, ended at full weight, and ignored for who is no member', () => {
    const half = withShares(view, [{ peer: 'b', ownerWeight: 50_000 }])
    expect(of(half, 'b')).toBe(50_000)
    expect(withShares(half, [{ peer: 'b', ownerWeight: 50_000 }])).toBe(half)
    expect(withShares(half, [{ peer: 'b', ownerWeight: 100_000 }])).toEqual(view)
    expect(withShares(view, [{ peer: 'nobody', ownerWeight: 1 }])).toBe(view)
  })

  it.each([
    ['of a stranger', { peer: 'nobody', ownerWeight: 1 }],
    ['below 0', { peer: 'a', ownerWeight: -1 }],
    ['above the highest weight', { peer: 'a', ownerWeight: 1_000_001 }],
    ['of a part', { peer: 'a', ownerWeight: 0.5 }]
  ])('are refused %s', (_why, share) => {
    expect(() => checkProposal(view, [view], { share: [share] })).toThrow(
      expect.objectContaining({ name: 'InvalidParametersError' })
    )
  })

  it('begin with 0 for who joins bit by bit, and last through other changes of the view', async () => {
    const cluster = new Cluster({ seed: 6 })
    await cluster.form(3)
    const { simulation } = cluster
    let weight = 100
    await simulation.wait(cluster.of('a').propose({ inUse: true }))
    cluster.start('d', { gradual: true, weight: () => weight })
    await cluster.agree(['a', 'b', 'c', 'd'])
    expect(of(cluster.of('a').view, 'd')).toBe(0)
    expect(of(cluster.of('a').view, 'a')).toBeUndefined()
    await simulation.wait(cluster.of('d').propose({ share: [{ peer: 'd', ownerWeight: 40_000 }] }))
    weight = 200
    const isTaken = (): boolean =>
      cluster.of('a').view?.members.find(({ peer }) => peer === 'd')?.weight === 200
    expect(await simulation.until(isTaken, 5_000)).toBe(true)
    expect(of(cluster.of('a').view, 'd')).toBe(40_000)
    await simulation.wait(cluster.of('d').propose({ share: [{ peer: 'd', ownerWeight: 200_000 }] }))
    expect(of(cluster.of('d').view, 'd')).toBeUndefined()
    // At full share, a weight that changes leaves the share what it was.
    weight = 50
    const isSmaller = (): boolean => of(cluster.of('a').view, 'd') === 200_000
    expect(await simulation.until(isSmaller, 5_000)).toBe(true)
    cluster.assertSound()
  })

  it('are by weight at once for who joins before there are agents', async () => {
    const cluster = new Cluster({ seed: 8 })
    await cluster.form(3)
    cluster.start('d', { gradual: true })
    await cluster.agree(['a', 'b', 'c', 'd'])
    const { number } = cluster.of('a').view ?? {}
    expect(of(cluster.of('a').view, 'd')).toBeUndefined()
    const { simulation } = cluster
    // However many say so, it is one view.
    const said = ['a', 'b', 'd'].map((name) => cluster.of(name).propose({ inUse: true }))
    await simulation.wait(Promise.all(said))
    await simulation.run(1_000)
    expect(cluster.of('a').view).toMatchObject({ inUse: true, number: (number ?? 0) + 1 })
    cluster.start('e', { gradual: true })
    await cluster.agree(['a', 'b', 'c', 'd', 'e'])
    expect(cluster.of('a').view?.inUse).toBe(true)
    expect(of(cluster.of('a').view, 'e')).toBe(0)
    cluster.assertSound()
  })

  it('stay what they are for who starts again before it is missed', () => {
    const used = withShares({ ...view, inUse: true }, [{ peer: 'b', ownerWeight: 50_000 }])
    const again = (peer: string): View => {
      const candidate = { ...member(peer), incarnation: '2', gradual: true, after: 0 }
      const change = { join: [candidate], remove: [], leave: [], advance: false }
      return nextDecision(used, change).view
    }
    expect(of(again('b'), 'b')).toBe(50_000)
    expect(of(again('c'), 'c')).toBeUndefined()
    expect(of(again('d'), 'd')).toBe(0)
  })

  it('change while all others are what they were made for, or not at all', async () => {
    const cluster = new Cluster({ seed: 7 })
    await cluster.form(3)
    const { simulation } = cluster
    const among = ['a', 'b', 'c'].map((peer) => ({ peer, ownerWeight: 100_000 }))
    const one = cluster.of('a').propose({ share: [{ peer: 'a', ownerWeight: 1 }], among })
    const other = cluster.of('b').propose({ share: [{ peer: 'b', ownerWeight: 1 }], among })
    const settled = await simulation.wait(Promise.allSettled([one, other]))
    expect(settled.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    const refused = settled.find((outcome) => outcome.status === 'rejected')
    expect(refused?.reason).toMatchObject({ name: 'UnavailableError' })
    await simulation.run(2_000)
    const shares = ['a', 'b'].map((peer) => of(cluster.of('c').view, peer))
    expect(shares.filter((share) => share === 1)).toHaveLength(1)
    // Agents that are moved meanwhile do not matter.
    const now = ['a', 'b', 'c'].map((peer) => {
      return { peer, ownerWeight: of(cluster.of('c').view, peer) ?? 100_000 }
    })
    const late = cluster.of('c').propose({ share: [{ peer: 'c', ownerWeight: 2 }], among: now })
    await simulation.wait(cluster.of('a').propose({ move: [to('b', 'x')] }))
    await simulation.wait(late)
    expect(of(cluster.of('c').view, 'c')).toBe(2)
    cluster.assertSound()
  })
})
