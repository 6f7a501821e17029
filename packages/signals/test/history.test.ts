import type { LoggedSignal, PublishOptions, SubscribeOptions } from '@murmuration/interface'
import { describe, expect, it } from 'vitest'
import type { SignalBus } from '../src/index.ts'
import { settle, testCluster } from './fakes.ts'
import type { TestBus, TestCluster } from './fakes.ts'

const atLeastOnce: PublishOptions = { delivery: 'at-least-once' }

/** Hears a topic from some point on. */
function follow({ bus }: TestBus, pattern: string, options: SubscribeOptions): unknown[] {
  const got: unknown[] = []
  bus.subscribe(pattern, ({ data }) => void got.push(data), options)
  return got
}

/** Publishes in turn, each once the one before is done. */
async function say(
  cluster: TestCluster,
  { bus }: TestBus,
  type: string,
  ...data: readonly unknown[]
): Promise<void> {
  for (const each of data) {
    const published = bus.publish({ type, data: each })
    await cluster.clock.advance(50)
    await published
  }
}

async function replayed(bus: SignalBus, pattern = '**'): Promise<readonly LoggedSignal[]> {
  const found: LoggedSignal[] = []
  for await (const each of bus.replay({ pattern })) {
    found.push(each)
  }
  return found
}

describe('a subscription from the start', () => {
  it('gets what its own peer publishes meanwhile after what the log has', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    await say(cluster, a, 'order.x', 1, 2, 3, 4, 5)
    const got = follow(a, 'order.*', { from: 'start' })
    for (const data of [6, 7, 8]) {
      void a.bus.publish({ type: 'order.x', data })
    }
    await cluster.clock.advance(500)
    expect(got).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('gets what its own peer was just publishing, be the log empty or not', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    void a.bus.publish({ type: 'order.x', data: 1 })
    const empty = follow(a, 'order.*', { from: 'start' })
    await cluster.clock.advance(500)
    void a.bus.publish({ type: 'order.x', data: 2 }, atLeastOnce)
    const full = follow(a, 'order.*', { from: 'start' })
    void a.bus.publish({ type: 'order.x', data: 3 })
    void a.bus.publish({ type: 'order.x', data: 4 }, { route: { targeted: ['a'] }, ...atLeastOnce })
    await cluster.clock.advance(500)
    void a.bus.publish({ type: 'order.x', data: 5 })
    await cluster.clock.advance(500)
    expect(empty).toEqual([1, 2, 3, 4, 5])
    expect(full.toSorted()).toEqual([1, 2, 3, 4, 5])
    expect(full.filter((data) => data !== 4)).toEqual([1, 2, 3, 5])
  })

  it('counts for who publishes, as it gets the signal from the log', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const got = follow(a, 'order.*', { from: 'start' })
    const published = a.bus.publish({ type: 'order.x', data: 1 })
    await cluster.clock.advance(500)
    expect(await published).toMatchObject({ accepted: true, recipients: ['a'] })
    expect(got).toEqual([1])
  })

  it('has signals that never come into the log at once', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const got = follow(a, 'order.*', { from: 'start' })
    await a.bus.publish({ type: 'order.x', data: 1 }, { route: 'local' })
    await settle()
    expect(got).toEqual([1])
    expect(await replayed(a.bus)).toEqual([])
  })
})
