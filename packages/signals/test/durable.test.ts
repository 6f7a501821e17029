import type { SignalLoss, Store } from '@murmuration/interface'
import { createMemoryStore } from '@murmuration/storage'
import { describe, expect, it } from 'vitest'
import { createSignals } from '../src/index.ts'
import type { Gossip } from '../src/index.ts'
import { atLeastOnce, durably, during } from './durably.ts'
import { fakeSigner, settle, testCluster, VirtualClock } from './fakes.ts'
import type { TestCluster } from './fakes.ts'

/** Gossip of a peer, the parts of which can be taken over. */
function joined(cluster: TestCluster, peer: string): Gossip {
  const gossip = cluster.gossip.join(peer)
  return {
    publish: (topic, bytes) => gossip.publish(topic, bytes),
    subscribe: (topic) => gossip.subscribe(topic),
    unsubscribe: (topic) => gossip.unsubscribe(topic),
    subscribers: (topic) => gossip.subscribers(topic),
    onMessage: (judge) => gossip.onMessage(judge),
    onSubscribed: (listener) => gossip.onSubscribed(listener),
    peers: () => gossip.peers()
  }
}

describe('at least once', () => {
  it('says accepted with two copies, and each durable subscription handles it once', async () => {
    const cluster = testCluster()
    const [a, b, c] = [await cluster.bus('a'), await cluster.bus('b'), await cluster.bus('c')]
    const got: unknown[][] = [[], [], []]
    for (const [index, peer] of [a, b, c].entries()) {
      await durably(cluster, peer, got[index] ?? [])
    }
    for (let data = 1; data <= 3; data += 1) {
      const result = await during(
        cluster,
        a.bus.publish({ type: 'order.created', data }, atLeastOnce),
        100
      )
      expect(result).toMatchObject({ accepted: true, copies: 2, dropped: [] })
    }
    await cluster.clock.advance(5000)
    expect(got).toEqual([
      [1, 2, 3],
      [1, 2, 3],
      [1, 2, 3]
    ])
    expect(b.bus.counters()).toMatchObject({ handled: 3 })
  })

  it('is not accepted where no second peer can log it, and says who failed', async () => {
    const cluster = testCluster()
    const view = (): string[] => ['a', 'b']
    const a = await cluster.bus('a', { components: { view } })
    cluster.rpc.down.add('b')
    const result = await during(
      cluster,
      a.bus.publish({ type: 'order.created' }, atLeastOnce),
      6000
    )
    expect(result).toMatchObject({
      accepted: false,
      copies: 1,
      dropped: [{ peer: 'b', reason: 'ERR_PEER_UNAVAILABLE' }]
    })
  })

  it('is accepted by one peer alone, with one copy, and handled', async () => {
    const clock = new VirtualClock()
    const bus = createSignals({ peer: 'me', clock })
    await bus.start()
    const got: unknown[] = []
    await bus.subscribeDurably('order.*', ({ data }) => void got.push(data), { name: 'all' })
    for (const route of ['local', 'cluster', { targeted: ['me'] }] as const) {
      const result = await bus.publish(
        { type: 'order.created', data: route },
        { ...atLeastOnce, route }
      )
      expect(result).toMatchObject({ accepted: true, copies: 1, recipients: ['me'] })
    }
    await settle()
    expect(got).toHaveLength(3)
    await bus.stop()
  })

  it('reaches a target that is away, when it comes back', async () => {
    const cluster = testCluster()
    const view = (): string[] => ['a', 'b', 'c']
    const init = { components: { view } }
    const [a, b] = [await cluster.bus('a', init), await cluster.bus('b', init)]
    await cluster.bus('c', init)
    const got: unknown[] = []
    await durably(cluster, b, got)
    cluster.rpc.down.add('b')
    const route = { targeted: ['b'] }
    const result = await during(
      cluster,
      a.bus.publish({ type: 'order.created', data: 1 }, { ...atLeastOnce, route }),
      500
    )
    expect(result).toMatchObject({ accepted: true, copies: 2, recipients: ['b'] })
    expect(got).toEqual([])
    cluster.rpc.down.delete('b')
    await cluster.clock.advance(10_000)
    expect(got).toEqual([1])
  })

  it('handles a repeated id once', async () => {
    const cluster = testCluster()
    const [a, b] = [await cluster.bus('a'), await cluster.bus('b')]
    const got: unknown[] = []
    await durably(cluster, b, got)
    for (let time = 0; time < 3; time += 1) {
      await during(cluster, a.bus.publish({ type: 'order.created', id: 'x', data: 1 }, atLeastOnce))
    }
    expect(got).toEqual([1])
    expect(b.bus.counters()).toMatchObject({ deduplicated: 2 })
  })
})

describe('a durable subscription', () => {
  it('goes on where it was when its peer comes back, and keeps replays out', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const store = createMemoryStore()
    const before = await cluster.bus('b', { components: { store, boot: undefined } })
    const got: unknown[] = []
    await durably(cluster, before, got)
    await during(cluster, a.bus.publish({ type: 'order.created', data: 1 }, atLeastOnce))
    await before.bus.stop()
    await during(cluster, a.bus.publish({ type: 'order.created', data: 2 }, atLeastOnce))
    const after = await cluster.bus('b', { components: { store, boot: undefined } })
    expect(got).toEqual([1])
    await durably(cluster, after, got)
    await cluster.clock.advance(10_000)
    expect(got).toEqual([1, 2])
  })

  it('begins after what was published before it', async () => {
    const cluster = testCluster()
    const [a, b] = [await cluster.bus('a'), await cluster.bus('b')]
    await during(cluster, a.bus.publish({ type: 'order.created', data: 0 }, atLeastOnce))
    const got: unknown[] = []
    await durably(cluster, b, got)
    await during(cluster, a.bus.publish({ type: 'order.created', data: 1 }, atLeastOnce))
    await cluster.clock.advance(10_000)
    expect(got).toEqual([1])
  })

  it('goes on with what an author sends whose clock was set back to before it has begun', async () => {
    const cluster = testCluster()
    const { clock } = cluster
    let aheadMs = 0
    const signer = fakeSigner('a', { now: () => clock.now() + aheadMs })
    const a = await cluster.bus('a', { components: { signer } })
    const b = await cluster.bus('b')
    const got: unknown[] = []
    await durably(cluster, b, got)
    await during(cluster, a.bus.publish({ type: 'order.created', data: 1 }, atLeastOnce))
    aheadMs = -3_600_000
    const late = await during(
      cluster,
      a.bus.publish({ type: 'order.created', data: 2 }, atLeastOnce)
    )
    await cluster.clock.advance(20_000)
    expect(late.accepted).toBe(true)
    expect(got).toEqual([1, 2])
  })

  it('begins there also where it meets others only later', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    a.listen('order.*')
    await during(cluster, a.bus.publish({ type: 'order.created', data: 1 }), 100)
    await during(cluster, a.bus.publish({ type: 'order.created', data: 2 }, atLeastOnce), 100)
    // Longer than clocks may differ.
    await cluster.clock.advance(121_000)
    let met: string[] = []
    const b = await cluster.bus('b', {
      components: { gossip: { ...joined(cluster, 'b'), peers: () => met } }
    })
    const got: unknown[] = []
    const losses: SignalLoss[] = []
    b.bus.events.addEventListener('loss', ({ detail }) => losses.push(detail))
    await durably(cluster, b, got)
    await during(cluster, a.bus.publish({ type: 'order.created', data: 3 }, atLeastOnce), 100)
    met = ['a']
    await cluster.clock.advance(10_000)
    expect(got).toEqual([3])
    expect(losses).toEqual([])
  })

  it('is not there before the members of the view know it', async () => {
    const cluster = testCluster()
    const view = (): string[] => ['a', 'b', 'c']
    const init = { components: { view } }
    const [a, b] = [await cluster.bus('a', init), await cluster.bus('b', init)]
    await cluster.bus('c', init)
    cluster.rpc.down.add('c')
    const failed = durably(cluster, b, [], { timeoutMs: 800 })
    await expect(failed).rejects.toMatchObject({ name: 'UnavailableError', message: /\bc\b/ })
    const waiting = b.bus.subscribeDurably('order.*', () => undefined, { name: 'all' })
    let known = false
    void waiting.then(() => (known = true))
    await cluster.clock.advance(1000)
    expect(known).toBe(false)
    cluster.rpc.down.delete('c')
    await cluster.clock.advance(1000)
    expect(known).toBe(true)
    await a.bus.stop()
  })

  it('tries again with pauses, then leaves a dead letter that can be redriven', async () => {
    const cluster = testCluster()
    const [a, b] = [await cluster.bus('a'), await cluster.bus('b')]
    const got: unknown[] = []
    let broken = true
    const attempts: number[] = []
    const subscription = b.bus.subscribeDurably(
      'order.*',
      ({ data }, { attempt = 0 }) => {
        attempts.push(attempt)
        if (data === 2 && broken) {
          throw new Error('out of stock')
        }
        got.push(data)
      },
      { name: 'all', attemptsMax: 3 }
    )
    await during(cluster, subscription)
    const dead: unknown[] = []
    b.bus.events.addEventListener('dead-letter', ({ detail }) => dead.push(detail.reason))
    for (const data of [1, 2, 3]) {
      await during(cluster, a.bus.publish({ type: 'order.created', data }, atLeastOnce))
    }
    expect(got).toEqual([1, 3])
    expect(attempts).toEqual([1, 1, 2, 3, 1])
    const [letter, ...others] = await b.bus.deadLetters.list()
    expect(others).toEqual([])
    expect(letter).toMatchObject({
      subscription: 'all',
      peer: 'b',
      attempts: 3,
      author: 'a',
      reason: 'Error: out of stock',
      signal: { data: 2 }
    })
    expect(dead).toEqual(['Error: out of stock'])
    const id = letter?.id ?? ''
    expect(await b.bus.deadLetters.redrive(id)).toMatchObject({ accepted: false })
    broken = false
    expect(await b.bus.deadLetters.redrive(id)).toMatchObject({ accepted: true })
    expect(got).toEqual([1, 3, 2])
    expect(await b.bus.deadLetters.list()).toEqual([])
    await expect(b.bus.deadLetters.redrive(id)).rejects.toMatchObject({
      name: 'InvalidParametersError'
    })
  })

  it.each([
    ['half a character', new Error('x\ud800y'), /^Error: x/],
    ['a character over the cut', new Error(`${'e'.repeat(992)}${'😀'.repeat(20)}`), /^Error: e+/],
    ['no text', Object.create(null), /without a text/],
    ['a name that is no text', Object.assign(new Error('x'), { name: Symbol('x') }), /without/]
  ])('goes on after an error of %s', async (_, thrown, reason) => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const got: unknown[] = []
    const handler = ({ data }: { data?: unknown }): void => {
      if (data === 1) {
        throw thrown
      }
      got.push(data)
    }
    const options = { name: 'all', attemptsMax: 2 }
    await during(cluster, a.bus.subscribeDurably('order.*', handler, options), 100)
    for (const data of [1, 2]) {
      await during(cluster, a.bus.publish({ type: 'order.created', data }, atLeastOnce), 500)
    }
    expect(got).toEqual([2])
    expect(await a.bus.deadLetters.list()).toMatchObject([
      { signal: { data: 1 }, reason: expect.stringMatching(reason) }
    ])
  })

  it('leaves its topic when its bus stops', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    await durably(cluster, a, [])
    expect(cluster.gossip.topicsOf('a')).toHaveLength(1)
    await a.bus.stop()
    await a.bus.start()
    await cluster.clock.advance(30_000)
    expect(cluster.gossip.topicsOf('a')).toEqual([])
  })

  it('gives up a handler that does not return, and tells it', async () => {
    const cluster = testCluster()
    const [a, b] = [await cluster.bus('a'), await cluster.bus('b')]
    const told: boolean[] = []
    const subscription = b.bus.subscribeDurably(
      'order.*',
      async (_, { signal }) => {
        await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()))
        told.push(true)
        await new Promise(() => undefined)
      },
      { name: 'all', attemptsMax: 2, handlerTimeoutMs: 500 }
    )
    await during(cluster, subscription)
    await during(cluster, a.bus.publish({ type: 'order.created' }, atLeastOnce), 2000)
    expect(told).toEqual([true, true])
    const [letter] = await b.bus.deadLetters.list()
    expect(letter?.reason).toMatch(/did not return within 500 ms/)
  })

  it('as a group shares the signals, and another takes over what a lost one had', async () => {
    const cluster = testCluster()
    let members = ['a', 'b', 'c']
    const view = (): string[] => members
    const init = { components: { view } }
    const [a, b, c] = [
      await cluster.bus('a', init),
      await cluster.bus('b', init),
      await cluster.bus('c', init)
    ]
    const got: [unknown[], unknown[]] = [[], []]
    await durably(cluster, b, got[0], { group: true })
    await during(cluster, durably(cluster, c, got[1], { group: true }), 3000)
    const publish = async (data: number): Promise<void> => {
      await during(cluster, a.bus.publish({ type: 'order.created', data }, atLeastOnce), 100)
    }
    for (let data = 0; data < 20; data += 1) {
      await publish(data)
    }
    await cluster.clock.advance(3000)
    expect(got.flat().toSorted((x, y) => Number(x) - Number(y))).toEqual(
      Array.from({ length: 20 }, (_, data) => data)
    )
    expect(Math.min(got[0].length, got[1].length)).toBeGreaterThan(2)
    await c.bus.stop()
    for (let data = 20; data < 30; data += 1) {
      await publish(data)
    }
    members = ['a', 'b']
    await cluster.clock.advance(3000)
    expect(got.flat()).toHaveLength(30)
  })

  it('is nothing to anybody once it is removed', async () => {
    const cluster = testCluster()
    const [a, b] = [await cluster.bus('a'), await cluster.bus('b')]
    const got: unknown[] = []
    const subscription = await durably(cluster, b, got)
    await during(cluster, subscription.remove())
    await during(cluster, a.bus.publish({ type: 'order.created', data: 1 }, atLeastOnce))
    const again = await durably(cluster, b, got)
    await during(cluster, a.bus.publish({ type: 'order.created', data: 2 }, atLeastOnce))
    expect(got).toEqual([2])
    again.close()
    await during(cluster, a.bus.publish({ type: 'order.created', data: 3 }, atLeastOnce))
    await durably(cluster, b, got)
    await cluster.clock.advance(1000)
    expect(got).toEqual([2, 3])
  })

  it.each([
    [{ name: '' }],
    [{ name: 'a b' }],
    [{ name: 'x', attemptsMax: 0 }],
    [{ name: 'x', handlerTimeoutMs: -1 }],
    [{ name: 'x', timeoutMs: Number.NaN }]
  ])('refuses the options %j', async (options) => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    await expect(a.bus.subscribeDurably('order.*', () => undefined, options)).rejects.toMatchObject(
      { name: 'InvalidParametersError' }
    )
    await expect(
      a.bus.publish({ type: 'a' }, { delivery: 'twice' as 'at-least-once' })
    ).rejects.toMatchObject({ name: 'InvalidParametersError' })
  })
})

describe('a signal that leaves the log unhandled', () => {
  it('is a dead letter or still there, wherever the process is killed', async () => {
    const store = createMemoryStore()
    let killed = false
    // Killed when it is about to write dead letters; what it writes from then on is nowhere.
    const killing: Store = {
      get: (key) => store.get(key),
      entries: (range) => store.entries(range),
      sub: (prefix) => store.sub(prefix),
      close: () => store.close(),
      write: async (operations, options) => {
        killed ||= operations.some(({ key }) => key.startsWith('x/'))
        await (killed ? new Promise(() => undefined) : store.write(operations, options))
      }
    }
    const clock = new VirtualClock()
    const init = { log: { ageMs: 1000 } }
    const before = createSignals({ peer: 'me', clock, store: killing }, init)
    await before.start()
    const hang = { name: 'all', handlerTimeoutMs: 600_000 }
    await before.subscribeDurably('order.*', () => new Promise(() => undefined), hang)
    for (let data = 0; data < 5; data += 1) {
      const result = await before.publish({ type: 'order.created', data }, atLeastOnce)
      expect(result.accepted).toBe(true)
    }
    await clock.advance(2000)
    void before.publish({ type: 'other.thing' }, atLeastOnce)
    await clock.advance(50)
    expect(killed).toBe(true)
    const after = createSignals({ peer: 'me', clock, store }, init)
    await after.start()
    const handled: unknown[] = []
    await after.subscribeDurably('order.*', ({ data }) => void handled.push(data), { name: 'all' })
    await clock.advance(5000)
    const letters = await after.deadLetters.list()
    expect(handled.length + letters.length).toBe(5)
  })

  it('is a dead letter with its reason, for subscriptions that were promised it only', async () => {
    const cluster = testCluster()
    const view = (): string[] => ['a', 'b']
    const init = { components: { view }, init: { log: { ageMs: 60_000 } } }
    const [a, b] = [await cluster.bus('a', init), await cluster.bus('b', init)]
    const got: unknown[] = []
    const subscription = await durably(cluster, b, got)
    subscription.close()
    await during(cluster, a.bus.publish({ type: 'order.created', data: 1 }, atLeastOnce))
    await cluster.clock.advance(61_000)
    await during(cluster, a.bus.publish({ type: 'order.created', data: 2 }, atLeastOnce))
    await settle()
    const [letter] = await a.bus.deadLetters.list()
    expect(letter).toMatchObject({
      subscription: 'all',
      peer: 'b',
      attempts: 0,
      reason: expect.stringContaining('leave the log'),
      signal: { data: 1 }
    })
    // The subscription is told of the loss, and goes on.
    const losses: SignalLoss[] = []
    b.bus.events.addEventListener('loss', ({ detail }) => losses.push(detail))
    await durably(cluster, b, got)
    await cluster.clock.advance(5000)
    expect(got).toEqual([2])
    expect(losses).toMatchObject([{ author: 'a', from: 1, to: 1 }])
    // Published again by whoever keeps it, it reaches the subscription after all.
    await during(cluster, a.bus.deadLetters.redrive(letter?.id ?? ''))
    await cluster.clock.advance(5000)
    expect(got).toEqual([2, 1])
    expect(await a.bus.deadLetters.list()).toEqual([])
  })
})
