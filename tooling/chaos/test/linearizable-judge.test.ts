import { createHistory } from '@murmuration/testkit'
import type { ListInput, ListOutput } from '@murmuration/testkit'
import { describe, expect, it } from 'vitest'
import { judge } from '../src/linearizable-judge.ts'

function history(): ReturnType<typeof createHistory<ListInput, ListOutput>> {
  const made = createHistory<ListInput, ListOutput>()
  for (const element of ['a', 'b', 'c']) made.invoke('x', 'l', { kind: 'append', element }).ok({})
  made.invoke('y', 'l', { kind: 'read' }).ok({ list: ['a', 'b', 'c'] })
  made.invoke('z', 'l', { kind: 'read' }).ok({ list: ['a', 'b', 'c'] })
  return made
}

describe('the judge of strong histories', () => {
  it('accepts what has an order, and finds each of the lies that it tells itself', () => {
    expect(judge(history().operations)).toEqual({
      result: 'linearizable',
      violations: [],
      missed: [],
      lies: 3
    })
  })

  it('finds a lost append and a stale read', () => {
    const lost = history()
    lost.invoke('y', 'l', { kind: 'read' }).ok({ list: ['a', 'c'] })
    expect(judge(lost.operations).result).toBe('violation')
    const stale = history()
    stale.invoke('y', 'l', { kind: 'read' }).ok({ list: ['a', 'b'] })
    expect(judge(stale.operations).violations).not.toEqual([])
  })

  it('tells of a history that gives no occasion to lie', () => {
    expect(judge([]).lies).toBe(0)
  })
})
