import type { SignalLoss, Store } from '@murmuration/interface'
import { createMemoryStore } from '@murmuration/storage'
import { describe, expect, it } from 'vitest'
import { createSignals } from '../src/index.ts'
import type { SignalBus, SignalsInit } from '../src/index.ts'
import { settle, testCluster, VirtualClock } from './fakes.ts'

interface Alone {
  readonly bus: SignalBus
  readonly clock: VirtualClock
  readonly store: Store
}

/** A bus without a network: what it publishes at least once is in its log. */
async function alone(init: SignalsInit = {}, store: Store = createMemoryStore()): Promise<Alone> {
  const clock = new VirtualClock()
  const bus = createSignals({ peer: 'me', clock, store }, init)
  await bus.start()
  return { bus, clock, store }
}

async function publish({ bus }: Alone, ...types: readonly string[]): Promise<void> {
  for (const [data, type] of types.entries()) {
    await bus.publish({ type, data }, { delivery: 'at-least-once' })
  }
}

async function replayed(
  bus: SignalBus,
  options: Parameters<SignalBus['replay']>[0] = {}
): Promise<{ data: unknown; cursor: string }[]> {
  const found: { data: unknown; cursor: string }[] = []
  for await (const { cursor, signal } of bus.replay(options)) {
    found.push({ data: signal.data, cursor })
  }
  return found
}

describe('the log', () => {
  it('is replayed from the start, a time or a cursor, by pattern', async () => {
    const peer = await alone()
    await publish(peer, 'a.x', 'b.x')
    await peer.clock.advance(1000)
    const time = peer.clock.now()
    await publish(peer, 'a.x', 'b.x', 'a.y')
    const all = await replayed(peer.bus)
    expect(all.map(({ data }) => data)).toEqual([0, 1, 0, 1, 2])
    expect(await replayed(peer.bus, { from: { cursor: all[2]?.cursor ?? '' } })).toEqual(
      all.slice(3)
    )
    expect(await replayed(peer.bus, { from: { time } })).toEqual(all.slice(2))
    expect((await replayed(peer.bus, { pattern: 'a.*' })).map(({ data }) => data)).toEqual([
      0, 0, 2
    ])
    expect(() => peer.bus.replay({ from: { cursor: 'x' } })).toThrow(/from/)
  })

  it('survives a restart', async () => {
    const peer = await alone()
    await publish(peer, 'a.x', 'a.x')
    await peer.bus.stop()
    const after = await alone({}, peer.store)
    expect((await replayed(after.bus)).map(({ data }) => data)).toEqual([0, 1])
    await publish(after, 'a.x')
    expect(await replayed(after.bus)).toHaveLength(3)
  })

  it('is bounded by size and by age', async () => {
    const small = await alone({ log: { bytesMax: 2000 } })
    for (let round = 0; round < 10; round += 1) {
      await publish(small, 'a.x', 'a.x', 'a.x')
      await settle()
    }
    const kept = await replayed(small.bus)
    expect(kept.length).toBeGreaterThan(1)
    expect(kept.length).toBeLessThan(20)
    expect(kept.at(-1)?.data).toBe(2)
    const young = await alone({ log: { ageMs: 1000 } })
    await publish(young, 'a.x')
    await young.clock.advance(1001)
    await publish(young, 'a.y')
    await settle()
    expect(await replayed(young.bus)).toHaveLength(1)
  })

  it('reports an entry that is damaged, and never takes it for none', async () => {
    const store = createMemoryStore()
    const peer = await alone({}, store)
    await publish(peer, 'a.x', 'a.y', 'a.z')
    await peer.bus.stop()
    const keys: string[] = []
    for await (const [key] of store.entries({ prefix: 'e/' })) {
      keys.push(key)
    }
    const key = keys[1] ?? ''
    const value = await store.get(key)
    value?.set([value[40] === 0 ? 1 : 0], 40)
    await store.write([{ key, value }], { sync: true })
    const corrupt: string[] = []
    const clock = new VirtualClock()
    const bus = createSignals({ peer: 'me', clock, store })
    bus.events.addEventListener('corrupt', ({ detail }) => corrupt.push(detail.key))
    await bus.start()
    expect(corrupt).toEqual([key])
    expect(bus.counters()).toMatchObject({ corrupt: 1 })
    expect((await replayed(bus)).map(({ data }) => data)).toEqual([0, 2])
  })

  it('keeps the newest of each type and subject, also when the log has forgotten it', async () => {
    const peer = await alone({ log: { ageMs: 1000 } })
    const put = async (subject: string, data: number, type = 'level.now'): Promise<void> => {
      await peer.bus.publish({ type, subject, data }, { delivery: 'at-least-once' })
    }
    await put('a', 1)
    await put('a', 2)
    await put('b', 3)
    await put('a', 9, 'level.max')
    await peer.clock.advance(2000)
    await put('c', 4)
    await settle()
    const levels = async (bus: SignalBus, pattern?: string): Promise<unknown[]> =>
      (await bus.snapshot(pattern))
        .map(({ signal }) => Number(signal.data))
        .toSorted((x, y) => x - y)
    expect(await levels(peer.bus, 'level.now')).toEqual([2, 3, 4])
    expect(await levels(peer.bus)).toEqual([2, 3, 4, 9])
    await peer.bus.stop()
    const after = await alone({}, peer.store)
    expect(await levels(after.bus, 'level.now')).toEqual([2, 3, 4])
  })
})

describe('a subscription from some point on', () => {
  it('gets what the log has, then what comes, each once and in order', async () => {
    const cluster = testCluster()
    const [a, b] = [await cluster.bus('a'), await cluster.bus('b')]
    b.listen('none.*')
    b.bus.subscribe('order.*', () => undefined)
    const publishOne = (data: number): Promise<unknown> =>
      a.bus.publish({ type: 'order.created', data })
    for (let data = 0; data < 5; data += 1) {
      await publishOne(data)
    }
    const got: unknown[] = []
    b.bus.subscribe('order.*', async ({ data }) => void got.push(data), {
      from: 'start',
      queueMax: 4
    })
    await Promise.all([5, 6, 7].map(publishOne))
    await cluster.clock.advance(100)
    await publishOne(8)
    await settle()
    expect(got).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('that wants one only, ends with it', async () => {
    const peer = await alone()
    await publish(peer, 'a.x', 'a.x')
    const got: unknown[] = []
    peer.bus.subscribe('a.*', ({ data }) => void got.push(data), { from: 'start', once: true })
    const live: unknown[] = []
    peer.bus.subscribe('a.*', ({ data }) => void live.push(data), { once: true })
    await settle()
    await peer.bus.publish({ type: 'a.x', data: 'live' }, { route: 'local' })
    await peer.bus.publish({ type: 'a.x', data: 'later' }, { route: 'local' })
    await settle()
    expect(got).toEqual([0])
    expect(live).toEqual(['live'])
    expect(() => peer.bus.subscribe('a', () => undefined, { from: { cursor: '' } })).toThrow(/from/)
  })
})

describe('causality', () => {
  it('is followed up and down, through causes that were never seen', async () => {
    const peer = await alone()
    const put = async (id: string, causationid?: string): Promise<void> => {
      const cause = causationid === undefined ? {} : { causationid }
      await peer.bus.publish({ type: 'a.x', id, ...cause }, { delivery: 'at-least-once' })
    }
    await put('first', 'elsewhere')
    await put('second', 'first')
    await put('third', 'second')
    await put('other', 'first')
    expect(await peer.bus.causes('third')).toMatchObject([
      { id: 'second', signal: { id: 'second' } },
      { id: 'first', signal: { id: 'first' } },
      { id: 'elsewhere' }
    ])
    expect((await peer.bus.causes('third')).at(-1)).not.toHaveProperty('signal')
    expect((await peer.bus.effects('elsewhere')).map(({ id }) => id)).toEqual([
      'first',
      'second',
      'other',
      'third'
    ])
    expect(await peer.bus.causes('unknown')).toEqual([])
    await put('loop', 'pool')
    await put('pool', 'loop')
    expect((await peer.bus.causes('loop')).map(({ id }) => id)).toEqual(['pool'])
    expect((await peer.bus.effects('loop')).map(({ id }) => id)).toEqual(['pool'])
  })
})

describe('a gap', () => {
  it('is closed from the log of another peer, and order holds', async () => {
    const cluster = testCluster()
    const [a, b, c] = [await cluster.bus('a'), await cluster.bus('b'), await cluster.bus('c')]
    b.listen('order.*')
    c.listen('order.*')
    const publishOne = (data: number): Promise<unknown> =>
      a.bus.publish({ type: 'order.created', data })
    await publishOne(1)
    cluster.gossip.deaf.add('b')
    await publishOne(2)
    await publishOne(3)
    cluster.gossip.deaf.delete('b')
    // The author cannot be asked.
    cluster.rpc.down.add('a')
    await publishOne(4)
    await cluster.clock.advance(1000)
    expect(b.got).toEqual([1, 2, 3, 4])
    expect(b.bus.counters()).toMatchObject({ missing: 2, repaired: 2 })
    expect(b.bus.counters()).not.toHaveProperty('lost')
  })

  it('before the first that comes is closed too, where that was sent a moment ago', async () => {
    const cluster = testCluster()
    const [a, b] = [await cluster.bus('a'), await cluster.bus('b')]
    b.listen('order.*')
    cluster.gossip.deaf.add('b')
    await a.bus.publish({ type: 'order.created', data: 1 })
    cluster.gossip.deaf.delete('b')
    cluster.rpc.down.add('a')
    await a.bus.publish({ type: 'order.created', data: 2 })
    // As long as what may only be repeated is waited for, and longer.
    await cluster.clock.advance(500)
    expect(b.got).toEqual([])
    cluster.rpc.down.delete('a')
    await cluster.clock.advance(1000)
    expect(b.got).toEqual([1, 2])
    expect(b.bus.counters()).not.toHaveProperty('lost')
  })

  it('at the end is noticed by comparing, also after ten minutes', async () => {
    const cluster = testCluster()
    const [a, b] = [await cluster.bus('a'), await cluster.bus('b')]
    b.listen('order.*')
    await a.bus.publish({ type: 'order.created', data: 0 })
    await settle()
    cluster.gossip.deaf.add('b')
    cluster.rpc.down.add('a').add('b')
    for (let minute = 1; minute <= 10; minute += 1) {
      const result = a.bus.publish({ type: 'order.created', data: minute })
      await cluster.clock.advance(60_000)
      await result
    }
    cluster.gossip.deaf.clear()
    cluster.rpc.down.clear()
    await cluster.clock.advance(20_000)
    expect(b.got).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  it.each([
    ['comes late from the log of its author, when that is back', true, [1, 2]],
    ['that nobody else has heard of is lost without a word, if its author lost its log', false, [1]]
  ])('at the end %s', async (_name, kept, expected) => {
    const cluster = testCluster()
    const store = createMemoryStore()
    const a = await cluster.bus('a', { components: { store } })
    const b = await cluster.bus('b')
    b.listen('order.*')
    const losses: SignalLoss[] = []
    b.bus.events.addEventListener('loss', ({ detail }) => losses.push(detail))
    await a.bus.publish({ type: 'order.created', data: 1 })
    await settle()
    // Handed to its connection, and lost with that.
    cluster.gossip.deaf.add('b')
    const last = await a.bus.publish({ type: 'order.created', data: 2 })
    expect(last).toMatchObject({ accepted: true, recipients: ['b'] })
    await a.bus.stop()
    cluster.rpc.down.add('a')
    await cluster.clock.advance(5000)
    cluster.gossip.deaf.clear()
    cluster.rpc.down.clear()
    await cluster.bus('a', { components: { boot: 2, ...(kept ? { store } : {}) } })
    await cluster.clock.advance(20_000)
    expect(b.got).toEqual(expected)
    expect(losses).toEqual([])
  })

  it('that nobody can close ends in a loss, which is told', async () => {
    const cluster = testCluster()
    const init = { init: { log: { ageMs: 100 } } }
    const [a, b] = [await cluster.bus('a', init), await cluster.bus('b', init)]
    b.listen('order.*')
    const losses: SignalLoss[] = []
    b.bus.events.addEventListener('loss', ({ detail }) => losses.push(detail))
    await a.bus.publish({ type: 'order.created', data: 1 })
    cluster.gossip.deaf.add('b')
    await a.bus.publish({ type: 'order.created', data: 2 })
    cluster.gossip.deaf.delete('b')
    await cluster.clock.advance(200)
    // A log drops what is too old when something is added to it.
    await a.bus.publish({ type: 'alert.raised' })
    await settle()
    await a.bus.publish({ type: 'order.created', data: 3 })
    await cluster.clock.advance(5000)
    expect(b.got).toEqual([1, 3])
    expect(losses).toMatchObject([{ author: 'a', boot: 1, from: 2, to: 2 }])
    expect(losses[0]?.reason).toMatch(/in no log/)
    expect(b.bus.counters()).toMatchObject({ lost: 1 })
  })

  it('of an author that is gone for good ends in a loss after ten minutes', async () => {
    const cluster = testCluster()
    let members = ['a', 'b']
    const init = { components: { view: () => members } }
    const [a, b] = [await cluster.bus('a', init), await cluster.bus('b', init)]
    const got: unknown[] = []
    const ready = b.bus.subscribeDurably('order.*', ({ data }) => void got.push(data), {
      name: 'x'
    })
    await cluster.clock.advance(1000)
    await ready
    const losses: SignalLoss[] = []
    b.bus.events.addEventListener('loss', ({ detail }) => losses.push(detail))
    cluster.gossip.deaf.add('b')
    await a.bus.publish({ type: 'order.created', data: 1 })
    cluster.gossip.deaf.delete('b')
    cluster.rpc.down.add('a')
    await a.bus.publish({ type: 'order.created', data: 2 })
    members = ['b']
    await cluster.clock.advance(500_000)
    expect([got, losses]).toEqual([[], []])
    await cluster.clock.advance(200_000)
    expect(got).toEqual([2])
    expect(losses).toMatchObject([{ author: 'a', from: 1, to: 1 }])
  })
})

describe('what a neighbour may send', () => {
  it('is counted before it is read, and refused beyond its budget', async () => {
    const cluster = testCluster()
    const b = await cluster.bus('b', { init: { budget: { messagesPerSecond: 5 } } })
    b.listen('**')
    const bytes = new Uint8Array(100)
    const inject = (): Promise<string> =>
      cluster.gossip.inject('b', { topic: '/default/signals/1/0', bytes, from: 'x' })
    for (let count = 0; count < 30; count += 1) {
      await inject()
    }
    const { 'rejected:malformed': read = 0, 'rejected:over-budget': refused } = b.bus.counters()
    expect([read, refused]).toEqual([10, 20])
    await cluster.clock.advance(1000)
    expect(await inject()).toBe('reject')
    expect(() => createSignals({ peer: 'me' }, { budget: { bytesPerSecond: 0 } })).toThrow(/budget/)
  })
})

describe('a replay that is asked for before the start', () => {
  it('begins when the log has been read', async () => {
    const peer = await alone()
    await publish(peer, 'a.x', 'a.x')
    await peer.bus.stop()
    const { clock, store } = peer
    const bus = createSignals({ peer: 'me', clock, store })
    const got: unknown[] = []
    bus.subscribe('a.*', ({ data }) => void got.push(data), { from: 'start' })
    await settle()
    expect(got).toEqual([])
    await bus.start()
    await settle()
    expect(got).toEqual([0, 1])
  })
})
