import { TypedEventEmitter } from 'main-event'
import { describe, expect, it } from 'vitest'
import type {
  HealReport,
  MembershipEvents,
  Partition,
  Reachability,
  View
} from '@murmuration/interface'
import { createPartition } from '@murmuration/partition'
import type { PartitionInit } from '@murmuration/partition'
import { createSimulation } from '@murmuration/testkit'
import type { Simulation } from '@murmuration/testkit'
import { viewOf } from './view.ts'

class FakeMembership extends TypedEventEmitter<MembershipEvents> {
  readonly self: { peer: string; incarnation: string; boot: number }
  readonly missed = new Set<string>()
  view: View

  constructor(peer: string, view: View) {
    super()
    this.self = { peer, incarnation: 'i', boot: 1 }
    this.view = view
  }

  reachability(peer: string): Reachability {
    return this.missed.has(peer) ? 'unreachable' : 'reachable'
  }

  miss(peer: string, isMissed = true): void {
    if (isMissed) this.missed.add(peer)
    else this.missed.delete(peer)
    const reachability = this.reachability(peer)
    this.safeDispatchEvent('reachability', { detail: { peer, reachability } })
  }
}

interface Peer {
  readonly membership: FakeMembership
  readonly partition: Partition
}

function start(simulation: Simulation, init: PartitionInit = {}): Record<string, Peer> {
  const view = viewOf(['a', 'b', 'c', 'd'])
  return Object.fromEntries(
    view.members.map(({ peer }) => {
      const membership = new FakeMembership(peer, view)
      const { rpc, clock } = simulation.node(peer)
      const partition = createPartition({ membership, rpc, clock }, init)
      void partition.start()
      return [peer, { membership, partition }]
    })
  )
}

function breakLink(peers: Record<string, Peer>, a: string, b: string, isBroken = true): void {
  peers[a]?.membership.miss(b, isBroken)
  peers[b]?.membership.miss(a, isBroken)
}

describe('partition with the reports of others', () => {
  it('tells a broken link from a split, on every peer', async () => {
    const simulation = createSimulation({ seed: 1 })
    const peers = start(simulation)
    breakLink(peers, 'a', 'b')
    await simulation.run(3_000)
    const kinds = Object.values(peers).map(({ partition }) => partition.kind)
    expect(kinds).toEqual(['indirect', 'indirect', 'indirect', 'indirect'])
    expect(peers['c']?.partition.reasons).toEqual([
      'a and b miss each other, and others reach both'
    ])
    expect(peers['a']?.partition.verdict('pause-minority')).toBe('run')
    breakLink(peers, 'a', 'b', false)
    await simulation.run(8_000)
    expect(Object.values(peers).map(({ partition }) => partition.kind)).toEqual([
      'whole',
      'whole',
      'whole',
      'whole'
    ])
  })

  it('waits for the links to come to rest where a strategy asks for it', async () => {
    const simulation = createSimulation({ seed: 2 })
    const peers = start(simulation)
    for (const a of ['a', 'b', 'c']) breakLink(peers, a, 'd')
    simulation.split(['a', 'b', 'c'], ['d'])
    const alone = peers['d']?.partition
    await simulation.run(1_000)
    expect(alone?.verdict('pause-minority')).toBe('pause')
    expect(alone?.verdict('keep-oldest')).toBe('run')
    await simulation.run(9_000)
    expect(alone?.decide('keep-oldest')).toEqual({
      verdict: 'pause',
      reason: 'a, the oldest, is on the other side'
    })
    expect(peers['b']?.partition.decide('leader-election').steward).toBe('a')
    expect(alone?.decide('leader-election').steward).toBe('d')
  })

  it('stops what waits for rest where there is none, and lets it go on after it', async () => {
    const simulation = createSimulation({ seed: 3 })
    const peers = start(simulation, { stableAfterMs: 4_000 })
    for (let round = 0; round < 6; round++) {
      breakLink(peers, 'a', 'b', round % 2 === 0)
      await simulation.run(1_500)
    }
    const partition = peers['a']?.partition
    expect(partition?.decide('keep-oldest').reason).toBe('the links do not come to rest')
    expect(partition?.verdict('continue-all')).toBe('run')
    await simulation.run(15_000)
    expect(partition?.verdict('keep-oldest')).toBe('run')
  })

  it('reports a split once it is over', async () => {
    const simulation = createSimulation({ seed: 4 })
    const peers = start(simulation)
    const reports: HealReport[] = []
    peers['d']?.partition.addEventListener('healed', (event) => reports.push(event.detail))
    for (const a of ['a', 'b', 'c']) breakLink(peers, a, 'd')
    simulation.split(['a', 'b', 'c'], ['d'])
    await simulation.run(20_000)
    simulation.heal()
    for (const a of ['a', 'b', 'c']) breakLink(peers, a, 'd', false)
    await simulation.run(8_000)
    expect(reports).toHaveLength(1)
    const [report] = reports
    expect(report).toMatchObject({
      status: 'minority',
      kind: 'split',
      missed: ['a', 'b', 'c'],
      views: [4, 4]
    })
    expect((report?.ended ?? 0) - (report?.began ?? 0)).toBeGreaterThanOrEqual(20_000)
  })

  it('pauses where a strategy of a user fails, and uses the default that it was given', () => {
    const simulation = createSimulation({ seed: 5 })
    const peers = start(simulation, { policy: 'down-all' })
    const partition = peers['a']?.partition
    const broken = {
      name: 'broken',
      isImmediate: true,
      decide: () => {
        throw new Error('no')
      }
    }
    expect(partition?.decide(broken)).toEqual({
      verdict: 'pause',
      reason: 'the strategy broken failed'
    })
    expect(partition?.verdict()).toBe('run')
    expect(
      partition?.simulate('pause-minority', [
        ['a', 'b'],
        ['c', 'd']
      ])
    ).toMatchObject([{ decision: { verdict: 'run' } }, { decision: { verdict: 'pause' } }])
  })

  it('refuses damaged reports by name', async () => {
    const simulation = createSimulation({ seed: 6 })
    start(simulation)
    const { rpc } = simulation.node('b')
    const sent = rpc.call('a', 'partition.report', new Uint8Array([255, 1]))
    await expect(simulation.wait(sent)).rejects.toMatchObject({ name: 'MalformedMessageError' })
  })
})
