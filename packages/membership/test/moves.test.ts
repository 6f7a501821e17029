import { describe, expect, it } from 'vitest'
import type { View, ViewProposal } from '@murmuration/interface'
import { checkProposal } from '../src/control.ts'
import { withMoves } from '../src/core/moves.ts'
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
