import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createSealer } from '@murmuration/identity'
import type { AgentRecord, RegistryChange } from '@murmuration/interface'
import { registryCases } from '@murmuration/testkit'
import { MemoryDatastore } from 'datastore-core'
import { connectAll, startDhtNode } from './dht-nodes.ts'
import type { DhtNode, DhtNodeInit } from './dht-nodes.ts'
import { LocationBody } from '../src/core/location-record.ts'
import { keyOf, LocationWriter } from '../src/dht/location-codec.ts'

const agentOf = (key: string): AgentRecord => ({
  id: `default/station/${key}`,
  placement: 'hash',
  replicas: 3
})

const shardedOf = (key: string): AgentRecord => ({ ...agentOf(key), shardKey: 'north' })

let running: DhtNode[] = []
const start = async (init: DhtNodeInit = {}): Promise<DhtNode> => {
  const node = await startDhtNode(init)
  running.push(node)
  return node
}
const drainAll = async (): Promise<void> => {
  await Promise.all(running.map((node) => node.stop()))
  running = []
}
async function drain(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events) {
    // A walk does nothing unless it is followed to its end.
  }
}

describe('the dht backend, by the suite of all backends', () => {
  let nodes: DhtNode[] = []
  beforeAll(async () => {
    nodes = await Promise.all([start(), start(), start()])
    await connectAll(nodes)
  })
  afterAll(drainAll)
  for (const [at, { name, needs, run }] of registryCases.entries()) {
    if (needs !== 'any') continue
    it(name, () => run({ peers: nodes, agent: (key) => shardedOf(`${key}-${at}`) }))
  }
})

describe('a location in the DHT', () => {
  afterEach(drainAll)

  const mesh = async (count: number, init: DhtNodeInit = {}): Promise<DhtNode[]> => {
    const nodes = await Promise.all(Array.from({ length: count }, () => start(init)))
    await connectAll(nodes)
    return nodes
  }
  const placeOf = async (node: DhtNode | undefined, id: string): Promise<string> => {
    const found = await node?.registry.find(id)
    return found?.status === 'remote' ? found.peer : String(found?.status)
  }

  it('does not go back when an older publication is replayed, by another peer or the author', async () => {
    const [first, second, third] = await mesh(3)
    if (first === undefined || second === undefined || third === undefined) throw new Error('mesh')
    const { id } = agentOf('replayed')
    await first.registry.register(agentOf('replayed'))
    const old = await first.records.stored(keyOf(id))
    await first.registry.unregister(id)
    await second.registry.register(agentOf('replayed'))
    const replay = drain(third.dht.put(keyOf(id), old ?? new Uint8Array()))
    await expect(replay).rejects.toMatchObject({ name: 'FencedError' })
    await expect(drain(first.dht.put(keyOf(id), old ?? new Uint8Array()))).rejects.toMatchObject({
      name: 'FencedError'
    })
    // A peer whose own store takes anything sends it to all others, as plain kad-dht does.
    const plain = await start({ unguarded: true })
    await connectAll([first, second, third, plain])
    await drain(plain.dht.put(keyOf(id), old ?? new Uint8Array()))
    for (const node of [first, third]) expect(await placeOf(node, id)).toBe(second.peer)
  })

  it('is read fresh although a peer that was away still has the older one', async () => {
    const [first, second] = await mesh(2)
    if (first === undefined || second === undefined) throw new Error('mesh')
    const store = new MemoryDatastore()
    const away = await start({ store })
    await connectAll([first, second, away])
    const { id } = agentOf('missed')
    await first.registry.register(agentOf('missed'))
    await away.stop()
    running = running.filter((node) => node !== away)
    await first.registry.unregister(id)
    expect((await second.registry.register(agentOf('missed'))).status).toBe('claimed')
    const back = await start({ store, privateKey: away.privateKey })
    expect(await back.records.stored(keyOf(id))).toBeDefined()
    await connectAll([first, second, back])
    expect(await placeOf(back, id)).toBe(second.peer)
    expect(await placeOf(first, id)).toBe(second.peer)
  })

  it('is refused when it is forged, stands under another key, or claims a name that is a key', async () => {
    const [first, second] = await mesh(2)
    if (first === undefined || second === undefined) throw new Error('mesh')
    const body = (id: string): LocationBody => ({
      agent: { ...agentOf('x'), id },
      status: 'here',
      term: 9,
      expiresAt: Date.now() + 60_000,
      labels: {},
      metadata: {}
    })
    const clock = { now: () => Date.now(), monotonic: () => 0, schedule: () => () => undefined }
    const writer = new LocationWriter(second.privateKey, clock)
    const { id } = agentOf('forged')
    await first.registry.register(agentOf('forged'))
    const genuine = await writer.write(body(id), 1)
    const forged = Uint8Array.from(genuine, (byte, at) =>
      at === genuine.length - 3 ? byte ^ 1 : byte
    )
    const otherDomain = await createSealer({ privateKey: second.privateKey }).seal({
      domain: 'something-else',
      type: 'location',
      sequence: 1,
      payload: LocationBody.encode(body(id))
    })
    const named = `default/host/${first.peer}`
    const forever = await writer.write({ ...body(id), expiresAt: Date.now() + 1e12 }, 2)
    const attempts: readonly (readonly [string, Uint8Array])[] = [
      [id, forged],
      [id, otherDomain],
      [id, new Uint8Array([1, 2, 3])],
      [id, forever],
      ['default/station/other', genuine],
      [named, await writer.write(body(named), 1)]
    ]
    for (const [at, value] of attempts) {
      await expect(drain(second.dht.put(keyOf(at), value))).rejects.toThrow()
    }
    expect(await placeOf(second, id)).toBe(first.peer)
    expect(await placeOf(first, named)).toBe('not-found')
  })

  it('is only granted when enough peers have confirmed it', async () => {
    const alone = await start()
    expect(await alone.registry.claim(agentOf('alone'))).toEqual({
      status: 'unavailable',
      reason: 'no-quorum'
    })
    const single = await start({ registry: { copiesMin: 1 } })
    expect((await single.registry.claim(agentOf('alone'))).status).toBe('claimed')
  })

  it('is refused to a peer that the policy does not let own it', async () => {
    const allowed = new Set<string>()
    const records = { mayOwn: (peer: string) => allowed.has(peer) }
    const [first, second] = await mesh(2, { records })
    if (first === undefined || second === undefined) throw new Error('mesh')
    allowed.add(first.peer)
    expect((await first.registry.claim(agentOf('policy'))).status).toBe('claimed')
    expect((await second.registry.claim(agentOf('policy'))).status).toBe('conflict')
    expect((await second.registry.claim(agentOf('other'))).status).toBe('unavailable')
  })

  it('is published anew before it expires, and forgotten after its owner is gone', async () => {
    const [first, second, third] = await mesh(3, { registry: { ttlMs: 4_000 } })
    if (first === undefined || second === undefined || third === undefined) throw new Error('mesh')
    const { id } = agentOf('renewed')
    await first.registry.register(agentOf('renewed'))
    await new Promise((resolve) => setTimeout(resolve, 4_500))
    expect(await placeOf(second, id)).toBe(first.peer)
    await first.registry.stop()
    await new Promise((resolve) => setTimeout(resolve, 4_000))
    expect(await placeOf(third, id)).toBe('not-found')
    expect((await third.registry.claim(agentOf('renewed'))).status).toBe('claimed')
  })

  it('is given up, with a word to watchers, by the one of two owners that lost', async () => {
    const registry = { ttlMs: 1_500, copiesMin: 1 }
    const [first, second] = [await start({ registry }), await start({ registry })]
    const { id } = agentOf('twice')
    const both = await Promise.all([
      first.registry.claim(agentOf('twice')),
      second.registry.claim(agentOf('twice'))
    ])
    expect(both.map(({ status }) => status)).toEqual(['claimed', 'claimed'])
    const changes: RegistryChange[] = []
    for (const node of [first, second]) {
      node.registry.addEventListener('change', ({ detail }) => void changes.push(detail))
    }
    await connectAll([first, second])
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    expect(changes.filter(({ type }) => type === 'conflicted')).toHaveLength(1)
    const statuses = [await placeOf(first, id), await placeOf(second, id)]
    expect(statuses.filter((status) => status === 'local')).toHaveLength(1)
    expect(statuses.filter((s) => s === first.peer || s === second.peer)).toHaveLength(1)
  })
})
