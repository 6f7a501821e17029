import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Connection } from '@libp2p/interface'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { afterEach, describe, expect, it } from 'vitest'
import { topicName, topicNumber } from '../src/core/pattern.ts'
import { Batch, encodeSignal } from '../src/core/wire.ts'
import { createSignalSigner } from '../src/index.ts'
import type { Order, Reply } from './member-process.ts'
import { at, connectAll, createMesh, createNode, peerOf, stopAll, until } from './nodes.ts'
import type { Node } from './nodes.ts'

const topic = topicName('default', topicNumber('order'))
let nodes: Node[] = []

afterEach(async () => {
  await stopAll(nodes)
  nodes = []
})

/** Collects `data` of what each node gets. */
function listen(listeners: readonly Node[], pattern: string): unknown[][] {
  return listeners.map((node) => {
    const got: unknown[] = []
    node.services.signals.subscribe(pattern, (signal) => void got.push(signal.data))
    return got
  })
}

describe('five peers', () => {
  it('get every signal they listen to once, in order, and no other', async () => {
    nodes = await createMesh(5)
    const got = listen(nodes.slice(1), 'order.*')
    const other = listen(nodes, 'metrics.**')
    const publisher = at(nodes, 0)
    const data = Array.from({ length: 200 }, (_, index) => index)
    for (const each of data) {
      const result = await publisher.services.signals.publish({
        type: 'order.created',
        data: each
      })
      expect(result.accepted).toBe(true)
    }
    await until('all signals', () => got.every((list) => list.length >= 200))
    expect(got).toEqual(got.map(() => data))
    expect(other.flat()).toEqual([])
    const result = await publisher.services.signals.publish({ type: 'order.created' })
    expect(result.recipients.toSorted()).toEqual(nodes.slice(1).map(peerOf).toSorted())
    expect(result.dropped).toEqual([])
  })

  it('acknowledge targeted signals, and a stopped one is named with its reason', async () => {
    nodes = await createMesh(5)
    const got = listen(nodes, 'order.*')
    const publisher = at(nodes, 0)
    const others = nodes.slice(1)
    const route = { targeted: others.map(peerOf) }
    const all = await publisher.services.signals.publish(
      { type: 'order.created', data: 1 },
      { route }
    )
    expect(all.recipients.toSorted()).toEqual(others.map(peerOf).toSorted())
    await at(others, 3).stop()
    const some = await publisher.services.signals.publish(
      { type: 'order.created', data: 2 },
      { route, timeoutMs: 3000 }
    )
    expect(some.accepted).toBe(true)
    expect(some.recipients.toSorted()).toEqual(others.slice(0, 3).map(peerOf).toSorted())
    expect(some.dropped).toEqual([{ peer: peerOf(at(others, 3)), reason: expect.any(String) }])
    await until('deliveries', () => got.slice(1, 4).every((list) => list.length === 2))
    expect(got).toEqual([[], [1, 2], [1, 2], [1, 2], [1]])
  })

  it('take nothing forged, changed, replayed, or meant for another topic or cluster', async () => {
    const privateKey = await generateKeyPair('Ed25519')
    nodes = await Promise.all([
      createNode({ privateKey }),
      ...Array.from({ length: 4 }, () => createNode())
    ])
    await connectAll(nodes)
    const attacker = at(nodes, 0)
    const author = at(nodes, 1)
    const receivers = nodes.slice(2)
    const got = listen(receivers, 'order.*')
    const captured: Uint8Array[] = []
    attacker.services.pubsub.addEventListener('message', ({ detail }) => {
      captured.push(detail.data)
    })
    // Without its bus, which takes what it need not send on, and says nothing of it.
    attacker.services.pubsub.subscribe(topic)
    await author.services.signals.publish({ type: 'order.created', data: 'honest' })
    await until('the honest signal', () => got.every((list) => list.length === 1))
    await until('its capture', () => captured.length > 0)

    const honest = at(captured, 0)
    const changed = Uint8Array.from(honest)
    changed[changed.length - 10] = (changed[changed.length - 10] ?? 0) ^ 1
    const signer = createSignalSigner({ privateKey, clock: Date })
    const seal = (change: Partial<Batch>): Promise<Uint8Array> | Uint8Array => {
      const data = encodeSignal({
        specversion: '1.0',
        id: '1',
        source: '/x',
        type: 'order.created',
        data: 'bad'
      })
      const batch = { cluster: 'default', channel: topic, boot: 1, first: 1, since: 1, attempt: 0 }
      return signer.seal(Batch.encode({ ...batch, signals: [data], ...change }), 1)
    }
    const other = topicName('default', (topicNumber('order') + 1) % 16)
    for (const receiver of receivers) {
      receiver.services.signals.subscribe('**', () => undefined)
    }
    const { pubsub } = attacker.services
    await until('the other topic', () => pubsub.getSubscribers(other).length === receivers.length)
    await pubsub.publish(topic, changed)
    await pubsub.publish(topic, await seal({ cluster: 'other' }))
    await pubsub.publish(topic, await seal({ channel: other }))
    await pubsub.publish(topic, new Uint8Array(300_000))
    await pubsub.publish(other, honest)
    await until('rejections', () =>
      receivers.every((receiver) => {
        const counters = receiver.services.signals.counters()
        return (
          counters['rejected:forged'] === 1 &&
          counters['rejected:other-cluster'] === 1 &&
          counters['rejected:other-channel'] === 2 &&
          counters['rejected:oversized'] === 1
        )
      })
    )
    await author.services.signals.publish({ type: 'order.created', data: 'still here' })
    await until('the next honest signal', () => got.every((list) => list.length >= 2))
    expect(got).toEqual(got.map(() => ['honest', 'still here']))
  })

  it('do not lose the first signal after a subscription', async () => {
    nodes = await createMesh(5)
    await until('connections', () =>
      nodes.every((node) => node.services.pubsub.getPeers().length === 4)
    )
    for (let round = 0; round < 8; round += 1) {
      // Each round uses another topic, so that nobody has joined it before.
      const type = `round${round}.created`
      const got = listen(nodes.slice(1), `round${round}.*`)
      await at(nodes, 0).services.signals.publish({ type, data: round })
      await until(`signal of round ${round}`, () => got.every((list) => list.length > 0), 3000)
      expect(got).toEqual(got.map(() => [round]))
    }
  })

  it('do not lose what is published while a peer is being connected', async () => {
    nodes = [await createNode(), await createNode()]
    const a = at(nodes, 0)
    const b = at(nodes, 1)
    const got = at(listen([b], 'order.*'), 0)
    await a.dial(b.getMultiaddrs())
    for (let data = 0; data < 20; data += 1) {
      await a.services.signals.publish({ type: 'order.created', data })
    }
    await until('all signals', () => got.length === 20, 5000)
    expect(got.toSorted((x, y) => Number(x) - Number(y))).toEqual(
      Array.from({ length: 20 }, (_, i) => i)
    )
  })
})

describe('a peer that is connected to one other only', () => {
  it('gets what is published anywhere, and what it publishes gets everywhere', async () => {
    nodes = await createMesh(3)
    const far = await createNode()
    let isGrafted = false
    far.services.pubsub.addEventListener('gossipsub:graft', () => {
      isGrafted = true
    })
    await far.dial(at(nodes, 2).getMultiaddrs())
    nodes.push(far)
    const got = listen(nodes, 'order.*')
    const expected = [3, 3, 3, 1]
    await until('subscriptions', () =>
      nodes.every(
        ({ services }, index) =>
          services.pubsub.getSubscribers(topic).length === (index < 2 ? 2 : expected[index])
      )
    )
    await until('a place in the mesh', () => isGrafted)
    const sent: string[] = []
    for (let round = 0; round < 5; round += 1) {
      for (const [index, node] of nodes.entries()) {
        sent.push(`${index}/${round}`)
        await node.services.signals.publish({ type: 'order.created', data: `${index}/${round}` })
      }
    }
    // Faster than comparing logs would find it.
    await until('all signals', () => got.every((list) => list.length >= sent.length), 1500)
    for (const list of got) {
      expect(list).toHaveLength(sent.length)
      expect(new Set(list)).toEqual(new Set(sent))
    }
  })
})

describe('a burst that is larger than all buffers', () => {
  it('arrives whole, because the publisher is held back', async () => {
    nodes = await createMesh(3)
    const publisher = at(nodes, 0).services
    let arrived = 0
    for (const node of nodes.slice(1)) {
      node.services.signals.subscribe('order.*', () => void (arrived += 1), { queueMax: 65_536 })
    }
    await until('subscriptions', () => publisher.pubsub.getSubscribers(topic).length === 2)
    // 16 MB, twice what a stream may buffer before it is aborted.
    const data = new Uint8Array(50_000)
    for (let round = 0; round < 8; round += 1) {
      const results = await Promise.all(
        Array.from({ length: 40 }, () => publisher.signals.publish({ type: 'order.created', data }))
      )
      expect(results.every(({ recipients }) => recipients.length === 2)).toBe(true)
    }
    await until('all signals', () => arrived === 2 * 8 * 40, 30_000)
    expect(publisher.signals.counters()).not.toHaveProperty('reconnect')
  })
})

describe('sixteen processes behind one address', () => {
  it('get all of what each of them publishes, in order', async () => {
    const script = new URL('member-process.ts', import.meta.url)
    const members = Array.from({ length: 16 }, () => fork(script))
    const next = async (member: ChildProcess): Promise<Reply> => {
      // What `member-process.ts` sends.
      const [reply] = (await once(member, 'message')) as [Reply]
      return reply
    }
    const tell = async (member: ChildProcess, order: Order): Promise<Reply> => {
      const reply = next(member)
      member.send(order)
      return await reply
    }
    try {
      const addresses = (await Promise.all(members.map(next))).map(({ address }) => address ?? '')
      for (const [index, member] of members.entries()) {
        await tell(member, { kind: 'dial', addresses: addresses.slice(0, index) })
      }
      await Promise.all(members.map((member) => tell(member, { kind: 'meet', listeners: 15 })))
      const count = 10
      await Promise.all(
        members.map((member, from) => tell(member, { kind: 'publish', from, count }))
      )
      const wanted = members.flatMap((_, from) =>
        Array.from({ length: count }, (_order, number) => `${from}/${number}`)
      )
      const reports = (): Promise<(readonly unknown[])[]> =>
        Promise.all(members.map(async (each) => (await tell(each, { kind: 'report' })).got ?? []))
      let got = await reports()
      const late = performance.now() + 30_000
      while (got.some((list) => list.length < wanted.length) && performance.now() < late) {
        await new Promise((resolve) => setTimeout(resolve, 100))
        got = await reports()
      }
      for (const list of got) {
        const byAuthor = members.flatMap((_, from) =>
          list.filter((each) => String(each).startsWith(`${from}/`))
        )
        expect(byAuthor).toEqual(wanted)
      }
    } finally {
      for (const member of members) member.kill('SIGKILL')
    }
    // Sixteen starts and 120 handshakes are 40 s of processor time.
  }, 120_000)
})

describe('two connections of which the one with the gossip stream closes', () => {
  it('do not mute a peer for ever', async () => {
    nodes = [await createNode(), await createNode()]
    const a = at(nodes, 0)
    const b = at(nodes, 1)
    const got = listen(nodes, 'order.*')
    await a.dial(b.getMultiaddrs())
    await b.dial(a.getMultiaddrs(), { force: true })
    await until('gossip', () =>
      nodes.every(({ services }) => services.pubsub.getSubscribers(topic).length === 1)
    )
    const carries = ({ streams }: Connection): boolean =>
      streams.some(
        ({ direction, protocol }) => direction === 'outbound' && protocol.includes('meshsub')
      )
    expect(a.getConnections()).toHaveLength(2)
    await a.getConnections().find(carries)?.close()
    await until('silence', () => !a.getConnections().some(carries))
    expect(a.getConnections()).toHaveLength(1)
    // Gossip cannot reach the peer, so it is called: what is said to have reached it has. A moment later
    // there is a stream again, on the connection that stayed.
    const started = performance.now()
    const reached: unknown[] = []
    for (let data = 0; !a.getConnections().some(carries) || data < 20; data += 1) {
      const result = await a.services.signals.publish({ type: 'order.created', data })
      reached.push(...(result.recipients.includes(peerOf(b)) ? [data] : []))
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(performance.now() - started).toBeLessThan(10_000)
    }
    expect(reached.length).toBeGreaterThan(0)
    console.log(`a stream again after ${Math.round(performance.now() - started)} ms`)
    await until('all that was said to have reached it', () =>
      reached.every((data) => at(got, 1).includes(data))
    )
    expect(at(got, 1)).toEqual(at(got, 1).toSorted((x, y) => Number(x) - Number(y)))
    await b.services.signals.publish({ type: 'order.created', data: 'back' })
    await until('the signal back', () => at(got, 0).includes('back'))
  })

  it('have streams again on the other one, each time, and no call fails and nothing else ends', async () => {
    nodes = [await createNode(), await createNode()]
    const [a, b] = [at(nodes, 0), at(nodes, 1)]
    const got = listen(nodes, 'order.*')
    const identified = new Set<string>()
    const closed: string[] = []
    for (const node of nodes) {
      node.addEventListener('peer:identify', ({ detail }) => identified.add(detail.connection.id))
      node.addEventListener('connection:close', ({ detail }) => closed.push(detail.id))
      node.services.rpc.handle('slow', async (request) => {
        await new Promise((resolve) => setTimeout(resolve, 50))
        return request
      })
    }
    const open = (): Connection[] => [...a.getConnections(b.peerId), ...b.getConnections(a.peerId)]
    const speak = (): boolean => reaches(a, b) && reaches(b, a)
    for (let round = 0; round < 6; round += 1) {
      // Both dial in the same moment, which makes more connections, or one dial fails.
      while (a.getConnections(b.peerId).length < 2 || b.getConnections(a.peerId).length < 2) {
        await Promise.allSettled([
          a.dial(b.getMultiaddrs(), { force: true }),
          b.dial(a.getMultiaddrs(), { force: true })
        ])
      }
      // From now on gossipsub opens no stream by itself.
      await until('identification', () => open().every(({ id }) => identified.has(id)))
      await until('streams', speak)
      await new Promise((resolve) => setTimeout(resolve, 200))
      closed.length = 0
      const [from, to] = round % 2 === 0 ? [a, b] : [b, a]
      const carrying = from.getConnections(to.peerId).filter(carriesGossip)
      await Promise.all(carrying.map((each) => each.close()))
      const ends = closed.length
      await until('streams again', speak, 5000)
      // Calls on what is left go on while streams are opened and after it.
      const calls = [a, b, a, b].map((node) =>
        node.services.rpc.call(peerOf(node === a ? b : a), 'slow', new Uint8Array(1))
      )
      expect(await Promise.all(calls)).toHaveLength(4)
      expect(closed.length - ends).toBeLessThanOrEqual(carrying.length)
      expect(open().length).toBeGreaterThanOrEqual(2)
      for (const node of nodes) {
        const sent = await node.services.signals.publish({ type: 'order.created', data: round })
        expect(sent.recipients).toHaveLength(2)
      }
      await until('signals', () => got.every((list) => list.length === 2 * (round + 1)))
    }
    const counters = nodes.map(({ services }) => services.signals.counters())
    expect(counters.map((each) => each['handed-over'] ?? 0)).toEqual([0, 0])
    expect(counters.reduce((sum, { reopened = 0 }) => sum + reopened, 0)).toBeGreaterThan(0)
  })
})

function carriesGossip({ status, streams }: Connection): boolean {
  return (
    status === 'open' &&
    streams.some(
      ({ direction, protocol }) => direction === 'outbound' && protocol.includes('meshsub')
    )
  )
}

/** Whether gossip has a stream from one to the other, on a connection that is open. */
function reaches(from: Node, to: Node): boolean {
  return from.getConnections(to.peerId).some(carriesGossip)
}
