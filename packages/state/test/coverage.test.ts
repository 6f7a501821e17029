import type { AgentRecord, Member, View } from '@murmuration/interface'
import { expect, test } from 'vitest'
import { Coverage } from '../src/core/coverage.ts'
import { memberKey } from '../src/core/homes.ts'
import { homesOf } from '../src/placements.ts'

const record: AgentRecord = { id: 'test/doc/a', placement: 'hash', replicas: 3 }

function member(peer: string): Member {
  return { peer, incarnation: '1', addresses: [], labels: {}, weight: 100, since: 1 }
}

function view(number: number, names: string): View {
  return {
    cluster: 'test',
    number,
    members: names.split('').map(member),
    tieBreaker: 'a',
    placement: { hash: 'sha256-hrw-1', slots: 16_384, zoneLabel: 'zone' }
  }
}

function branchOf(agreed: View, names: string, id = 'b1'): View {
  const members = agreed.members.filter(({ peer }) => names.includes(peer))
  return { ...agreed, members, branch: { id, agreed, steward: names.charAt(0), began: 0 } }
}

const ownerIn = (one: View): string => homesOf(one).ownerOf(record)?.peer ?? ''
const key = (peer: string): string => memberKey(member(peer))

test('a branch is served when each of its members has handed over, not only a quorum', () => {
  const branch = branchOf(view(3, 'abcdefg'), 'abcd')
  const coverage = new Coverage({ peer: ownerIn(branch), homes: homesOf })
  coverage.adopt(branch, [])
  const round = coverage.begin(2, [branch])
  if (round === undefined) throw new Error('no round')
  for (const peer of 'abc') coverage.collected(round, key(peer), [])
  expect(coverage.covers(record)).toBe(false)
  expect(coverage.complete(round)).toBe(false)
  coverage.collected(round, key('d'), [])
  expect(coverage.covers(record)).toBe(true)
  expect(coverage.complete(round)).toBe(true)
})

test('into a branch, from one to the next and out of it, everything is collected anew', () => {
  const agreed = view(3, 'abcde')
  const peer = ownerIn(agreed)
  const coverage = new Coverage({ peer, homes: homesOf })
  const steps = [agreed, branchOf(agreed, 'abcde', 'b1'), branchOf(agreed, 'abcde', 'b2'), agreed]
  for (const [at, step] of steps.entries()) {
    expect(coverage.adopt(step, [])).toBe(false)
    expect(coverage.covers(record)).toBe(false)
    const round = coverage.begin(2, [step])
    if (round === undefined) throw new Error(`no round ${at}`)
    for (const one of 'abcde') coverage.collected(round, key(one), [])
    expect(coverage.covers(record)).toBe(true)
  }
})

test('with what is there goes on who has asked every member of the newest view', () => {
  const [older, newer] = [view(3, 'abcdefg'), view(4, 'abcd')]
  const coverage = new Coverage({ peer: ownerIn(newer), homes: homesOf })
  coverage.adopt(newer, [])
  const round = coverage.begin(3, [older, newer])
  if (round === undefined) throw new Error('no round')
  for (const peer of 'abc') coverage.collected(round, key(peer), [])
  expect(coverage.coversPartly(record)).toBe(false)
  coverage.collected(round, key('d'), [])
  expect(coverage.coversPartly(record)).toBe(true)
  // A majority of the older home may be among those that are gone: then it is not all there is.
  const home = homesOf(older).homeOf(record)
  const here = home.filter(({ peer }) => 'abcd'.includes(peer)).length
  expect(coverage.covers(record)).toBe(here >= 2)
})
