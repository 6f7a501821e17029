import type { AgentRecord, Member, View } from '@murmuration/interface'
import { describe, expect, it } from 'vitest'
import { Predecessors } from '../../src/core/predecessors.ts'

const record: AgentRecord = { id: 'test/agent/x', placement: 'hash', replicas: 3 }
const member = (peer: string, incarnation = '1'): Member => ({
  peer,
  incarnation,
  addresses: [],
  labels: {},
  weight: 100,
  since: 1
})

/** The first member of a view owns everything. */
function view(number: number, ...peers: readonly string[]): View {
  return {
    cluster: 'test',
    number,
    members: peers.map((peer) => member(peer)),
    tieBreaker: 'a',
    placement: { hash: 'sha256-hrw-1', slots: 16_384, zoneLabel: 'zone' },
    leaseMs: 1000
  }
}

function predecessors(self = 'b#1', mayReplace?: (key: string) => boolean): Predecessors {
  return new Predecessors({
    self,
    homes: ({ members }) => ({ homeOf: () => members, ownerOf: () => members[0] }),
    mayReplace: ({ peer, incarnation }) => mayReplace?.(`${peer}#${incarnation}`) ?? false
  })
}

/** All leases of 1,000 ms have ended, whichever of two clocks is 5 % fast. */
const overMs = 1102.5

describe('the owner of an earlier view', () => {
  it('may act until no lease of its view can be left', () => {
    const before = predecessors()
    before.adopt(view(1, 'a', 'b'), [view(1, 'a', 'b')], 0)
    expect(before.mayAct(record, 0)).toBe(false)
    before.adopt(view(2, 'b', 'a'), [view(1, 'a', 'b'), view(2, 'b', 'a')], 5000)
    expect(before.nextAt(5000)).toBe(5000 + overMs)
    expect(before.mayAct(record, 5000 + overMs - 1)).toBe(true)
    expect(before.mayAct(record, 5000 + overMs)).toBe(false)
    expect(before.nextAt(5000 + overMs)).toBeUndefined()
  })

  it('may not any more once it has adopted a later one', () => {
    const before = predecessors()
    before.adopt(view(3, 'b', 'a'), [view(2, 'a', 'b'), view(3, 'b', 'a')], 0)
    before.saw('a#1', 2)
    expect(before.mayAct(record, 0)).toBe(true)
    // Another life of its store does not speak for it.
    before.saw('a#2', 3)
    expect(before.mayAct(record, 0)).toBe(true)
    before.saw('a#1', 3)
    expect(before.mayAct(record, 0)).toBe(false)
  })

  it('may not any more once it may be replaced', () => {
    let isOver = false
    const before = predecessors('b#1', (owner) => owner === 'a#1' && isOver)
    before.adopt(view(2, 'b', 'c'), [view(1, 'a', 'b', 'c'), view(2, 'b', 'c')], 0)
    expect([before.mayAct(record, 0), before.anyRemoved(view(2, 'b', 'c'), 0)]).toEqual([
      true,
      true
    ])
    isOver = true
    expect([before.mayAct(record, 0), before.anyRemoved(view(2, 'b', 'c'), 0)]).toEqual([
      false,
      false
    ])
  })

  it('is waited for from the view after its own, not from the newest one', () => {
    const before = predecessors()
    const views = [view(1, 'a', 'b'), view(2, 'b', 'a'), view(3, 'b', 'a')] as const
    before.adopt(views[0], [views[0]], 0)
    before.adopt(views[1], views.slice(0, 2), 100)
    before.adopt(views[2], [...views], 900)
    expect(before.mayAct(record, 100 + overMs)).toBe(false)
  })

  it('is not waited for by itself, nor when its view is settled', () => {
    const itself = predecessors('a#1')
    itself.adopt(view(2, 'a', 'b'), [view(1, 'a', 'b'), view(2, 'a', 'b')], 0)
    expect(itself.mayAct(record, 0)).toBe(false)
    const before = predecessors()
    before.adopt(view(2, 'b', 'a'), [view(1, 'a', 'b'), view(2, 'b', 'a')], 0)
    before.settled(2)
    expect(before.mayAct(record, 0)).toBe(false)
  })
})
