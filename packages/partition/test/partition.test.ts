import { describe, expect, it } from 'vitest'
import { TypedEventEmitter } from 'main-event'
import type { MembershipEvents, PartitionStatus, Reachability, View } from '@murmuration/interface'
import { createPartition } from '@murmuration/partition'

class FakeMembership extends TypedEventEmitter<MembershipEvents> {
  readonly self = { peer: 'a', incarnation: 'i', boot: 1 }
  readonly states = new Map<string, Reachability>()
  view: View | undefined
  reachability(peer: string): Reachability {
    return this.states.get(peer) ?? 'reachable'
  }
  set(peer: string, reachability: Reachability): void {
    this.states.set(peer, reachability)
    this.safeDispatchEvent('reachability', { detail: { peer, reachability } })
  }
}

function fake(): FakeMembership {
  const membership = new FakeMembership()
  membership.view = {
    cluster: 'test',
    number: 1,
    members: ['a', 'b', 'c'].map((peer) => ({
      peer,
      incarnation: 'i',
      addresses: [],
      labels: {},
      weight: 1,
      since: 1
    })),
    tieBreaker: 'a',
    placement: { hash: 'sha256-hrw-1', slots: 16_384, zoneLabel: 'zone' }
  }
  return membership
}

describe('partition', () => {
  it('reports each change of status once, and heals in place', () => {
    const membership = fake()
    const partition = createPartition({ membership })
    const seen: PartitionStatus[] = []
    partition.addEventListener('status', (event) => seen.push(event.detail.status))
    void partition.start()
    membership.set('b', 'unreachable')
    membership.set('c', 'unreachable')
    expect(partition.verdict('pause-minority')).toBe('pause')
    membership.set('c', 'reachable')
    membership.set('b', 'reachable')
    expect(seen).toEqual(['majority', 'minority', 'majority', 'whole'])
    expect(partition.verdict('pause-minority')).toBe('run')
  })

  it('is deaf after stop', () => {
    const membership = fake()
    const partition = createPartition({ membership })
    void partition.start()
    void partition.stop()
    membership.set('b', 'unreachable')
    expect(partition.status).toBe('whole')
  })

  it('is no matter of a peer outside the view, whoever it can reach', () => {
    const membership = fake()
    Object.assign(membership.self, { peer: 'edge' })
    const partition = createPartition({ membership })
    void partition.start()
    membership.set('a', 'unreachable')
    membership.set('b', 'unreachable')
    expect(partition.status).toBe('whole')
  })
})
