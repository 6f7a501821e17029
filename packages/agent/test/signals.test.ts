import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AgentRef } from '@murmuration/agent'
import type { Signal } from '@murmuration/interface'
import { compilePattern } from '../src/core/pattern.ts'
import { FakeCluster, settle } from './fake-cluster.ts'
import type { FakePeer } from './fake-cluster.ts'
import { named, outcomeOf } from './outcome.ts'
import { gates, station } from './station.ts'

const signalOf = (type: string, data: unknown): Signal => ({
  specversion: '1.0',
  id: String(data),
  source: 'test',
  type,
  data
})

describe('signals to an agent', () => {
  let cluster: FakeCluster
  let owner: FakePeer
  let ref: AgentRef<typeof station>

  beforeEach(() => {
    gates.reset()
    cluster = new FakeCluster(['a', 'b'], { types: [station], mailboxMax: 2 })
    owner = cluster.ownerOf(station.record('berlin'))
    ref = (cluster.othersThan(owner)[0] ?? owner).agents.agent(station, 'berlin')
  })
  afterEach(async () => {
    for (const open of gates.open) open()
    cluster.stop()
    await settle()
  })

  const seen = (): readonly string[] => cluster.storedOf(ref.id).document.value(station.state).seen
  const bring = (signal: Signal): void => {
    for (const peer of cluster.peers.values()) {
      peer.signals.bring(signal, (pattern) => compilePattern(pattern)(signal.type))
    }
  }

  it('sent to it run all reactions whose pattern matches, in one turn', async () => {
    const sent = outcomeOf(ref.signal({ type: 'day.ended', data: 7 }))
    await cluster.clock.advance(20)
    expect(sent).toEqual({ done: true, value: undefined })
    expect(seen()).toEqual(['* day.ended', '** 7'])
    outcomeOf(ref.signal({ type: 'day.a.b', data: 8 }))
    outcomeOf(ref.signal({ type: 'night', data: 9 }))
    await cluster.clock.advance(20)
    expect(seen()).toEqual(['* day.ended', '** 7', '** 8'])
    expect(cluster.published).toHaveLength(2)
  })

  it('sent to it resolve when the changes are acknowledged, and count once', async () => {
    cluster.copiesMs = 50
    const idempotencyKey = { session: 's', sequence: 1, lowest: 1 }
    const first = outcomeOf(ref.signal({ type: 'day.x', data: 1 }, { idempotencyKey }))
    await cluster.clock.advance(40)
    expect(first.done).toBe(false)
    const second = outcomeOf(ref.signal({ type: 'day.x', data: 1 }, { idempotencyKey }))
    await cluster.clock.advance(120)
    expect([first.done, second.done]).toEqual([true, true])
    expect(seen()).toHaveLength(2)
  })

  it('change nothing when one of their reactions fails', async () => {
    const sent = outcomeOf(ref.signal({ type: 'day.broken' }))
    await cluster.clock.advance(20)
    expect(sent.error).toEqual(named('RemoteHandlerError', { outcomeUnknown: false }))
    expect(seen()).toEqual([])
  })

  it('sent to it have an id and a source as those of the bus', async () => {
    const got: Signal[] = []
    gates.onSignal = (signal) => void got.push(signal)
    for (const type of ['day.first', 'day.second']) {
      outcomeOf(ref.signal({ type }))
      await cluster.clock.advance(20)
    }
    const [first, second] = got
    const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
    expect(first?.id).toMatch(uuid)
    expect(Number.parseInt(first?.id.replace('-', '').slice(0, 12) ?? '', 16)).toBe(
      Date.parse(first?.time ?? '')
    )
    expect(second?.id).not.toBe(first?.id)
    const sender = cluster.othersThan(owner)[0]
    expect(first?.source).toBe(`/p2p/${sender?.name}`)
  })

  it('are refused without a type', async () => {
    await expect(ref.signal({ type: '' })).rejects.toEqual(named('InvalidParametersError'))
  })

  it('of the bus run once per match, where the agent runs', async () => {
    bring(signalOf('day.ended', 1))
    await cluster.clock.advance(20)
    expect(seen()).toEqual([])
    outcomeOf(ref.call('peek', null))
    await cluster.clock.advance(20)
    bring(signalOf('day.ended', 2))
    await cluster.clock.advance(20)
    expect(seen()).toEqual(['* day.ended', '** 2'])
  })

  it('of the bus are told in the log when they cannot be reacted to', async () => {
    outcomeOf(ref.call('slow', 1))
    await cluster.clock.advance(20)
    for (let i = 0; i < 2; i++) bring(signalOf('day.ended', i))
    expect(cluster.log.filter((line) => line.includes('requests wait already'))).toHaveLength(2)
    gates.open[0]?.()
    await cluster.clock.advance(20)
    expect(seen()).toHaveLength(2)
    bring(signalOf('day.broken', 3))
    await cluster.clock.advance(20)
    expect(cluster.log.at(-1)).toContain('did not react to day.broken')
    owner.partition.set(true)
    bring(signalOf('day.ended', 4))
    expect(cluster.log.at(-1)).toContain('PausedError')
  })

  it('of the bus reach no agent after the stop', async () => {
    outcomeOf(ref.call('peek', null))
    await cluster.clock.advance(20)
    expect(owner.signals.subscriptions).toHaveLength(3)
    await owner.agents.stop()
    expect(owner.signals.subscriptions).toHaveLength(0)
  })

  it('that cannot be published are told in the log, and fail nothing', async () => {
    owner.signals.publish = () => Promise.reject(new Error('bus is down'))
    const call = outcomeOf(ref.call('add', 1))
    await cluster.clock.advance(20)
    expect(call.value).toBe(1)
    expect(cluster.log.at(-1)).toContain('bus is down')
  })
})
