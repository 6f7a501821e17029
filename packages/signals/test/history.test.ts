import type { LoggedSignal, PublishOptions, SubscribeOptions } from '@murmuration/interface'
import { describe, expect, it } from 'vitest'
import { createSignals } from '../src/index.ts'
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
    expect(full.toSorted((x, y) => Number(x) - Number(y))).toEqual([1, 2, 3, 4, 5])
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

describe('a cursor', () => {
  it('beyond the end of the log is refused, and mutes nobody where the log was not read yet', async () => {
    const cluster = testCluster()
    const b = await cluster.bus('b')
    const from = { cursor: '9000000000000000.0' }
    expect(() => follow(b, 'order.*', { from })).toThrow(/not of this log/)
    expect(() => b.bus.iterate('order.*', { from })).toThrow(/not of this log/)
    await expect(b.bus.replay({ from })[Symbol.asyncIterator]().next()).rejects.toThrow(
      /of this log/
    )
    const bus = createSignals({ peer: 'c', clock: cluster.clock })
    const got: unknown[] = []
    bus.subscribe('order.*', ({ data }) => void got.push(data), { from })
    await bus.start()
    await settle()
    for (const data of [1, 2]) {
      await bus.publish({ type: 'order.x', data })
    }
    await settle()
    expect(got).toEqual([1, 2])
  })

  it('stays true when the log has lost what it stands for', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    await say(cluster, a, 'order.x', 1, 2, 3)
    const cursor = (await replayed(a.bus)).at(-1)?.cursor ?? ''
    await a.bus.stop()
    await cluster.clock.advance(10)
    const after = await cluster.bus('a', { components: { boot: 2 } })
    await say(cluster, after, 'order.x', 4)
    const got = follow(after, 'order.*', { from: { cursor } })
    await settle()
    expect(got).toEqual([4])
  })
})

describe('a peer alone', () => {
  it('has in its log what it publishes, as in a cluster', async () => {
    const cluster = testCluster()
    const { bus } = await cluster.bus('a', { components: { gossip: undefined, rpc: undefined } })
    const live: unknown[] = []
    bus.subscribe('order.*', ({ data }) => void live.push(data))
    const order = { type: 'order.created', subject: '7', id: 'cause', data: 1 }
    expect(await bus.publish(order)).toEqual({
      id: 'cause',
      accepted: true,
      recipients: ['a'],
      dropped: []
    })
    await bus.publish({ ...order, id: 'effect', causationid: 'cause', data: 2 })
    await bus.publish({ ...order, type: 'other.x', id: 'local', data: 3 }, { route: 'local' })
    expect(live).toEqual([1, 2])
    expect((await replayed(bus)).map(({ signal }) => signal.data)).toEqual([1, 2])
    expect((await bus.snapshot()).map(({ signal }) => signal.data)).toEqual([2])
    expect((await bus.effects('cause')).map(({ id }) => id)).toEqual(['effect'])
    const from: unknown[] = []
    bus.subscribe('order.*', ({ data }) => void from.push(data), { from: 'start' })
    void bus.publish({ ...order, id: 'last', data: 4 })
    await settle()
    expect(from).toEqual([1, 2, 4])
  })
})

describe('what is for one peer', () => {
  it('is shown to no other, though others log it for it', async () => {
    const cluster = testCluster()
    const [a, b] = [await cluster.bus('a'), await cluster.bus('b')]
    const order = { type: 'order.x', subject: '7', data: 'for b' }
    const published = a.bus.publish(order, { ...atLeastOnce, route: { targeted: ['b'] } })
    await cluster.clock.advance(500)
    expect(await published).toMatchObject({ accepted: true })
    const [atA, atB] = [a, b].map((peer) => follow(peer, '**', { from: 'start' }))
    await settle()
    expect([atA, atB]).toEqual([[], ['for b']])
    expect(await replayed(a.bus)).toEqual([])
    expect(await a.bus.snapshot()).toEqual([])
    expect(await b.bus.snapshot()).toHaveLength(1)
  })
})

describe('a snapshot', () => {
  it('has the newest of one author, whatever way that came', async () => {
    const cluster = testCluster()
    const [a, b] = [await cluster.bus('a'), await cluster.bus('b')]
    b.listen('level.*')
    const level = { type: 'level.now', subject: 's' }
    const put = async (data: number, options: PublishOptions = {}): Promise<void> => {
      const published = a.bus.publish({ ...level, data }, options)
      await cluster.clock.advance(50)
      await published
    }
    const newest = async (): Promise<unknown[]> =>
      (await b.bus.snapshot()).map(({ signal }) => signal.data)
    await put(1)
    await put(2)
    await put(3, { route: { targeted: ['b'] } })
    expect(await newest()).toEqual([3])
    await put(4)
    expect(await newest()).toEqual([4])
  })

  it('says where a signal stands as a replay does', async () => {
    const cluster = testCluster()
    const [a, b] = [await cluster.bus('a'), await cluster.bus('b')]
    b.listen('level.*')
    for (const subject of ['x', 'y', 'z']) {
      void a.bus.publish({ type: 'level.now', subject })
    }
    await cluster.clock.advance(500)
    const cursors = (signals: readonly LoggedSignal[]): ReadonlyMap<unknown, string> =>
      new Map(signals.map(({ cursor, signal }) => [signal.subject, cursor]))
    const logged = cursors(await replayed(b.bus))
    expect(logged.size).toBe(3)
    expect(cursors(await b.bus.snapshot())).toEqual(logged)
  })
})
