import type { SignalLoss } from '@murmuration/interface'
import { describe, expect, it } from 'vitest'
import { Exchange, ExchangeReply, Progress, Register } from '../src/core/messages.ts'
import type { Notes } from '../src/core/messages.ts'
import { Exchanges } from '../src/exchanges.ts'
import { atLeastOnce, durably, during } from './durably.ts'
import { testCluster } from './fakes.ts'
import type { TestBus, TestBusOptions, TestCluster } from './fakes.ts'

type Head = Exchange['heads'][number]

interface Peers {
  readonly cluster: TestCluster
  readonly a: TestBus
  readonly b: TestBus
  readonly c: TestBus
  /** Says what is not so. */
  readonly m: TestBus
}

async function four(init: TestBusOptions['init'] = {}): Promise<Peers> {
  const cluster = testCluster()
  const options = { components: { view: (): string[] => ['a', 'b', 'c', 'm'] }, init }
  const [a, b, c, m] = [
    await cluster.bus('a', options),
    await cluster.bus('b', options),
    await cluster.bus('c', options),
    await cluster.bus('m', options)
  ]
  return { cluster, a, b, c, m }
}

/** `m` tells `b` of heads of streams on the topic of `b`. */
async function tell({ cluster }: Peers, heads: readonly Head[]): Promise<void> {
  const [channel = ''] = cluster.gossip.topicsOf('b')
  const request = Exchange.encode({ channels: [channel], heads: [...heads] })
  await during(cluster, cluster.rpc.call('m', 'b', 'signals.exchange', request, cluster.clock), 100)
}

/** What `m` answers to everybody who compares with it. */
function answer({ cluster }: Peers, notes: Partial<Notes>): void {
  const empty = {
    registrations: [],
    progress: [],
    version: { boot: 9, registrations: 1, progress: 1 }
  }
  cluster.rpc
    .join('m', cluster.clock)
    .handle('signals.exchange', () => ExchangeReply.encode({ heads: [], ...empty, ...notes }))
}

describe('what a peer says of the streams of another one', () => {
  it('ends none of them, neither for durable subscriptions nor for listeners', async () => {
    const peers = await four()
    const { a, b, cluster } = peers
    const got: unknown[] = []
    const losses: SignalLoss[] = []
    b.bus.events.addEventListener('loss', ({ detail }) => losses.push(detail))
    await durably(cluster, b, got)
    b.listen('order.*')
    const publish = async (data: number): Promise<void> => {
      await during(cluster, a.bus.publish({ type: 'order.created', data }, atLeastOnce), 100)
    }
    await publish(1)
    await cluster.clock.advance(1000)
    await tell(peers, [{ author: 'a', boot: 1, channel: 0, high: 2 ** 40 }])
    await cluster.clock.advance(15_000)
    await publish(2)
    await publish(3)
    await cluster.clock.advance(10_000)
    expect(got).toEqual([1, 2, 3])
    expect(b.got).toEqual([1, 2, 3])
    expect(losses).toEqual([])
  })

  it('costs questions to itself only, once each', async () => {
    const peers = await four()
    const { b, cluster } = peers
    await durably(cluster, b, [])
    b.listen('order.*')
    cluster.rpc.calls.length = 0
    const ghosts = Array.from({ length: 400 }, (_, boot) => ({
      author: 'ghost',
      boot,
      channel: 0,
      high: 5
    }))
    await tell(peers, ghosts)
    await cluster.clock.advance(10_000)
    const pulls = cluster.rpc.calls.filter(({ method }) => method === 'signals.pull')
    expect(new Set(pulls.map(({ from, to }) => `${from}>${to}`))).toEqual(new Set(['b>m']))
    // For those who listen and for the durable subscription, of at most 256 streams.
    expect(pulls.length).toBeLessThanOrEqual(512)
  })

  it('is not asked for any more when that peer does not answer', async () => {
    const peers = await four()
    const { b, cluster } = peers
    await durably(cluster, b, [])
    await tell(peers, [{ author: 'ghost', boot: 1, channel: 0, high: 5 }])
    cluster.rpc.down.add('m')
    await cluster.clock.advance(20_000)
    cluster.rpc.calls.length = 0
    await cluster.clock.advance(30_000)
    expect(cluster.rpc.calls.filter(({ method }) => method === 'signals.pull')).toEqual([])
  })

  it('is heard within the budget of that peer only', async () => {
    const { cluster } = await four({ budget: { messagesPerSecond: 1 } })
    const registration = { id: 'm/x', peer: 'm', pattern: 'a.*', version: 1, removed: false }
    const requests = {
      'signals.exchange': Exchange.encode({ channels: [], heads: [] }),
      'signals.register': Register.encode({ registration, channels: [] }),
      'signals.progress': Progress.encode({ progress: [] })
    }
    for (const [method, request] of Object.entries(requests)) {
      const calls = [1, 2, 3].map(() =>
        cluster.rpc.call('m', 'b', method, request, cluster.clock).catch((error: unknown) => error)
      )
      const results = await during(cluster, Promise.all(calls), 3000)
      expect(results.at(-1)).toMatchObject({ name: 'OverloadedError' })
    }
  })

  it('is taken also where what it says of subscriptions cannot be', async () => {
    const { clock, rpc } = testCluster()
    const heads: unknown[] = []
    const channel = 'topic'
    const version = { boot: 1, registrations: 1, progress: 1 }
    const head = { author: 'a', boot: 1, channel: 0, high: 3 }
    const reply = { heads: [head], version, registrations: [], progress: [] }
    rpc.join('m', clock).handle('signals.exchange', () => ExchangeReply.encode(reply))
    const streams = { streams: () => [], find: () => undefined }
    const exchanges = new Exchanges({
      rpc: rpc.join('b', clock),
      clock,
      log: { index: streams },
      channels: () => [channel],
      onHead: (name: unknown, high: number, peer: string) => void heads.push([name, high, peer]),
      onNotes: () => Promise.reject(new Error('too many')),
      stopped: () => new AbortController().signal
    } as unknown as ConstructorParameters<typeof Exchanges>[0])
    expect(await exchanges.exchange('m')).toBe(false)
    expect(heads).toEqual([[{ author: 'a', boot: 1, channel }, 3, 'm']])
  })
})

describe('what a peer says of the subscriptions of another one', () => {
  it('does not move what has begun', async () => {
    const peers = await four()
    const { a, b, cluster } = peers
    const got: unknown[] = []
    await durably(cluster, b, got)
    const [channel = ''] = cluster.gossip.topicsOf('b')
    const stream = { author: 'a', boot: 1, channel }
    const handled = [{ from: 1, to: 2 ** 40 }]
    answer(peers, { progress: [{ id: 'b/all', stream, handled }] })
    await cluster.clock.advance(20_000)
    await during(cluster, a.bus.publish({ type: 'order.created', data: 1 }, atLeastOnce))
    expect(got).toEqual([1])
  })

  it('removes none, and what it invents holds until that peer says otherwise', async () => {
    const peers = await four({ log: { ageMs: 30_000 } })
    const { b, c, cluster } = peers
    const all = await durably(cluster, c, [])
    const version = 2 ** 50
    const of = { peer: 'c', version, removed: false, pattern: 'nothing.*' }
    const removed = { ...of, id: 'c/all', removed: true }
    answer(peers, { registrations: [removed, { ...of, id: 'c/other' }, { ...of, id: 'b/c' }] })
    await cluster.clock.advance(20_000)
    const other = await durably(cluster, c, [], { name: 'other', pattern: 'other.*' })
    all.close()
    other.close()
    for (const type of ['order.created', 'other.thing', 'nothing.new']) {
      await during(cluster, b.bus.publish({ type }, atLeastOnce), 100)
    }
    await cluster.clock.advance(31_000)
    await during(cluster, b.bus.publish({ type: 'last.one' }, atLeastOnce), 100)
    const letters = await b.bus.deadLetters.list()
    expect(letters.map(({ signal, subscription }) => [subscription, signal.type])).toEqual([
      ['all', 'order.created'],
      ['other', 'other.thing']
    ])
  })
})
