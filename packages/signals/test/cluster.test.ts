import { createLocalRpc } from '@murmuration/rpc'
import { describe, expect, it } from 'vitest'
import { Push } from '../src/core/messages.ts'
import { topicName, topicNumber } from '../src/core/pattern.ts'
import { encodeSignal, Batch } from '../src/core/wire.ts'
import { createSignals } from '../src/index.ts'
import type { SignedStatement } from '../src/signer.ts'
import { fakeSigner, settle, testCluster, VirtualClock } from './fakes.ts'
import type { TestCluster } from './fakes.ts'

const topic = topicName('default', topicNumber('order'))

function signalBytes(data: unknown): Uint8Array {
  return encodeSignal({ specversion: '1.0', id: '1', source: '/x', type: 'order.created', data })
}

/** A sealed batch as `author` would send it, with anything in it changed. */
function sealed(cluster: TestCluster, author: string, change: Partial<Batch> = {}): Uint8Array {
  const batch: Batch = {
    cluster: 'default',
    channel: topic,
    boot: 1,
    first: 1,
    since: 1,
    attempt: 0,
    signals: [signalBytes('sealed')],
    ...change
  }
  return fakeSigner(author, cluster.clock).seal(Batch.encode(batch), batch.first) as Uint8Array
}

describe('the cluster route', () => {
  it('reaches all who listen, this peer included, and nobody else', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const b = await cluster.bus('b')
    const c = await cluster.bus('c')
    a.listen('order.*')
    b.listen('order.created')
    c.listen('metrics.**')
    const result = await a.bus.publish({ type: 'order.created', data: 1 })
    expect(result).toMatchObject({ accepted: true, recipients: ['b', 'a'], dropped: [] })
    await settle()
    expect([a.got, b.got, c.got]).toEqual([[1], [1], []])
  })

  it('takes nobody listening for no error', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    await cluster.bus('b')
    const result = await a.bus.publish({ type: 'order.created' })
    expect(result).toMatchObject({ accepted: true, recipients: [], dropped: [] })
    expect(cluster.clock.time).toBe(0)
  })

  it('names the author, and passes trace and extensions through', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const b = await cluster.bus('b')
    const seen: unknown[] = []
    b.bus.subscribe('**', (signal, { author }) => void seen.push({ ...signal, author }))
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    await a.bus.publish({ type: 'order.created', traceparent, causationid: 'x', custom: 7 })
    await settle()
    expect(seen).toMatchObject([
      { author: 'a', source: '/p2p/a', traceparent, causationid: 'x', custom: 7 }
    ])
  })

  it('puts the signals of one turn into one signed message, and one alone into its own', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const b = await cluster.bus('b')
    b.listen('order.*')
    await a.bus.publish({ type: 'order.created', data: 0 })
    expect(cluster.gossip.sent).toHaveLength(1)
    const data = Array.from({ length: 100 }, (_, index) => index + 1)
    await Promise.all(data.map((each) => a.bus.publish({ type: 'order.created', data: each })))
    expect(cluster.gossip.sent).toHaveLength(2)
    await settle()
    expect(b.got).toEqual([0, ...data])
  })

  it('bounds its messages', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const b = await cluster.bus('b')
    b.listen('order.*')
    const data = new Uint8Array(60_000)
    await Promise.all(
      Array.from({ length: 10 }, () => a.bus.publish({ type: 'order.created', data }))
    )
    expect(cluster.gossip.sent.length).toBeGreaterThanOrEqual(3)
    for (const { bytes } of cluster.gossip.sent) {
      expect(bytes.length).toBeLessThanOrEqual(262_144)
    }
    await settle()
    expect(b.got).toHaveLength(10)
  })

  it('refuses too much at once, before anything happened', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    a.listen('order.*')
    const data = new Uint8Array(120_000)
    const results = await Promise.allSettled(
      Array.from({ length: 40 }, () => a.bus.publish({ type: 'order.created', data }))
    )
    const refused = results.filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(6)
    expect(refused[0]).toMatchObject({ reason: { name: 'OverloadedError' } })
    await settle()
    expect(a.got).toHaveLength(34)
  })

  it('tries again for a moment where those who listen get nothing, then says so', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const b = await cluster.bus('b')
    b.listen('order.*')
    cluster.gossip.cut.add('a>b')
    const healed = a.bus.publish({ type: 'order.created', data: 1 })
    await cluster.clock.advance(200)
    cluster.gossip.cut.clear()
    await cluster.clock.advance(200)
    expect(await healed).toMatchObject({ recipients: ['b'], dropped: [] })
    expect(b.got).toEqual([1])

    cluster.gossip.cut.add('a>b')
    cluster.rpc.down.add('b')
    const lost = a.bus.publish({ type: 'order.created', data: 2 })
    await cluster.clock.advance(1300)
    expect(await lost).toMatchObject({
      accepted: false,
      recipients: [],
      dropped: [{ peer: 'b', reason: expect.stringContaining('ERR_PEER_UNAVAILABLE') }]
    })
    expect(a.bus.counters()).toMatchObject({ published: 2, unreached: 1 })
  })

  it('calls who listens and cannot be reached by gossip, be it one of several', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const b = await cluster.bus('b')
    const c = await cluster.bus('c')
    b.listen('order.*')
    c.listen('order.*')
    cluster.gossip.cut.add('a>b')
    const result = await a.bus.publish({ type: 'order.created', data: 1 })
    expect(result.recipients.toSorted()).toEqual(['b', 'c'])
    expect(result.dropped).toEqual([])
    expect([b.got, c.got]).toEqual([[1], [1]])
    expect(a.bus.counters()).toMatchObject({ 'handed-over': 1 })
    cluster.rpc.down.add('b')
    expect(await a.bus.publish({ type: 'order.created', data: 2 })).toMatchObject({
      accepted: true,
      recipients: ['c'],
      dropped: [{ peer: 'b', reason: expect.stringContaining('no gossip stream') }]
    })
  })

  it('keeps the order of what was tried again', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const b = await cluster.bus('b')
    b.listen('order.*')
    cluster.gossip.cut.add('a>b')
    const first = a.bus.publish({ type: 'order.created', data: 1 })
    await settle()
    const second = a.bus.publish({ type: 'order.created', data: 2 })
    await settle()
    cluster.gossip.cut.clear()
    await cluster.clock.advance(500)
    await Promise.all([first, second])
    expect(b.got).toEqual([1, 2])
  })

  it('sends again what a peer may have missed whose subscription was not yet known', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const b = await cluster.bus('b')
    const c = await cluster.bus('c')
    c.listen('order.*')
    cluster.gossip.unannounced.add('b')
    b.listen('order.*')
    expect(await a.bus.publish({ type: 'order.created', data: 1 })).toMatchObject({
      recipients: ['c']
    })
    await cluster.clock.advance(20)
    cluster.gossip.announce('b')
    await cluster.clock.advance(500)
    expect([b.got, c.got]).toEqual([[1], [1]])
    expect(a.bus.counters()).toMatchObject({ 'batch-sent': 1, 'batch-resent': 1 })
    expect(c.bus.counters()).toMatchObject({ duplicate: 1 })
    // Four that every bus always has.
    expect(cluster.clock.timers).toBeLessThanOrEqual(3 * 4)
  })

  it('does not repeat what is older than a moment', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const b = await cluster.bus('b')
    await a.bus.publish({ type: 'order.created', data: 1 })
    await cluster.clock.advance(1001)
    b.listen('order.*')
    await cluster.clock.advance(1000)
    expect(b.got).toEqual([])
  })

  it('gives up at the deadline of the caller', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const b = await cluster.bus('b')
    b.listen('order.*')
    cluster.gossip.cut.add('a>b')
    cluster.rpc.frozen.add('b')
    const result = a.bus.publish({ type: 'order.created' }, { timeoutMs: 100 })
    await cluster.clock.advance(100)
    expect(await result).toMatchObject({
      accepted: false,
      dropped: [{ peer: 'b', reason: 'deadline exceeded' }]
    })
    await cluster.clock.advance(2000)
  })

  it('stops waiting when the caller aborts', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const b = await cluster.bus('b')
    b.listen('order.*')
    cluster.gossip.cut.add('a>b')
    cluster.rpc.frozen.add('b')
    const abort = new AbortController()
    const result = a.bus.publish({ type: 'order.created' }, { signal: abort.signal })
    await settle()
    abort.abort()
    await expect(result).rejects.toMatchObject({ name: 'AbortedError', outcomeUnknown: true })
    await expect(
      a.bus.publish({ type: 'order.created' }, { signal: abort.signal })
    ).rejects.toMatchObject({ name: 'AbortedError', outcomeUnknown: false })
    await cluster.clock.advance(2000)
  })

  it('is in a topic only while somebody listens, and a moment longer', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    expect(cluster.gossip.topicsOf('a')).toEqual([])
    const first = a.bus.subscribe('order.created', () => undefined)
    const second = a.bus.subscribe('order.**', () => undefined)
    expect(cluster.gossip.topicsOf('a')).toEqual([topic])
    first.close()
    second.close()
    await cluster.clock.advance(9999)
    expect(cluster.gossip.topicsOf('a')).toEqual([topic])
    await cluster.clock.advance(1)
    expect(cluster.gossip.topicsOf('a')).toEqual([])
    const all = a.bus.subscribe('*.created', () => undefined)
    expect(cluster.gossip.topicsOf('a')).toHaveLength(16)
    all.close()
    await a.bus.stop()
    expect(cluster.gossip.topicsOf('a')).toEqual([])
  })

  it('has no subscription where a topic of it cannot be joined, and can have it later', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const gossip = cluster.gossip.join('b')
    const join = gossip.subscribe.bind(gossip)
    let broken = true
    gossip.subscribe = (name) => {
      if (broken && name.endsWith('/3')) {
        throw new Error('not running')
      }
      join(name)
    }
    const { clock } = cluster
    const bus = createSignals({ peer: 'b', clock, gossip, signer: fakeSigner('b', clock), boot: 1 })
    await bus.start()
    const handled: unknown[] = []
    const subscribe = (): unknown => bus.subscribe('**', ({ data }) => void handled.push(data))
    expect(subscribe).toThrow('not running')
    await cluster.clock.advance(10_000)
    expect(cluster.gossip.topicsOf('b')).toEqual([])
    await bus.publish({ type: 'order.created', data: 1 }, { route: 'local' })
    expect(bus.counters()).not.toHaveProperty('delivered')
    broken = false
    subscribe()
    expect(cluster.gossip.topicsOf('b')).toHaveLength(16)
    await a.bus.publish({ type: 'order.created', data: 2 })
    await settle()
    expect(handled).toEqual([2])
  })

  it('does not hold other signals back for a slow local subscriber with policy block', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const b = await cluster.bus('b')
    b.bus.subscribe('order.*', () => new Promise(() => undefined), {
      overflow: 'block',
      queueMax: 1
    })
    b.listen('order.*')
    for (let data = 0; data < 10; data += 1) {
      await a.bus.publish({ type: 'order.created', data })
    }
    await settle()
    expect(b.got).toHaveLength(10)
    expect(b.bus.counters()['queue-full']).toBe(8)
  })
})

describe('signals that are not what they seem', () => {
  async function receiver(options: Parameters<TestCluster['bus']>[1] = {}): Promise<{
    cluster: TestCluster
    got: unknown[]
    send: (bytes: Uint8Array, on?: string) => Promise<string>
    counters: () => unknown
  }> {
    const cluster = testCluster()
    const b = await cluster.bus('b', options)
    b.listen('**')
    return {
      cluster,
      got: b.got,
      send: async (bytes, on = topic) => {
        const verdict = await cluster.gossip.inject('b', { topic: on, bytes, from: 'x' })
        await settle()
        return verdict
      },
      counters: () => b.bus.counters()
    }
  }

  it('show what each author has stated under which number, if it may and does so here', async () => {
    const noted: SignedStatement[] = []
    const keen = { ...fakeSigner('b', new VirtualClock()), noted: noted.push.bind(noted) }
    const members = (): string[] => ['a', 'b']
    const { cluster, send } = await receiver({ components: { signer: keen, members } })
    await send(sealed(cluster, 'nobody'))
    await send(sealed(cluster, 'a', { cluster: 'other' }))
    await send(sealed(cluster, 'a', { channel: 'other' }))
    expect(noted).toEqual([])
    const one = sealed(cluster, 'a')
    const other = sealed(cluster, 'a', { signals: [signalBytes('another')] })
    for (const signed of [one, other]) await send(signed)
    const statement = { signer: 'a', stream: `${topic}#1`, sequence: 1 }
    expect(noted).toMatchObject([one, other].map((signed) => ({ ...statement, signed })))
    expect(noted[0]?.bytes).not.toEqual(noted[1]?.bytes)
  })

  it('are taken where all is well', async () => {
    const { cluster, got, send } = await receiver()
    expect(await send(sealed(cluster, 'a'))).toBe('accept')
    expect(got).toEqual(['sealed'])
  })

  it('are rejected where a byte was changed', async () => {
    const { cluster, counters, got, send } = await receiver()
    const bytes = sealed(cluster, 'a')
    for (let at = 0; at < bytes.length; at += 7) {
      const mutated = Uint8Array.from(bytes)
      mutated[at] = (mutated[at] ?? 0) ^ 1
      expect(await send(mutated)).toBe('reject')
    }
    expect(got).toEqual([])
    expect(counters()).toHaveProperty('rejected:forged')
  })

  it('are rejected on another topic and in another cluster', async () => {
    const { cluster, counters, got, send } = await receiver()
    const other = topicName('default', (topicNumber('order') + 1) % 16)
    expect(await send(sealed(cluster, 'a'), other)).toBe('reject')
    expect(await send(sealed(cluster, 'a', { cluster: 'other' }))).toBe('reject')
    expect(got).toEqual([])
    expect(counters()).toMatchObject({ 'rejected:other-channel': 1, 'rejected:other-cluster': 1 })
  })

  it('are ignored when they come again, also after gossip has forgotten them', async () => {
    const { cluster, counters, got, send } = await receiver()
    const bytes = sealed(cluster, 'a')
    await send(bytes)
    expect(await send(bytes)).toBe('ignore')
    await cluster.clock.advance(119_000)
    expect(await send(bytes)).toBe('ignore')
    await cluster.clock.advance(2000)
    expect(await send(bytes)).toBe('ignore')
    expect(got).toHaveLength(1)
    expect(counters()).toMatchObject({ 'rejected:replayed': 2, 'rejected:too-old': 1 })
  })

  it('are not taken again after three minutes, neither by gossip nor by a call', async () => {
    const { cluster, counters, got, send } = await receiver()
    const bytes = sealed(cluster, 'a')
    await send(bytes)
    await cluster.clock.advance(180_000)
    expect(await send(bytes)).toBe('ignore')
    const push = Push.encode({ originals: [bytes], sync: 1 })
    const other = cluster.rpc.join('x', cluster.clock)
    await other.call('b', 'signals.push', push)
    await settle()
    expect(got).toEqual(['sealed'])
    expect(counters()).toMatchObject({ 'rejected:too-old': 1 })
    // Only what is missing may be old: that is how logs are repaired.
    const missing = sealed(cluster, 'a', { first: 2, since: 2, signals: [signalBytes('missing')] })
    await cluster.clock.advance(180_000)
    await other.call('b', 'signals.push', Push.encode({ originals: [missing], sync: 1 }))
    await settle()
    expect(got).toEqual(['sealed', 'missing'])
  })

  it('are ignored when old, from the future, from an older life, or my own', async () => {
    const { cluster, counters, got, send } = await receiver()
    const old = sealed(cluster, 'a')
    await cluster.clock.advance(120_001)
    await send(old)
    const ahead = new VirtualClock()
    ahead.time = cluster.clock.time + 120_001
    await send(sealed({ ...cluster, clock: ahead }, 'a'))
    await send(sealed(cluster, 'b'))
    expect(got).toEqual([])
    await send(sealed(cluster, 'a', { boot: 5 }))
    await send(sealed(cluster, 'a', { boot: 4 }))
    expect(got).toHaveLength(1)
    expect(counters()).toMatchObject({
      'rejected:too-old': 1,
      'rejected:from-the-future': 1,
      'rejected:replayed': 2
    })
  })

  it('are ignored from peers that are no members', async () => {
    const { cluster, counters, got, send } = await receiver({
      components: { members: () => ['a', 'b'] }
    })
    expect(await send(sealed(cluster, 'x'))).toBe('ignore')
    expect(await send(sealed(cluster, 'a'))).toBe('accept')
    expect(got).toHaveLength(1)
    expect(counters()).toMatchObject({ 'rejected:not-a-member': 1 })
  })

  it('are rejected when too large, malformed or empty', async () => {
    const { cluster, counters, got, send } = await receiver()
    const signer = fakeSigner('a', cluster.clock)
    expect(await send(new Uint8Array(262_145))).toBe('reject')
    expect(await send(new Uint8Array(0))).toBe('reject')
    expect(await send(signer.seal(Uint8Array.of(1), 1) as Uint8Array)).toBe('reject')
    expect(await send(sealed(cluster, 'a', { signals: [] }))).toBe('reject')
    expect(await send(sealed(cluster, 'a', { signals: [Uint8Array.of(0xa0)] }))).toBe('reject')
    const payload = { cluster: 'default', channel: topic, boot: 1, first: 2, since: 2, attempt: 0 }
    const other = Batch.encode({ ...payload, signals: [signalBytes(1)] })
    expect(await send(signer.seal(other, 3) as Uint8Array)).toBe('reject')
    expect(got).toEqual([])
    expect(counters()).toMatchObject({ 'rejected:oversized': 1, 'rejected:malformed': 5 })
  })

  it('cost nothing where they are too many', async () => {
    const { cluster, counters } = await receiver()
    const bytes = sealed(cluster, 'a')
    const verdicts = await Promise.all(
      Array.from({ length: 300 }, () =>
        cluster.gossip.inject('b', { topic, bytes, from: 'flooder' })
      )
    )
    expect(verdicts.filter((verdict) => verdict === 'accept')).toHaveLength(1)
    expect(counters()).toMatchObject({ 'rejected:overloaded': 44 })
    expect(await cluster.gossip.inject('b', { topic, bytes, from: 'flooder' })).toBe('ignore')
    expect(counters()).toMatchObject({ 'rejected:overloaded': 44 })
  })

  it('are counted where some are missing, and waited for a moment', async () => {
    const { cluster, counters, got, send } = await receiver()
    const numbered = (first: number): Uint8Array =>
      sealed(cluster, 'a', { first, since: first, signals: [signalBytes(first)] })
    await send(numbered(1))
    await send(numbered(3))
    expect(got).toEqual([1])
    await send(numbered(2))
    expect(got).toEqual([1, 2, 3])
    await send(numbered(6))
    await cluster.clock.advance(2000)
    expect(got).toEqual([1, 2, 3, 6])
    expect(counters()).toMatchObject({ missing: 3, lost: 2 })
    await send(numbered(5))
    expect(got).toEqual([1, 2, 3, 6, 5])
    expect(counters()).toMatchObject({ late: 1 })
  })
})

describe('a peer that gossip cannot reach though it is connected', () => {
  it('has its stream opened again, and nothing is asked for while there is one', async () => {
    const cluster = testCluster()
    const { bus } = await cluster.bus('a')
    await cluster.clock.advance(5000)
    expect(bus.counters()).not.toHaveProperty('reopened')
    cluster.gossip.mute.add('a>b')
    await cluster.clock.advance(1000)
    expect(bus.counters().reopened).toBe(1)
    expect(cluster.gossip.mute.size).toBe(0)
    await cluster.clock.advance(5000)
    expect(bus.counters().reopened).toBe(1)
    await bus.stop()
    expect(cluster.clock.timers).toBe(0)
  })
})

describe('what is sent on', () => {
  it('is what somebody may lack, and nothing that all had from its author', async () => {
    const cluster = testCluster()
    const [a, b] = [await cluster.bus('a'), await cluster.bus('b')]
    const c = await cluster.bus('c')
    for (const { bus } of [a, b, c]) {
      bus.subscribe('order.*', () => undefined)
    }
    const verdicts = async (): Promise<readonly string[]> => {
      cluster.gossip.verdicts.length = 0
      await a.bus.publish({ type: 'order.created' })
      await cluster.clock.advance(10)
      return cluster.gossip.verdicts
    }
    expect(await verdicts()).toEqual(['keep', 'keep'])
    // Now the author does not reach one of them, and the others know that it listens.
    cluster.gossip.far.add('a>c')
    expect(await verdicts()).toEqual(['accept'])
  })

  it('is found soon by who was named and not reached, from others than its author', async () => {
    const cluster = testCluster()
    const names = ['b', 'c', 'd', 'e']
    const a = await cluster.bus('a')
    const others = await Promise.all(names.map((name) => cluster.bus(name)))
    for (const other of others) {
      other.listen('order.*')
    }
    await cluster.clock.advance(3000)
    const [, c] = others
    // One way is cut, unknown to the author: neither its messages nor its answers come through.
    cluster.gossip.lossy.add('a>c')
    cluster.rpc.silent.add('a>c')
    for (let number = 1; number <= 40; number += 1) {
      await a.bus.publish({ type: 'order.created', data: number })
      await cluster.clock.advance(50)
    }
    // The others compare every 125 to 375 ms, each with one of three; then come 250 ms of grace.
    await cluster.clock.advance(1000)
    expect(cluster.gossip.verdicts).not.toContain('accept')
    expect(c?.got).toEqual(Array.from({ length: 40 }, (_, index) => index + 1))
    expect(c?.bus.counters()).toMatchObject({ repaired: 40 })
  })

  it('is everything, where more listen than an author names', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const others = Array.from({ length: 33 }, (_, index) => `p${index}`)
    for (const name of others) {
      const { bus } = await cluster.bus(name)
      bus.subscribe('order.*', () => undefined)
    }
    await a.bus.publish({ type: 'order.created' })
    await cluster.clock.advance(10)
    expect(cluster.gossip.verdicts).toEqual(others.map(() => 'accept'))
  })
})

describe('a bus', () => {
  it('without a network delivers to its own subscribers', async () => {
    const bus = createSignals({ peer: 'me', clock: new VirtualClock() })
    const got: unknown[] = []
    bus.subscribe('a.*', (signal) => void got.push(signal.data))
    await bus.start()
    const data = { count: 1 }
    expect(await bus.publish({ type: 'a.b', data })).toMatchObject({ recipients: ['me'] })
    data.count = 2
    await settle()
    expect(got).toEqual([{ count: 1 }])
    expect(await bus.publish({ type: 'a.b' }, { route: { targeted: ['you'] } })).toMatchObject({
      accepted: false,
      dropped: [{ peer: 'you', reason: 'no network' }]
    })
    await bus.stop()
  })

  it('publishes only while it runs, and can be started again', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    await a.bus.start()
    await a.bus.stop()
    await a.bus.stop()
    await expect(a.bus.publish({ type: 'a' })).rejects.toMatchObject({ code: 'ERR_NOT_STARTED' })
    await a.bus.start()
    a.listen('a')
    expect(await a.bus.publish({ type: 'a' })).toMatchObject({ recipients: ['a'] })
    await a.bus.stop()
  })

  it('ends iterations when it stops, after what was waiting', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    const signals = a.bus.iterate('a')
    await a.bus.publish({ type: 'a', data: 1 })
    await a.bus.stop()
    const got: unknown[] = []
    for await (const signal of signals) {
      got.push(signal.data)
    }
    expect(got).toEqual([1])
  })

  it('takes the default route of the first pattern that matches', async () => {
    const cluster = testCluster()
    const a = await cluster.bus('a', {
      init: { routes: { 'metrics.keep': 'cluster', 'metrics.*': 'local' } }
    })
    const b = await cluster.bus('b')
    a.listen('**')
    b.listen('**')
    expect((await a.bus.publish({ type: 'metrics.cpu' })).recipients).toEqual(['a'])
    expect((await a.bus.publish({ type: 'metrics.keep' })).recipients).toEqual(['b', 'a'])
    expect((await a.bus.publish({ type: 'metrics.cpu' }, { route: 'cluster' })).recipients).toEqual(
      ['b', 'a']
    )
  })

  it.each([
    [{ type: 'a b' }, {}],
    [{ type: 'a', data: () => 1 }, {}],
    [{ type: 'a' }, { timeoutMs: 0 }],
    [{ type: 'a' }, { timeoutMs: Number.NaN }],
    [{ type: 'a' }, { route: 'everywhere' as 'local' }],
    [{ type: 'a' }, { route: { targeted: [] } }],
    [{ type: 'a' }, { route: { shard: '' } }]
  ])('refuses to publish %j with %j', async (signal, options) => {
    const cluster = testCluster()
    const a = await cluster.bus('a')
    await expect(a.bus.publish(signal, options)).rejects.toMatchObject({
      name: 'InvalidParametersError'
    })
    expect(a.bus.counters()).toEqual({})
  })

  it('refuses options that are wrong', () => {
    const clock = new VirtualClock()
    const rpc = createLocalRpc({ peer: 'me' })
    expect(() => createSignals({ peer: 'me', clock, rpc })).toThrow(/signer/)
    expect(() => createSignals({ peer: 'me', clock }, { cluster: '' })).toThrow(/cluster/)
    expect(() => createSignals({ peer: 'me', clock }, { routes: { 'a..b': 'local' } })).toThrow(
      /pattern/
    )
  })

  it('feeds metrics', async () => {
    const increments: Record<string, number>[] = []
    const group = { increment: (values: Record<string, number>) => increments.push(values) }
    const cluster = testCluster()
    const a = await cluster.bus('a', {
      components: { metrics: { registerCounterGroup: () => group } as never }
    })
    a.listen('a')
    await a.bus.publish({ type: 'a' })
    expect(increments).toEqual([
      { published: 1 },
      { delivered: 1 },
      { logged: 1 },
      { 'batch-sent': 1 }
    ])
  })
})
