import type { Metrics } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { createDiscovery, fixed } from '../src/index.ts'
import type { DiscoveryInit } from '../src/index.ts'
import { createPeers, FakeNode, FakeRpc } from './fake-node.ts'
import { createSeededRandom, createVirtualClock } from './virtual-time.ts'

const [a = '', b = '', c = '', d = ''] = await createPeers(4)
const address = '/ip4/127.0.0.1/tcp/4001'

function refused(): Error {
  return Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
}

async function setUp(self: string, init: DiscoveryInit = {}) {
  const clock = createVirtualClock()
  const node = new FakeNode(self)
  const rpc = new FakeRpc(self, new Map())
  const random = createSeededRandom(42)
  const discovery = createDiscovery(
    {
      peerId: node.peerId,
      events: node.events,
      connectionManager: node.connectionManager,
      peerStore: node.peerStore,
      addressManager: node.addressManager,
      logger: node.logger,
      rpc,
      clock,
      random
    },
    init
  )
  await discovery.start()
  const events: string[] = []
  for (const type of ['found', 'connected', 'disconnected'] as const) {
    discovery.addEventListener(type, (event) => events.push(`${type} ${event.detail.peer}`))
  }
  return { clock, node, rpc, discovery, events }
}

describe('keep', () => {
  it('dials by the given addresses, each with the peer id, and tells of the connection', async () => {
    const { clock, node, discovery, events } = await setUp(a)
    node.dialler = async ({ peer = '' }) => node.connect(peer)
    discovery.keep([{ peer: b, addresses: [address, `${address}/p2p/${b}`] }])
    await clock.advance(10)
    expect(node.dials).toEqual([[`${address}/p2p/${b}`]])
    expect(discovery.connected()).toEqual([b])
    expect(events).toEqual([`connected ${b}`])
    await discovery.stop()
  })

  it('leaves out addresses that are no multiaddr, too long, or of somebody else', async () => {
    const { clock, node, discovery } = await setUp(a)
    const addresses = ['nonsense', `${address}/p2p/${c}`, `/dns4/${'x'.repeat(600)}/tcp/1`, address]
    discovery.keep([{ peer: b, addresses }])
    await clock.advance(1)
    expect(node.dials[0]).toEqual([`${address}/p2p/${b}`])
    expect(node.lines.filter((line) => line.includes('left out'))).toHaveLength(3)
    await discovery.stop()
  })

  it('dials by peer id where no address is known', async () => {
    const { clock, node, discovery } = await setUp(a)
    discovery.keep([{ peer: b, addresses: [] }])
    await clock.advance(1)
    expect(node.dials[0]).toEqual([b])
    await discovery.stop()
  })

  it('refuses what is no PeerId, and too many peers, and changes nothing', async () => {
    const { clock, node, discovery } = await setUp(a)
    discovery.keep([{ peer: b, addresses: [address] }])
    const wrong = { name: 'InvalidParametersError' }
    for (const peer of ['', 'x', `${b} `, 'x'.repeat(1_000)]) {
      expect(() => discovery.keep([{ peer, addresses: [] }])).toThrow(
        expect.objectContaining(wrong)
      )
    }
    const many = Array.from({ length: 5_000 }, () => ({ peer: b, addresses: [] }))
    expect(() => discovery.keep(many)).toThrow(expect.objectContaining(wrong))
    await clock.advance(1)
    expect(node.dials).toEqual([[`${address}/p2p/${b}`]])
    await discovery.stop()
  })

  it('notes kept peers in the peer store and takes the note back', async () => {
    const { clock, node, discovery } = await setUp(a)
    discovery.keep([{ peer: b, addresses: [address] }])
    await clock.advance(1)
    discovery.keep([])
    await clock.advance(1)
    expect(node.merged).toEqual([
      { peer: b, data: expect.objectContaining({ tags: { 'murmuration-kept': { value: 100 } } }) },
      { peer: b, data: { multiaddrs: [], tags: { 'murmuration-kept': undefined } } }
    ])
    await discovery.stop()
  })

  it('goes on dialling a peer that is down for 40 s and meets it within a second', async () => {
    const { clock, node, discovery } = await setUp(a)
    discovery.keep([{ peer: b, addresses: [address] }])
    await clock.advance(40_000)
    expect(node.dials.length).toBeGreaterThan(8)
    node.dialler = async ({ peer = '' }) => node.connect(peer)
    await clock.advance(10_000)
    expect(discovery.connected()).toEqual([b])
    await discovery.stop()
  })

  it('gives up a dial that hangs and tries again', async () => {
    const { clock, node, discovery } = await setUp(a, { dialTimeoutMs: 1_000 })
    node.dialler = async () => new Promise(() => {})
    discovery.keep([{ peer: b, addresses: [address] }])
    await clock.advance(10_000)
    expect(node.dials.length).toBeGreaterThanOrEqual(5)
    await discovery.stop()
  })

  it('tells of a lost peer and redials it within 200 ms', async () => {
    const { clock, node, discovery, events } = await setUp(a)
    node.dialler = async ({ peer = '' }) => node.connect(peer)
    discovery.keep([{ peer: b, addresses: [address] }])
    await clock.advance(5_000)
    node.open[0]?.abort(new Error('cut'))
    await clock.advance(200)
    expect(events).toEqual([`connected ${b}`, `disconnected ${b}`, `connected ${b}`])
    await discovery.stop()
  })
})

describe('connections', () => {
  it('closes a duplicate gracefully after the settle time, once the other has answered', async () => {
    const { clock, node, discovery, events } = await setUp(b)
    discovery.keep([{ peer: a, addresses: [address] }])
    const mine = node.connect(a, 'outbound')
    const theirs = node.connect(a, 'inbound')
    await clock.advance(1_400)
    expect(node.open).toHaveLength(2)
    await clock.advance(200)
    expect(mine.closedBy).toBe('close')
    expect(theirs.closedBy).toBeUndefined()
    expect(theirs.streamsOpened).toBe(1)
    expect(events).toEqual([`connected ${a}`])
    await discovery.stop()
  })

  it('aborts the chosen survivor instead where it turns out to be dead', async () => {
    const { clock, node, discovery } = await setUp(a)
    discovery.keep([{ peer: b, addresses: [address] }])
    const dead = node.connect(b, 'outbound')
    dead.mute = true
    const fresh = node.connect(b, 'inbound')
    await clock.advance(6_000)
    expect(dead.closedBy).toBe('abort')
    expect(fresh.closedBy).toBeUndefined()
    expect(discovery.connected()).toEqual([b])
    await discovery.stop()
  })

  it('aborts a duplicate that does not close in time', async () => {
    const { clock, node, discovery } = await setUp(b)
    discovery.keep([{ peer: a, addresses: [address] }])
    const mine = node.connect(a, 'outbound')
    mine.close = async () => new Promise(() => {})
    node.connect(a, 'inbound')
    await clock.advance(7_000)
    expect(mine.closedBy).toBe('abort')
    expect(discovery.connected()).toEqual([a])
    await discovery.stop()
  })

  it('aborts a connection that looks open and opens no stream, within 2 s, and redials', async () => {
    const { clock, node, discovery } = await setUp(a)
    node.dialler = async ({ peer = '' }) => node.connect(peer)
    discovery.keep([{ peer: b, addresses: [address] }])
    await clock.advance(1_500)
    const [first] = node.open
    if (first === undefined) throw new Error('not connected')
    first.zombie = true
    await clock.advance(2_200)
    expect(first.closedBy).toBe('abort')
    expect(discovery.connected()).toEqual([b])
    expect(node.open).toHaveLength(1)
    await discovery.stop()
  })

  it('opens no stream to look for dead connections', async () => {
    const { clock, node, discovery } = await setUp(a)
    const connection = node.connect(b)
    await clock.advance(60_000)
    expect(connection.streamsOpened).toBe(0)
    expect(connection.closedBy).toBeUndefined()
    await discovery.stop()
  })

  it('counts a relayed connection as connected and never as a duplicate', async () => {
    const { clock, node, discovery } = await setUp(b)
    discovery.keep([{ peer: a, addresses: [address] }])
    node.connect(a, 'outbound').limits = { seconds: 10 }
    await clock.advance(10)
    expect(discovery.connected()).toEqual([a])
    node.connect(a, 'inbound')
    await clock.advance(10_000)
    expect(node.open).toHaveLength(2)
    await discovery.stop()
  })
})

describe('connect', () => {
  it('dials at once from the higher side, too', async () => {
    const { clock, node, discovery } = await setUp(b)
    node.dialler = async ({ peer = '' }) => node.connect(peer)
    await discovery.connect({ peer: a, addresses: [address] })
    expect(discovery.connected()).toEqual([a])
    expect(clock.monotonic()).toBe(0)
    await discovery.connect({ peer: a, addresses: [address] })
    expect(node.dials).toHaveLength(1)
    await discovery.stop()
  })

  it('says PeerUnavailableError with the cause when the dial fails', async () => {
    const { node, discovery } = await setUp(a)
    node.dialler = async () => {
      throw refused()
    }
    await expect(discovery.connect({ peer: b, addresses: [address] })).rejects.toMatchObject({
      name: 'PeerUnavailableError',
      retryable: true,
      cause: { code: 'ECONNREFUSED' }
    })
    await discovery.stop()
  })

  it('asks the peer store where none of the addresses is usable', async () => {
    const { node, discovery } = await setUp(a)
    node.dialler = async ({ peer = '' }) => node.connect(peer)
    await discovery.connect({ peer: b, addresses: [`${address}/p2p/${c}`] })
    expect(node.dials).toEqual([[b]])
    await discovery.stop()
  })

  it('ends after the timeout, with the signal, and when discovery stops', async () => {
    const { clock, node, discovery } = await setUp(a, { connectTimeoutMs: 2_000 })
    node.dialler = async () => new Promise(() => {})
    const target = { peer: b, addresses: [address] }
    const late = expect(discovery.connect(target)).rejects.toMatchObject({
      name: 'PeerUnavailableError'
    })
    await clock.advance(2_000)
    await late
    const controller = new AbortController()
    const aborted = expect(
      discovery.connect(target, { signal: controller.signal })
    ).rejects.toMatchObject({ name: 'AbortedError' })
    controller.abort()
    await aborted
    const stopped = expect(discovery.connect(target)).rejects.toMatchObject({
      name: 'AbortedError'
    })
    await discovery.stop()
    await stopped
    await expect(discovery.connect(target)).rejects.toMatchObject({ name: 'NotStartedError' })
  })

  it('resolves when the other peer was faster', async () => {
    const { clock, node, discovery } = await setUp(a)
    node.dialler = async () => new Promise(() => {})
    const connecting = discovery.connect({ peer: b, addresses: [address] })
    await clock.advance(5)
    node.connect(b, 'inbound')
    await clock.advance(5)
    await connecting
    await discovery.stop()
  })

  it('refuses itself and what is no PeerId', async () => {
    const { discovery } = await setUp(a)
    for (const peer of [a, 'nonsense']) {
      await expect(discovery.connect({ peer, addresses: [address] })).rejects.toMatchObject({
        name: 'InvalidParametersError'
      })
    }
    await discovery.stop()
  })
})

describe('probe', () => {
  it('says refused only where every address refused', async () => {
    const { clock, node, discovery } = await setUp(a)
    discovery.keep([{ peer: b, addresses: [address, '/ip4/127.0.0.1/tcp/4002'] }])
    const outcomes = [
      new AggregateError([refused(), refused()]),
      new AggregateError([refused(), new AggregateError([refused()])]),
      refused(),
      new AggregateError([refused(), new Error('no route')]),
      new AggregateError([]),
      new Error('handshake failed')
    ]
    const results: string[] = []
    for (const outcome of outcomes) {
      node.dialler = async () => {
        throw outcome
      }
      const probed = discovery.probe(b)
      await clock.advance(1_000)
      results.push(await probed)
    }
    expect(results).toEqual(['refused', 'refused', 'refused', 'unknown', 'unknown', 'unknown'])
    await discovery.stop()
  })

  it('dials again where a dying process accepts and resets', async () => {
    const { clock, node, discovery } = await setUp(a)
    let dials = 0
    node.dialler = async () => {
      throw ++dials < 3 ? new Error('read ECONNRESET') : refused()
    }
    const probed = discovery.probe(b)
    await clock.advance(100)
    expect(await probed).toBe('refused')
    expect(dials).toBe(3)
    await discovery.stop()
  })

  it('says alive where the dial connects, and keeps the connection', async () => {
    const { node, discovery } = await setUp(a)
    node.dialler = async ({ peer = '' }) => node.connect(peer)
    expect(await discovery.probe(b)).toBe('alive')
    expect(discovery.connected()).toEqual([b])
    await discovery.stop()
  })

  it('asks over an open connection and dials nothing', async () => {
    const { clock, node, discovery } = await setUp(a)
    const connection = node.connect(b)
    expect(await discovery.probe(b)).toBe('alive')
    connection.mute = true
    const silent = discovery.probe(b)
    await clock.advance(1_000)
    expect(await silent).toBe('unknown')
    expect(node.dials).toEqual([])
    await discovery.stop()
  })

  it('sees through a dead connection that looks open', async () => {
    const { node, discovery } = await setUp(a)
    const connection = node.connect(b)
    connection.zombie = true
    node.dialler = async () => {
      throw refused()
    }
    expect(await discovery.probe(b)).toBe('refused')
    expect(connection.closedBy).toBe('abort')
    await discovery.stop()
  })

  it('says unknown after its timeout, with the signal, and when stopped', async () => {
    const { clock, node, discovery } = await setUp(a)
    node.dialler = async () => new Promise(() => {})
    const late = discovery.probe(b)
    await clock.advance(1_000)
    expect(await late).toBe('unknown')
    expect(await discovery.probe(b, { signal: AbortSignal.abort() })).toBe('unknown')
    await discovery.stop()
    expect(await discovery.probe(b)).toBe('unknown')
    await expect(discovery.probe('nonsense')).rejects.toMatchObject({
      name: 'InvalidParametersError'
    })
  })

  it('does not let a hint say that a kept peer is gone', async () => {
    const hint = { peer: b, addresses: [address] }
    const { clock, node, discovery } = await setUp(a, { strategies: [fixed([hint])] })
    node.dialler = async () => {
      throw refused()
    }
    await clock.advance(1)
    expect(await discovery.probe(b)).toBe('refused')
    discovery.keep([{ peer: b, addresses: [] }])
    expect(await discovery.probe(b)).toBe('unknown')
    await discovery.stop()
  })
})

describe('strategies', () => {
  it('report peers, which are dialled', async () => {
    const peers = [b, c].map((peer) => ({ peer, addresses: [address] }))
    const { clock, node, discovery, events } = await setUp(a, { strategies: [fixed([])] })
    await discovery.stop()
    const second = await setUp(a, {
      strategies: [{ name: 'own', start: async (found) => peers.forEach(found), stop: () => {} }]
    })
    second.node.dialler = async ({ peer = '' }) => second.node.connect(peer)
    await second.clock.advance(10)
    expect(second.discovery.connected().toSorted()).toEqual([b, c])
    await second.discovery.stop()
    await clock.advance(10)
    expect([node.dials, events]).toEqual([[], []])
  })

  it('that know the peers beforehand go on until one of them is there, and again without any', async () => {
    const peers = [b, c].map((peer) => ({ peer, addresses: [address] }))
    const { clock, node, discovery } = await setUp(a, { strategies: [fixed(peers)] })
    await clock.advance(30_000)
    // Back-off of up to 10 s.
    expect(node.dials.length).toBeGreaterThan(6)
    expect(node.dials.length).toBeLessThan(40)
    node.dialler = async ({ peer = '' }) => node.connect(peer)
    await clock.advance(12_000)
    expect(discovery.connected().length).toBeGreaterThan(0)
    // Those that are missing are tried once a minute or so.
    await clock.advance(100_000)
    expect(discovery.connected().toSorted()).toEqual([b, c])
    const count = node.dials.length
    await clock.advance(600_000)
    expect(node.dials).toHaveLength(count)
    for (const connection of node.open) connection.abort(new Error('gone'))
    await clock.advance(5_000)
    expect(discovery.connected().toSorted()).toEqual([b, c])
    await discovery.stop()
    const timers = clock.timers
    await clock.advance(60_000)
    expect(clock.timers).toBeLessThanOrEqual(timers)
  })

  it('emit found once for the same news, and nothing for nonsense or themselves', async () => {
    let report: ((hint: { peer: string; addresses: string[] }) => void) | undefined
    const { clock, discovery, events } = await setUp(d, {
      strategies: [{ name: 'own', start: (found) => void (report = found), stop: () => {} }]
    })
    for (let time = 0; time < 3; time++) {
      report?.({ peer: b, addresses: [address] })
      report?.({ peer: 'nonsense', addresses: [address] })
      report?.({ peer: d, addresses: [address] })
    }
    report?.({ peer: b, addresses: ['/ip4/127.0.0.1/tcp/4002'] })
    await clock.advance(1)
    expect(events).toEqual([`found ${b}`, `found ${b}`])
    await discovery.stop()
    report?.({ peer: c, addresses: [address] })
    expect(events).toHaveLength(2)
  })

  it('are joined by what a connected peer says of itself, for when its address has moved', async () => {
    const { clock, node, discovery } = await setUp(a)
    node.dialler = async ({ peer = '' }) => node.connect(peer)
    discovery.keep([{ peer: b, addresses: [address] }])
    await clock.advance(10)
    const [connection] = node.open
    if (connection === undefined) throw new Error('not connected')
    const moved = '/ip4/127.0.0.1/tcp/4999'
    const listenAddrs = [multiaddr(moved), multiaddr(`${moved}/p2p/${c}`)]
    const detail = { peerId: connection.remotePeer, protocols: [], listenAddrs, connection }
    node.events.safeDispatchEvent('peer:identify', { detail })
    node.dialler = async () => {
      throw refused()
    }
    connection.abort(new Error('cut'))
    await clock.advance(3_000)
    const dialled = new Set(node.dials.map(String))
    expect(dialled).toEqual(new Set([`${address}/p2p/${b}`, `${moved}/p2p/${b}`]))
    await discovery.stop()
  })

  it('that fail to start or stop are logged and do not hold up the others', async () => {
    const broken = {
      name: 'broken',
      start: () => Promise.reject(new Error('no network')),
      stop: () => {
        throw new Error('cannot stop')
      }
    }
    const works = fixed([{ peer: b, addresses: [address] }])
    const { clock, node, discovery } = await setUp(a, { strategies: [broken, works] })
    await clock.advance(1)
    expect(node.dials).toHaveLength(1)
    await discovery.stop()
    expect(node.lines.join('\n')).toMatch(/did not start: %e broken[^]*did not stop: %e broken/)
  })
})

describe('metrics', () => {
  it('count dials by result, connected and known peers, and closed duplicates', async () => {
    const gauges = new Map<string, () => number>()
    const counts = new Map<string, number>()
    const add = (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1)
    const clock = createVirtualClock()
    const node = new FakeNode(b)
    const metrics = {
      registerMetric: (name: string, { calculate }: { calculate: () => number }) =>
        gauges.set(name, calculate),
      registerCounter: (name: string) => ({ increment: () => add(name) }),
      registerCounterGroup: () => ({
        increment: (values: object) => Object.keys(values).forEach(add)
      })
    }
    const { peerId, events, connectionManager, peerStore, addressManager, logger } = node
    const parts = { peerId, events, connectionManager, peerStore, addressManager, logger }
    const discovery = createDiscovery({
      ...parts,
      // The three methods that are used.
      metrics: metrics as unknown as Metrics,
      rpc: new FakeRpc(b, new Map()),
      clock
    })
    await discovery.start()
    discovery.keep([{ peer: a, addresses: [address] }])
    await clock.advance(1_000)
    node.connect(a, 'inbound')
    node.connect(a, 'outbound')
    await clock.advance(2_000)
    expect(counts.get('failed')).toBeGreaterThan(0)
    expect(counts.get('murmuration_discovery_duplicates_closed_total')).toBe(1)
    expect(gauges.get('murmuration_discovery_connected_peers')?.()).toBe(1)
    expect(gauges.get('murmuration_discovery_known_peers')?.()).toBe(1)
    await discovery.stop()
  })
})

describe('life cycle', () => {
  it('leaves no timer behind, and start and stop may be repeated', async () => {
    const { clock, node, rpc, discovery } = await setUp(a)
    discovery.keep([{ peer: b, addresses: [address] }])
    await discovery.start()
    await clock.advance(3_000)
    await discovery.stop()
    await discovery.stop()
    expect(clock.timers).toBe(0)
    expect(node.events.listenerCount('connection:open')).toBe(0)
    expect(rpc.handlers.size).toBe(0)
    const dials = node.dials.length
    await clock.advance(60_000)
    expect(node.dials).toHaveLength(dials)
    node.dialler = async ({ peer = '' }) => node.connect(peer)
    await discovery.start()
    await clock.advance(10_000)
    expect(discovery.connected()).toEqual([b])
    await discovery.stop()
    expect(node.open).toHaveLength(1)
  })

  it('names the option that is out of range', async () => {
    for (const init of [
      { settleMs: 999 },
      { graceMs: -1 },
      { backoffBaseMs: Number.NaN },
      { parallelDialsMax: 0 },
      { foundPeersMax: 1.5 },
      { askTimeoutMs: Number.POSITIVE_INFINITY }
    ]) {
      const name = Object.keys(init)[0] ?? ''
      await expect(setUp(a, init)).rejects.toMatchObject({
        name: 'InvalidParametersError',
        message: expect.stringContaining(name)
      })
    }
  })
})
