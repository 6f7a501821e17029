import { peerDiscoverySymbol } from '@libp2p/interface'
import type { PeerDiscovery, PeerDiscoveryEvents } from '@libp2p/interface'
import type { QueryEvent } from '@libp2p/kad-dht'
import { peerIdFromString } from '@libp2p/peer-id'
import type { DiscoveryStrategy, FoundPeer } from '@murmuration/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { TypedEventEmitter } from 'main-event'
import { describe, expect, it } from 'vitest'
import { bootstrap, dns, environment, fixed, kademlia, mdns } from '../src/index.ts'
import type { BootstrapInit, StrategyComponents } from '../src/index.ts'
import { ListedAddresses, timesOf } from '../src/strategies/listed.ts'
import { createLogger, createPeers, FakeRpc } from './fake-node.ts'
import { createSeededRandom, createVirtualClock } from './virtual-time.ts'

const [self = '', b = '', c = ''] = await createPeers(3)
const first = '/ip4/10.0.0.1/tcp/4001'
const second = '/ip4/10.0.0.2/tcp/4001'
const third = '/ip4/10.0.0.3/tcp/4001'

/** A host for one strategy: who is up answers at an address. */
function createHost() {
  const clock = createVirtualClock()
  const up = new Map<string, string>()
  /** Addresses that swallow packets: a dial there ends with its signal. */
  const swallowing = new Set<string>()
  const dials: { at: number; address: string }[] = []
  /** Dials that were ended by their signal. */
  const dropped: string[] = []
  const found: FoundPeer[] = []
  const state = { connected: [] as string[] }
  const rpc = new FakeRpc(self, new Map())
  const components: StrategyComponents = {
    peer: self,
    clock,
    random: createSeededRandom(3),
    logger: createLogger(),
    addressManager: { getAddresses: () => [] },
    rpc: () => rpc,
    peerRecord: async () => undefined,
    connected: () => state.connected,
    dial: async (address, options) => {
      dials.push({ at: clock.monotonic(), address })
      if (swallowing.has(address)) {
        const { signal } = options ?? {}
        await new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => {
            dropped.push(address)
            reject(new Error('aborted'))
          })
        })
      }
      const peer = up.get(address)
      if (peer === self) {
        throw Object.assign(new Error('self'), { name: 'InvalidPeerIdError' })
      }
      if (peer === undefined) {
        throw new Error('refused')
      }
      state.connected = [...new Set([...state.connected, peer])]
      return peer
    }
  }
  const start = async (strategy: DiscoveryStrategy): Promise<void> => {
    await strategy.start((peer) => found.push(peer))
  }
  return { clock, up, swallowing, dials, dropped, found, state, components, start }
}

async function startBootstrap(init: BootstrapInit, up: [string, string][] = []) {
  const host = createHost()
  for (const [address, peer] of up) host.up.set(address, peer)
  const strategy = bootstrap(init)(host.components)
  await host.start(strategy)
  return { ...host, strategy }
}

describe('bootstrap', () => {
  it('learns who answers at an address without a PeerId', async () => {
    const { clock, found, strategy } = await startBootstrap({ addresses: [first] }, [[first, b]])
    await clock.advance(1)
    expect(found).toEqual([{ peer: b, addresses: [first] }])
    await strategy.stop()
  })

  it('reports an address with a PeerId before it is reached', async () => {
    const text = `${first}/p2p/${b}`
    const { clock, found, strategy } = await startBootstrap({ addresses: [text] })
    await clock.advance(1)
    expect(found[0]).toEqual({ peer: b, addresses: [text] })
    await strategy.stop()
  })

  it('dials with growing, jittered back-off until somebody is there', async () => {
    const { clock, up, dials, state, strategy } = await startBootstrap({ addresses: [first] })
    await clock.advance(60_000)
    expect(dials.filter(({ at }) => at <= 1_000).length).toBeGreaterThanOrEqual(3)
    const gaps = dials.slice(1).map(({ at }, index) => at - (dials[index]?.at ?? 0))
    expect(Math.max(...gaps)).toBeLessThanOrEqual(10_000)
    expect(new Set(gaps).size).toBeGreaterThan(5)
    up.set(first, b)
    await clock.advance(10_000)
    expect(state.connected).toEqual([b])
    const count = dials.length
    await clock.advance(20_000)
    expect(dials).toHaveLength(count)
    await strategy.stop()
    expect(clock.timers).toBe(0)
  })

  it('starts again when this peer has no connection any more', async () => {
    const { clock, dials, state, strategy } = await startBootstrap({ addresses: [first] }, [
      [first, b]
    ])
    await clock.advance(5_000)
    expect(dials).toHaveLength(1)
    state.connected = []
    await clock.advance(1_100)
    expect(dials).toHaveLength(2)
    expect(state.connected).toEqual([b])
    await strategy.stop()
  })

  it('dials the missing ones of the list once in a while, though connected', async () => {
    const { clock, up, found, dials, strategy } = await startBootstrap(
      { addresses: [first, second], refreshMs: 30_000 },
      [[first, b]]
    )
    await clock.advance(5_000)
    up.set(second, c)
    await clock.advance(50_000)
    expect(found.map(({ peer }) => peer)).toEqual([b, c])
    expect(dials.filter(({ address }) => address === first)).toHaveLength(1)
    await strategy.stop()
  })

  it('leaves out its own address', async () => {
    const { clock, dials, strategy } = await startBootstrap(
      { addresses: [first, `${second}/p2p/${self}`] },
      [[first, self]]
    )
    await clock.advance(60_000)
    expect(dials.map(({ address }) => address)).toEqual([first])
    await strategy.stop()
  })

  it('dials nothing after stop', async () => {
    const { clock, dials, strategy } = await startBootstrap({ addresses: [first] })
    await strategy.stop()
    const count = dials.length
    await clock.advance(60_000)
    expect(dials).toHaveLength(count)
  })

  it('goes on with the others while one address swallows packets', async () => {
    const host = createHost()
    host.swallowing.add(second)
    const strategy = bootstrap({ addresses: [first, second] })(host.components)
    await host.start(strategy)
    await host.clock.advance(3_000)
    const dialled = (address: string) => host.dials.filter((dial) => dial.address === address)
    expect(dialled(first).length).toBeGreaterThan(3)
    expect(dialled(second)).toHaveLength(1)
    host.up.set(first, b)
    await host.clock.advance(6_000)
    expect(host.found).toEqual([{ peer: b, addresses: [first] }])
    await strategy.stop()
    expect(host.dropped).toEqual([second])
    expect(host.clock.timers).toBe(0)
  })

  it('refuses an empty list, a long one, and what is no multiaddr', () => {
    for (const addresses of [[], Array(65).fill(first), ['example.org:4001'], [`${first}/p2p/x`]]) {
      expect(() => bootstrap({ addresses })).toThrow()
    }
  })
})

describe('mdns', () => {
  it('reports what the module finds, between start and stop', async () => {
    const calls: string[] = []
    const names: string[] = []
    class FakeMdns extends TypedEventEmitter<PeerDiscoveryEvents> implements PeerDiscovery {
      readonly [peerDiscoverySymbol] = this
      start(): void {
        calls.push('start')
      }
      stop(): void {
        calls.push('stop')
      }
    }
    let module: FakeMdns | undefined
    const strategy = mdns({
      serviceTag: '_test._udp.local',
      create: (init) => (components) => {
        names.push(init.serviceTag, init.peerName)
        expect(components.addressManager.getAddresses()).toEqual([])
        module = new FakeMdns()
        return module
      }
    })
    const host = createHost()
    const made = strategy(host.components)
    await host.start(made)
    const detail = { id: peerIdFromString(b), multiaddrs: [multiaddr(first)] }
    module?.safeDispatchEvent('peer', { detail })
    expect(host.found).toEqual([{ peer: b, addresses: [first] }])
    await made.stop()
    module?.safeDispatchEvent('peer', { detail })
    expect(host.found).toHaveLength(1)
    expect(calls).toEqual(['start', 'stop'])
    expect(names[0]).toBe('_test._udp.local')
    // One DNS label.
    expect(names[1]).toMatch(/^[0-9a-f]{32}$/)
  })

  it('refuses an interval that would flood the network', () => {
    expect(() => mdns({ intervalMs: 1 })).toThrow(/intervalMs/)
  })
})

describe('fixed', () => {
  it('reports its peers at once', async () => {
    const host = createHost()
    const strategy = fixed([{ peer: b, addresses: [first] }])(host.components)
    await host.start(strategy)
    expect(host.found).toEqual([{ peer: b, addresses: [first] }])
    await strategy.stop()
    expect(host.clock.timers).toBe(0)
  })
})

describe('environment', () => {
  it('takes addresses between white space and commas, and those that are set later', async () => {
    const host = createHost()
    host.up.set(first, b)
    const from: Record<string, string> = {}
    const strategy = environment({ variable: 'PEERS', from })(host.components)
    await host.start(strategy)
    await host.clock.advance(1_000)
    expect(host.dials).toEqual([])
    from.PEERS = `${first}, ${second}/p2p/${c}\n`
    await host.clock.advance(20_000)
    expect(host.found).toContainEqual({ peer: b, addresses: [first] })
    expect(host.found).toContainEqual({ peer: c, addresses: [`${second}/p2p/${c}`] })
    await strategy.stop()
  })

  it('leaves out what is no multiaddr, and keeps the last list when the text is broken', async () => {
    const host = createHost()
    const from: Record<string, string> = { PEERS: `nonsense /ip4/1.2.3.4/tcp/1/p2p/xyz ${first}` }
    const strategy = environment({ variable: 'PEERS', from })(host.components)
    await host.start(strategy)
    await host.clock.advance(1_000)
    expect(new Set(host.dials.map(({ address }) => address))).toEqual(new Set([first]))
    from.PEERS = '["half a'
    host.dials.length = 0
    await host.clock.advance(20_000)
    expect(new Set(host.dials.map(({ address }) => address))).toEqual(new Set([first]))
    await strategy.stop()
  })

  it('dials an address again after ten minutes, because another peer may have it by then', async () => {
    const host = createHost()
    host.up.set(first, b)
    const strategy = environment({ from: { MURMURATION_BOOTSTRAP: first } })(host.components)
    await host.start(strategy)
    await host.clock.advance(1_000)
    host.up.set(first, c)
    await host.clock.advance(500_000)
    expect(host.found.map(({ peer }) => peer)).toEqual([b])
    await host.clock.advance(400_000)
    expect(host.found.map(({ peer }) => peer)).toEqual([b, c])
    await strategy.stop()
  })

  it('refuses an empty name', () => {
    expect(() => environment({ variable: '' })).toThrow(/name/)
  })
})

describe('dns', () => {
  it('refuses no question, wrong names, ports and servers', () => {
    expect(() => dns({ questions: [] })).toThrow(/questions/)
    expect(() => dns({ questions: [{ service: 'a b' }] })).toThrow(/domain name/)
    expect(() => dns({ questions: [{ host: 'peers', port: 0 }] })).toThrow(/port/)
    expect(() => dns({ questions: [{ dnsaddr: 'peers' }], servers: ['nobody'] })).toThrow(/servers/)
  })
})

describe('a list', () => {
  it('that changes is followed at once, though a dial is under way, which ends if its address left', async () => {
    const host = createHost()
    host.swallowing.add(first).add(third)
    host.up.set(second, b)
    let listed = [first, third]
    let changed = (): void => {}
    const list = {
      name: 'own',
      read: () => listed,
      watch: (tell: () => void) => {
        changed = tell
        return () => {}
      }
    }
    const strategy = new ListedAddresses(host.components, list, timesOf({}))
    await host.start(strategy)
    await host.clock.advance(1)
    listed = [second, third]
    changed()
    await host.clock.advance(1)
    expect(host.found).toEqual([{ peer: b, addresses: [second] }])
    expect(host.dropped).toEqual([first])
    strategy.stop()
    await host.clock.advance(1)
    expect(host.dropped).toEqual([first, third])
  })
})

describe('kademlia', () => {
  it('takes at most 256 peers of one walk, without addresses none, and goes on after a failure', async () => {
    const host = createHost()
    const many = await createPeers(300)
    let walks = 0
    const strategy = kademlia({
      dht: {
        async *getClosestPeers() {
          walks++
          if (walks === 1) throw new Error('no walk now')
          const closer = [self, ...many].map((peer, index) => ({
            id: peerIdFromString(peer),
            multiaddrs: index === 1 ? [] : [multiaddr(first)]
          }))
          // Only what the strategy reads of an event is there.
          yield { name: 'PEER_RESPONSE', closer } as unknown as QueryEvent
        }
      }
    })(host.components)
    await host.start(strategy)
    await host.clock.advance(5_000)
    expect(walks).toBeGreaterThan(1)
    const peers = new Set(host.found.map(({ peer }) => peer))
    expect(peers.size).toBe(255)
    expect(peers.has(self)).toBe(false)
    await strategy.stop()
    expect(host.clock.timers).toBe(0)
  })

  it('walks again soon after a walk that found nobody, and ever more rarely', async () => {
    const host = createHost()
    const at: number[] = []
    const strategy = kademlia({
      dht: {
        // The one that is connected has not got the others in its table yet.
        async *getClosestPeers() {
          at.push(host.clock.monotonic())
          yield* []
        }
      }
    })(host.components)
    host.state.connected = [b]
    await host.start(strategy)
    await host.clock.advance(10_000)
    expect(at.length).toBeGreaterThanOrEqual(3)
    await host.clock.advance(590_000)
    expect(at.length).toBeLessThan(25)
    const last = at.slice(-3)
    expect((last[2] ?? 0) - (last[0] ?? 0)).toBeGreaterThan(60_000)
    await strategy.stop()
  })

  it('walks again soon when somebody was connected since the last walk', async () => {
    const host = createHost()
    const at: number[] = []
    const strategy = kademlia({
      dht: {
        async *getClosestPeers() {
          at.push(host.clock.monotonic())
          yield* []
        }
      }
    })(host.components)
    host.state.connected = [b]
    await host.start(strategy)
    await host.clock.advance(300_000)
    const before = at.length
    host.state.connected = [b, c]
    await host.clock.advance(100_000)
    // The walk that was due, and those that follow: after 1 s, 2 s, 4 s, and so on, each by half more or less.
    expect(at.length - before).toBeGreaterThanOrEqual(4)
    await strategy.stop()
  })

  it('tells of a peer when it is named, and not when the walk is over', async () => {
    const host = createHost()
    const strategy = kademlia({
      dht: {
        async *getClosestPeers() {
          const closer = [{ id: peerIdFromString(c), multiaddrs: [multiaddr(second)] }]
          // Only what the strategy reads of an event is there.
          yield { name: 'PEER_RESPONSE', closer } as unknown as QueryEvent
          await new Promise(() => {})
        }
      }
    })(host.components)
    host.state.connected = [b]
    await host.start(strategy)
    await host.clock.advance(100)
    expect(host.found).toEqual([{ peer: c, addresses: [second] }])
    await strategy.stop()
  })
})
