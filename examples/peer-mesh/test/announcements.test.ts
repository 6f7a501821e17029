import type { Cluster } from '@murmuration/cluster'
import { describe, expect, it } from 'vitest'
import { device } from '../src/agents.ts'
import { Announcements } from '../src/announcements.ts'
import { Chronicle } from '../src/chronicle.ts'

interface Published {
  readonly type: string
  readonly subject: string
  readonly data: object
  readonly delivery: string
}

/** One peer of the mesh, of whose cluster only what is announced is there. */
class Peer {
  readonly published: Published[] = []
  readonly announcements: Announcements
  running: readonly string[] = []

  constructor(peerId: string) {
    const cluster = {
      peerId,
      agents: { running: () => this.running.map((id) => ({ id })) },
      signals: {
        publish: async (signal: Omit<Published, 'delivery'>, options: { delivery: string }) => {
          this.published.push({ ...signal, ...options })
        }
      }
    }
    this.announcements = new Announcements(cluster as unknown as Cluster) // Nothing else is asked for.
  }

  /** What it has said since the last look. */
  said(): Published[] {
    this.announcements.tellAgents()
    return this.published.splice(0)
  }
}

describe('what happens in the mesh', () => {
  it('is announced where an agent runs elsewhere than before', () => {
    const [first, second] = [new Peer('first'), new Peer('second')]
    first.running = ['device/x']
    const [started, ...others] = first.said()
    expect([started, others]).toMatchObject([{ type: 'agent.started', subject: 'device/x' }, []])
    expect(Announcements.isQuiet('agent.started')).toBe(true)
    // Running on is no news, and neither is coming back to the same peer.
    expect(first.said()).toEqual([])
    second.announcements.hear({ type: 'agent.started', subject: 'device/x' }, 'first')
    second.running = ['device/x']
    expect(second.said()).toEqual([
      {
        type: 'agent.moved',
        subject: 'device/x',
        data: { from: 'first' },
        delivery: 'at-least-once'
      }
    ])
    expect(Announcements.isQuiet('agent.moved')).toBe(false)
    first.announcements.hear({ type: 'agent.moved', subject: 'device/x' }, 'second')
    first.running = []
    expect(first.said()).toEqual([])
    first.running = ['device/x']
    expect(first.said()).toMatchObject([{ type: 'agent.moved', data: { from: 'second' } }])
  })

  it('is announced by one of those who are left where a peer is gone', () => {
    const peers = ['a', 'b', 'c'].map((name) => new Peer(name))
    for (const { announcements } of peers) announcements.tellView(1, ['a', 'b', 'c'])
    for (const { announcements } of peers.slice(1)) announcements.tellView(2, ['b', 'c'])
    expect(peers.map(({ published }) => published)).toEqual([
      [],
      [{ type: 'peer.failover', subject: 'a', data: { view: 2 }, delivery: 'at-least-once' }],
      []
    ])
  })

  it('is an alert where a reading of a percentage is too high, and not else', () => {
    const alerts: unknown[] = []
    const action = device.actions.record
    const field = { increment: () => undefined, update: () => undefined, value: 1 }
    const state = { count: field, sum: field, min: field, max: field, last: field, alerts: field }
    const record = (metric: string, percent: bigint): void => {
      const input = { metric, value: percent * 10n ** 18n, time: 1n, line: 1 }
      const context = { input, state, key: 'x', emit: (signal: unknown) => alerts.push(signal) }
      void action.run(context as unknown as Parameters<typeof action.run>[0]) // All that it asks for.
    }
    record('cpu', 91n)
    record('cpu', 90n)
    record('temperature', 91n)
    expect(alerts).toEqual([{ type: 'device.alert', subject: 'x', data: { metric: 'cpu' } }])
  })

  it('is shown once, though every peer tells of it', () => {
    const lines: string[] = []
    const chronicle = new Chronicle((text) => lines.push(text))
    for (const index of [1, 2, 3]) {
      chronicle.signal({ kind: 'signal', index, id: 'one', type: 'device.alert', subject: 'x' })
    }
    chronicle.signal({ kind: 'signal', index: 1, id: 'two', type: 'peer.failover', subject: 'a' })
    expect(lines).toEqual(['signal device.alert x', 'signal peer.failover a'])
  })
})
