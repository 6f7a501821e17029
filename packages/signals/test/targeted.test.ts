import { describe, expect, it } from 'vitest'
import { targetName } from '../src/core/pattern.ts'
import { Batch, Delivery, encodeSignal } from '../src/core/wire.ts'
import { fakeSigner, settle, testCluster } from './fakes.ts'
import type { TestCluster } from './fakes.ts'

function sealed(cluster: TestCluster, author: string, change: Partial<Batch> = {}): Uint8Array {
  const signal = encodeSignal({ specversion: '1.0', id: '1', source: '/x', type: 'a', data: 1 })
  const batch: Batch = {
    cluster: 'default',
    channel: targetName('default', 'b'),
    boot: 1,
    first: 1,
    since: 1,
    attempt: 0,
    signals: [signal],
    ...change
  }
  return fakeSigner(author, cluster.clock).seal(Batch.encode(batch), batch.first) as Uint8Array
}

describe('the targeted route', () => {
  it('says of each peer whether it got the signal, and why not', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const b = await cluster.bus('b')
    await cluster.bus('c')
    const d = await cluster.bus('d')
    b.listen('order.*')
    d.listen('order.*')
    cluster.rpc.down.add('d')
    const result = await a.bus.publish(
      { type: 'order.created', data: 1 },
      { route: { targeted: ['b', 'c', 'd', 'b', 'a'] } }
    )
    expect(result).toMatchObject({
      accepted: true,
      recipients: ['b'],
      dropped: [
        { peer: 'c', reason: 'no-subscription' },
        { peer: 'd', reason: 'ERR_PEER_UNAVAILABLE' },
        { peer: 'a', reason: 'no-subscription' }
      ]
    })
    await settle()
    expect([b.got, d.got]).toEqual([[1], []])
  })

  it('answers at its deadline where a peer does not, and does not wait for it twice', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const b = await cluster.bus('b')
    b.listen('a')
    await cluster.bus('c')
    cluster.rpc.frozen.add('c')
    const route = { targeted: ['b', 'c'] }
    const first = a.bus.publish({ type: 'a', data: 1 }, { route, timeoutMs: 1000 })
    await cluster.clock.advance(10)
    const second = a.bus.publish({ type: 'a', data: 2 }, { route, timeoutMs: 500 })
    await cluster.clock.advance(500)
    expect(await second).toMatchObject({
      recipients: ['b'],
      dropped: [{ peer: 'c', reason: 'deadline exceeded' }]
    })
    await cluster.clock.advance(1000)
    expect((await first).dropped).toMatchObject([{ peer: 'c' }])
    // The second one was still waiting here when its time was over, so it was never sent.
    const sent = cluster.rpc.calls.filter(
      ({ method, to }) => method === 'signals.deliver' && to === 'c'
    )
    expect(sent).toHaveLength(1)
    expect(b.got).toEqual([1, 2])
  })

  it('puts the signals of one turn for one peer into one call, in order', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const b = await cluster.bus('b')
    b.listen('a')
    const route = { targeted: ['b'] }
    await Promise.all([1, 2, 3].map((data) => a.bus.publish({ type: 'a', data }, { route })))
    expect(cluster.rpc.calls).toHaveLength(1)
    expect(b.got).toEqual([1, 2, 3])
  })

  it('waits for room where a subscriber blocks, and reports a full queue', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const b = await cluster.bus('b')
    const release: (() => void)[] = []
    b.bus.subscribe('a', () => new Promise((resolve) => release.push(resolve)), {
      overflow: 'block',
      queueMax: 1
    })
    const route = { targeted: ['b'] }
    await a.bus.publish({ type: 'a', data: 1 }, { route })
    await settle()
    await a.bus.publish({ type: 'a', data: 2 }, { route })
    const third = a.bus.publish({ type: 'a', data: 3 }, { route })
    await cluster.clock.advance(1000)
    release.shift()?.()
    expect(await third).toMatchObject({ recipients: ['b'] })
    const fourth = a.bus.publish({ type: 'a', data: 4 }, { route, timeoutMs: 1000 })
    await cluster.clock.advance(1000)
    expect(await fourth).toMatchObject({ accepted: false, dropped: [{ peer: 'b' }] })
    b.bus.subscribe('b', () => new Promise(() => undefined), {
      overflow: 'drop-newest',
      queueMax: 1
    })
    const reasons: string[] = []
    for (let count = 0; count < 3; count += 1) {
      const { dropped } = await a.bus.publish({ type: 'b' }, { route })
      reasons.push(dropped[0]?.reason ?? 'delivered')
    }
    expect(reasons).toEqual(['delivered', 'delivered', 'queue-full'])
  })

  it('refuses what the caller did not write, or wrote for somebody else', async () => {
    const cluster = testCluster()
    const b = await cluster.bus('b')
    b.listen('a')
    const call = (from: string, bytes: Uint8Array): Promise<Uint8Array> =>
      cluster.rpc.call(from, 'b', 'signals.deliver', bytes, cluster.clock)
    await expect(call('x', sealed(cluster, 'a'))).rejects.toMatchObject({
      name: 'InvalidSignatureError'
    })
    await expect(
      call('a', sealed(cluster, 'a', { channel: targetName('default', 'c') }))
    ).rejects.toMatchObject({ name: 'InvalidSignatureError' })
    await expect(call('a', sealed(cluster, 'a', { cluster: 'other' }))).rejects.toMatchObject({
      name: 'InvalidSignatureError'
    })
    await expect(call('a', new Uint8Array(3))).rejects.toMatchObject({
      name: 'MalformedMessageError'
    })
    expect(b.got).toEqual([])
    expect(b.bus.counters()).toEqual({
      'rejected:not-the-caller': 1,
      'rejected:other-channel': 1,
      'rejected:other-cluster': 1,
      'rejected:malformed': 1
    })
  })

  it('delivers a repeated call once', async () => {
    const cluster = testCluster()
    const b = await cluster.bus('b')
    b.listen('a')
    const bytes = sealed(cluster, 'a')
    const outcomes: unknown[] = []
    for (let count = 0; count < 2; count += 1) {
      const reply = await cluster.rpc.call('a', 'b', 'signals.deliver', bytes, cluster.clock)
      outcomes.push(...Delivery.decode(reply).outcomes)
    }
    expect(outcomes).toEqual(['delivered', 'duplicate'])
    expect(b.got).toEqual([1])
  })
})

describe('signals for one peer at least once', () => {
  for (const others of [[], ['c']]) {
    it(`keep their order where the first is lost on its way, with ${others.length} others`, async () => {
      const cluster = testCluster()
      const [a, b] = [await cluster.bus('a'), await cluster.bus('b')]
      for (const other of others) {
        await cluster.bus(other)
      }
      b.listen('order.*')
      const options = { delivery: 'at-least-once', route: { targeted: ['b'] } } as const
      const publish = (data: number): ReturnType<typeof a.bus.publish> =>
        a.bus.publish({ type: 'order.x', data }, options)
      cluster.rpc.frozen.add('b')
      const first = publish(1)
      await cluster.clock.advance(30)
      cluster.rpc.frozen.delete('b')
      const second = publish(2)
      await cluster.clock.advance(20_000)
      expect(b.got).toEqual([1, 2])
      expect(await first).toMatchObject({ accepted: true, recipients: ['b'] })
      expect(await second).toMatchObject({ accepted: true, recipients: ['b'] })
    })
  }
})

describe('the shard route', () => {
  it('goes to the owner of the key', async () => {
    const cluster = testCluster()
    const owners: Record<string, string> = { blue: 'b', mine: 'a' }
    const a = await cluster.bus('a', { components: { ownerOf: async (key) => owners[key] } })
    const b = await cluster.bus('b')
    a.listen('a')
    b.listen('a')
    const publish = (shard: string): ReturnType<typeof a.bus.publish> =>
      a.bus.publish({ type: 'a', data: shard }, { route: { shard } })
    expect(await publish('blue')).toMatchObject({ recipients: ['b'] })
    expect(await publish('mine')).toMatchObject({ recipients: ['a'] })
    await settle()
    expect([a.got, b.got]).toEqual([['mine'], ['blue']])
    await expect(publish('red')).rejects.toMatchObject({ code: 'ERR_UNAVAILABLE', retryable: true })
  })

  it('is unavailable where owners are not known', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    await expect(a.bus.publish({ type: 'a' }, { route: { shard: 'x' } })).rejects.toMatchObject({
      name: 'UnavailableError'
    })
  })
})
