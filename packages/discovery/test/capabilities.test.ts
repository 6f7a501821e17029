import { encode } from '@murmuration/codec'
import { DeadlineExceededError, PeerUnavailableError } from '@murmuration/interface'
import type { Discovery, OfferedAction } from '@murmuration/interface'
import { afterEach, describe, expect, it } from 'vitest'
import { createDiscovery } from '../src/index.ts'
import { SELECT_PATIENCE_MS } from '../src/defaults.ts'
import { createPeers, FakeNode, FakeRpc } from './fake-node.ts'
import { createSeededRandom, createVirtualClock } from './virtual-time.ts'

const peers = await createPeers(4)
const [a = '', b = '', c = '', d = ''] = peers
const add: OfferedAction = { name: 'station.add', version: '1.0.0', description: 'adds' }
const schema = { type: 'object', properties: { n: { type: 'number' } } }
const running: Discovery[] = []

/** Peers that are all connected to each other, in memory. */
async function setUp() {
  const clock = createVirtualClock()
  const network = new Map<string, FakeRpc>()
  const members = await Promise.all(
    peers.map(async (peer, index) => {
      const node = new FakeNode(peer)
      for (const other of peers.filter((one) => one !== peer)) node.connect(other)
      const rpc = new FakeRpc(peer, network)
      const { peerId, events, connectionManager, peerStore, addressManager, logger } = node
      const parts = { peerId, events, connectionManager, peerStore, addressManager, logger }
      const random = createSeededRandom(index)
      const discovery = createDiscovery({ ...parts, rpc, clock, random })
      await discovery.start()
      running.push(discovery)
      return { node, rpc, discovery }
    })
  )
  const [first, second, third] = members
  if (first === undefined || second === undefined || third === undefined)
    throw new Error('no peers')
  return { clock, network, members, first, second, third }
}

afterEach(async () => {
  await Promise.all(running.splice(0).map(async (discovery) => discovery.stop()))
})

describe('actions', () => {
  it('merges equal actions of all peers, the own one included, and orders them', async () => {
    const { first, second, third } = await setUp()
    first.discovery.offer([add])
    second.discovery.offer([
      { ...add, inputSchema: schema },
      { name: 'a.b', version: '2' }
    ])
    third.discovery.offer([{ ...add, version: '1.1.0' }])
    expect(await first.discovery.actions()).toEqual({
      answers: [
        { name: 'a.b', version: '2', peers: [b] },
        { ...add, inputSchema: schema, peers: [a, b] },
        { ...add, version: '1.1.0', peers: [c] }
      ],
      silent: []
    })
  })

  it('gives what came and names who was silent, within the timeout of one peer', async () => {
    const { clock, first, second, network } = await setUp()
    second.discovery.offer([add])
    first.rpc.before = async (peer) => {
      if (peer === c) await new Promise(() => {})
      if (peer === d) throw new PeerUnavailableError('gone')
    }
    network.get(b)?.handlers.get('discovery.offers')
    const asked = first.discovery.actions({ timeoutMs: 250 })
    await clock.advance(250)
    const { answers, silent } = await asked
    expect(answers.map(({ name, peers: by }) => [name, by])).toEqual([['station.add', [b]]])
    expect(silent).toEqual([c, d])
  })

  it('counts nonsense and deadlines as silence', async () => {
    const { first, network } = await setUp()
    network.get(b)?.handle('discovery.offers', () => Uint8Array.of(1, 2, 3))
    network.get(c)?.handle('discovery.offers', () => {
      throw new DeadlineExceededError('late')
    })
    expect((await first.discovery.actions()).silent).toEqual([b, c])
  })

  it('takes a peer that does not know the method for one that offers nothing', async () => {
    const { first, network } = await setUp()
    network.get(b)?.handlers.clear()
    expect(await first.discovery.actions()).toEqual({ answers: [], silent: [] })
  })

  it('names a kept peer without a connection as silent at once', async () => {
    const { first } = await setUp()
    const [stranger = ''] = await createPeers(1)
    first.discovery.keep([{ peer: stranger, addresses: [] }])
    expect((await first.discovery.actions()).silent).toEqual([stranger])
  })

  it('rejects with AbortedError when the signal fires', async () => {
    const { clock, first } = await setUp()
    first.rpc.before = async () => new Promise(() => {})
    const controller = new AbortController()
    const asked = expect(
      first.discovery.actions({ signal: controller.signal })
    ).rejects.toMatchObject({ name: 'AbortedError' })
    await clock.advance(10)
    controller.abort()
    await asked
  })

  it('does not send an unchanged offer twice, and sees every change', async () => {
    const { first, second } = await setUp()
    const actions = Array.from({ length: 100 }, (_, index) => ({
      ...add,
      name: `station.a${index}`
    }))
    second.discovery.offer(actions)
    await first.discovery.actions()
    const before = first.rpc.bytes
    expect((await first.discovery.actions()).answers).toHaveLength(100)
    expect(first.rpc.bytes - before).toBeLessThan(300)
    second.discovery.offer([add])
    expect((await first.discovery.actions()).answers).toHaveLength(1)
    second.discovery.offer([])
    expect((await first.discovery.actions()).answers).toEqual([])
  })

  it('forgets the offer of an earlier life of a peer', async () => {
    const { clock, network, first, members } = await setUp()
    members[1]?.discovery.offer([add])
    expect((await first.discovery.actions()).answers).toHaveLength(1)
    await members[1]?.discovery.stop()
    const node = new FakeNode(b)
    const { peerId, events, connectionManager, peerStore, addressManager, logger } = node
    const parts = { peerId, events, connectionManager, peerStore, addressManager, logger }
    const rpc = new FakeRpc(b, network)
    const again = createDiscovery({ ...parts, rpc, clock, random: createSeededRandom(99) })
    await again.start()
    running.push(again)
    expect((await first.discovery.actions()).answers).toEqual([])
  })
})

describe('offer', () => {
  it('refuses what is too long, unnamed, twice or not to be encoded, and keeps the old offer', async () => {
    const { first } = await setUp()
    first.discovery.offer([add])
    const wrong: OfferedAction[][] = [
      [{ ...add, name: '' }],
      [add, { ...add }],
      [{ ...add, name: 'x'.repeat(300) }],
      [{ ...add, inputSchema: () => {} }],
      Array.from({ length: 1_025 }, (_, index) => ({ name: `n${index}`, version: '1' })),
      Array.from({ length: 1_000 }, (_, index) => ({
        name: `n${index}`,
        version: '1',
        description: 'x'.repeat(4_000)
      }))
    ]
    for (const actions of wrong) {
      expect(() => first.discovery.offer(actions)).toThrow()
    }
    expect(() => first.discovery.offer([add], { zone: 'x'.repeat(300) })).toThrow(/zone/)
    expect((await first.discovery.actions()).answers).toEqual([{ ...add, peers: [a] }])
  })

  it('is not changed by changing the object afterwards', async () => {
    const { first } = await setUp()
    const labels: Record<string, string> = { zone: 'north' }
    first.discovery.offer([], labels)
    labels['zone'] = 'south'
    const found = await first.discovery.findCapablePeers([], { labels: { zone: 'north' } })
    expect(found.answers).toEqual([a])
  })
})

describe('findCapablePeers', () => {
  it('finds the peers that offer all of the actions and have all of the labels', async () => {
    const { first, second, third } = await setUp()
    const remove = { name: 'station.remove', version: '1.0.0' }
    first.discovery.offer([add, remove], { zone: 'north', disk: 'ssd' })
    second.discovery.offer([add, remove], { zone: 'south', disk: 'ssd' })
    third.discovery.offer([add], { zone: 'north' })
    const ask = async (names: string[], labels?: Record<string, string>) =>
      (await first.discovery.findCapablePeers(names, labels ? { labels } : {})).answers
    expect(await ask(['station.add'])).toEqual([a, b, c])
    expect(await ask(['station.add', 'station.remove'])).toEqual([a, b])
    expect(await ask(['station.add'], { zone: 'north' })).toEqual([a, c])
    expect(await ask(['station.add', 'station.remove'], { zone: 'north', disk: 'ssd' })).toEqual([
      a
    ])
    expect(await ask(['station.add'], { toString: 'x' })).toEqual([])
    expect(await ask([])).toEqual(peers)
    expect(await ask(['station.fly'])).toEqual([])
  })
})

describe('schemas and labels', () => {
  it('are shown where peers disagree, and the order of keys is no disagreement', async () => {
    const { first, second, third } = await setUp()
    const other = { properties: { n: { type: 'number' } }, type: 'object' }
    first.discovery.offer([{ ...add, inputSchema: schema }])
    second.discovery.offer([{ ...add, inputSchema: other }])
    expect((await first.discovery.actions()).answers[0]).not.toHaveProperty('disagreeing')
    third.discovery.offer([{ ...add, inputSchema: { type: 'string' } }])
    expect((await first.discovery.actions()).answers).toEqual([
      {
        ...add,
        inputSchema: schema,
        peers: [a, b, c],
        disagreeing: [
          { inputSchema: schema, peers: [a, b] },
          { inputSchema: { type: 'string' }, peers: [c] }
        ]
      }
    ])
  })

  it('of an action count for each of the asked actions', async () => {
    const { first, second, third } = await setUp()
    second.discovery.offer([{ ...add, labels: { gpu: 'yes' }, cost: 4 }])
    third.discovery.offer([add, { name: 'x.y', version: '1', labels: { gpu: 'yes' } }])
    const labels = { gpu: 'yes' }
    const capable = await first.discovery.findCapablePeers(['station.add'], { labels })
    expect(capable.answers).toEqual([b])
    const { answers } = await first.discovery.actions()
    expect(answers.find(({ name }) => name === 'station.add')).toMatchObject({ cost: 4 })
  })

  it('with a schema that is no JSON are refused here, and of others taken without it', async () => {
    const { first, network } = await setUp()
    for (const maximum of [5n, Uint8Array.of(1)]) {
      const action = { ...add, inputSchema: { properties: { n: { maximum } } } }
      expect(() => first.discovery.offer([action])).toThrow(/schema/)
      const offer = { tag: 't', unchanged: false, labels: {}, actions: [action] }
      network.get(b)?.handle('discovery.offers', () => encode(offer))
      expect((await first.discovery.actions()).answers).toEqual([{ ...add, peers: [b] }])
    }
  })

  it('of a cost that is none refuse the offer here, and are left out of what others say', async () => {
    const { first, network } = await setUp()
    expect(() => first.discovery.offer([{ ...add, cost: 0 }])).toThrow(/cost/)
    const offer = { tag: 't', unchanged: false, labels: {}, actions: [{ ...add, cost: -1 }] }
    network.get(b)?.handle('discovery.offers', () => encode(offer))
    expect((await first.discovery.actions()).answers).toEqual([{ ...add, peers: [b] }])
  })
})

describe('the event capabilities', () => {
  it('tells what a peer offers newly and no longer, and that a peer is gone', async () => {
    const { clock, first, second } = await setUp()
    const changes: unknown[] = []
    first.discovery.addEventListener('capabilities', ({ detail }) => changes.push(detail))
    second.discovery.offer([add])
    await clock.advance(1_000)
    second.discovery.offer([{ name: 'a.b', version: '1' }])
    second.discovery.offer([{ name: 'a.c', version: '1' }])
    await clock.advance(1_000)
    for (const connection of first.node.open.filter((one) => one.remotePeer.toString() === b)) {
      connection.abort(new Error('gone'))
    }
    await clock.advance(10)
    const same = { peer: b, changed: [], relabelled: false }
    expect(changes).toEqual([
      { ...same, added: ['station.add'], removed: [] },
      { ...same, added: ['a.c'], removed: ['station.add'] },
      { ...same, added: [], removed: ['a.c'] }
    ])
  })

  it('tells that an offer has another schema, cost, description or labels only', async () => {
    const { clock, first, second } = await setUp()
    const changes: unknown[] = []
    first.discovery.addEventListener('capabilities', ({ detail }) => changes.push(detail))
    const none = { peer: b, added: [], removed: [], changed: [], relabelled: false }
    const other = { name: 'a.b', version: '1' }
    const tell = async (action: OfferedAction, labels = {}): Promise<unknown> => {
      second.discovery.offer([action, other], labels)
      await clock.advance(1_000)
      return changes.splice(0)
    }
    const changed = [{ ...none, changed: ['station.add'] }]
    expect(await tell(add)).toEqual([{ ...none, added: ['a.b', 'station.add'] }])
    const typed = { ...add, inputSchema: schema }
    expect(await tell(typed)).toEqual(changed)
    // In another order it is the same schema.
    const { properties, type } = schema
    expect(await tell({ ...add, inputSchema: { properties, type } })).toEqual([])
    expect(await tell({ ...typed, cost: 4 })).toEqual(changed)
    expect(await tell({ ...typed, cost: 4, labels: { gpu: 'a' } })).toEqual(changed)
    expect(await tell({ ...typed, cost: 4 }, { zone: 'north' })).toEqual([
      { ...none, changed: ['station.add'], relabelled: true }
    ])
    expect(await tell({ ...typed, cost: 4 }, { zone: 'south' })).toEqual([
      { ...none, relabelled: true }
    ])
  })

  it('asks a peer that says so all the time at most four times a second', async () => {
    const { clock, first, network } = await setUp()
    await clock.advance(1_000)
    let asked = 0
    network.get(b)?.handle('discovery.offers', () => {
      asked++
      return encode({ tag: 't', unchanged: false, labels: {}, actions: [] })
    })
    for (let turn = 0; turn < 1_000; turn++) {
      await network.get(b)?.call(a, 'discovery.changed', encode({}))
      await clock.advance(1)
    }
    expect(asked).toBeLessThanOrEqual(4)
    expect(first.discovery.connected()).toContain(b)
  })
})

describe('selectPeer', () => {
  it('prefers the less loaded of those that offer it, and does not ask again within a second', async () => {
    const { clock, first, second, third } = await setUp()
    for (const { discovery } of [second, third]) discovery.offer([add])
    second.discovery.reportLoad(8)
    third.discovery.reportLoad(0.1)
    await clock.advance(1_000)
    const picks: string[] = []
    const before = first.rpc.calls
    for (let pick = 0; pick < 20; pick++) {
      picks.push(await first.discovery.selectPeer({ actions: ['station.add'] }))
    }
    expect(new Set(picks)).toEqual(new Set([c]))
    expect(first.rpc.calls - before).toBe(2)
  })

  it('leaves out who is silent, and says UnavailableError when nobody is left', async () => {
    const { clock, first, second, third } = await setUp()
    for (const { discovery } of [second, third]) discovery.offer([add])
    await clock.advance(1_000)
    first.rpc.before = async (peer) => {
      if (peer === c) throw new PeerUnavailableError('gone')
    }
    expect(await first.discovery.selectPeer({ actions: ['station.add'] })).toBe(b)
    const nobody = { name: 'UnavailableError' }
    await expect(
      first.discovery.selectPeer({ actions: ['station.add'], among: [c] })
    ).rejects.toMatchObject(nobody)
    await expect(first.discovery.selectPeer({ actions: ['no.such'] })).rejects.toMatchObject(nobody)
  })

  it('loses little time to a frozen peer, asks it once a second, and takes it again', async () => {
    const { clock, first, members } = await setUp()
    for (const { discovery } of members.slice(1)) discovery.offer([add])
    await clock.advance(2_000)
    let asked = 0
    first.rpc.before = async (peer) => {
      if (peer === c) {
        asked++
        await new Promise(() => {})
      }
    }
    const pick = async (): Promise<{ peer: string; ms: number }> => {
      const from = clock.monotonic()
      const chosen = first.discovery.selectPeer({ actions: ['station.add'] })
      const done = chosen.then(() => clock.monotonic() - from)
      await clock.advance(150)
      return { peer: await chosen, ms: await done }
    }
    const picks: { peer: string; ms: number }[] = []
    for (let at = 0; at < 100; at++) picks.push(await pick())
    expect(picks.every(({ peer }) => peer !== c)).toBe(true)
    expect(Math.max(...picks.map(({ ms }) => ms))).toBe(SELECT_PATIENCE_MS)
    // In fifteen seconds; each costs one choice the patience.
    expect(asked).toBeGreaterThan(5)
    expect(asked).toBeLessThanOrEqual(15)
    expect(picks.filter(({ ms }) => ms > 0).length).toBeLessThanOrEqual(asked)
    first.rpc.before = undefined
    const later: string[] = []
    for (let at = 0; at < 100; at++) later.push((await pick()).peer)
    expect(later).toContain(c)
  })

  it('asks who was silent where nobody else is left', async () => {
    const { clock, first, second } = await setUp()
    second.discovery.offer([add])
    await clock.advance(1_000)
    first.rpc.before = async () => {
      throw new PeerUnavailableError('gone')
    }
    const only = { actions: ['station.add'], among: [b] }
    await expect(first.discovery.selectPeer(only)).rejects.toThrow()
    first.rpc.before = undefined
    expect(await first.discovery.selectPeer(only)).toBe(b)
  })

  it('does not wait for the offer of a frozen peer where others are known to be capable', async () => {
    const { clock, first, second, network } = await setUp()
    network.get(c)?.handle('discovery.offers', async () => new Promise(() => {}))
    second.discovery.offer([add])
    await clock.advance(1_000)
    const from = clock.monotonic()
    expect(await first.discovery.selectPeer({ actions: ['station.add'] })).toBe(b)
    expect(clock.monotonic()).toBe(from)
    // Nobody else is known to be capable but this peer itself: the frozen one has a short time to say so.
    first.discovery.offer([{ name: 'a.b', version: '1' }])
    const chosen = first.discovery.selectPeer({ actions: ['a.b'] })
    await clock.advance(SELECT_PATIENCE_MS)
    expect(await chosen).toBe(a)
    expect(clock.monotonic() - from).toBe(SELECT_PATIENCE_MS)
  })

  it('refuses a load that is none', async () => {
    const { first } = await setUp()
    expect(() => first.discovery.reportLoad(-1)).toThrow(/load/)
    expect(() => first.discovery.reportLoad(Number.NaN)).toThrow(/load/)
  })
})
