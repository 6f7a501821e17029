import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineAgent } from '@murmuration/agent'
import { createCluster } from '@murmuration/cluster'
import type { Cluster, ClusterInit } from '@murmuration/cluster'
import { counter, set } from '@murmuration/crdt'

const station = defineAgent({
  type: 'station',
  state: { readings: counter(), tags: set<string>() },
  strong: { quota: z.number().min(0).default(3) },
  actions: {
    add: {
      input: z.number(),
      output: z.number(),
      run({ input, state, emit }) {
        state.readings.increment(input)
        if (input > 100) emit({ type: 'station.high', data: { value: input } })
        return state.readings.value
      }
    },
    fail: {
      input: z.null(),
      output: z.null(),
      run({ state }) {
        state.readings.increment(1_000)
        throw new RangeError('no such thing')
      }
    }
  },
  on: {
    'weather.storm': (_signal, { state }) => state.tags.add('storm')
  }
})

const where = defineAgent({
  type: 'where',
  placement: 'pinned',
  state: { asked: counter() },
  actions: { ask: { input: z.null(), output: z.string(), run: ({ key }) => key } }
})

const folder = mkdtempSync(join(tmpdir(), 'cluster-test-'))
const running: Cluster[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((cluster) => cluster.stop()))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const common = {
  name: 'weather',
  secret: 'a secret of the whole cluster',
  agents: [station, where],
  listen: ['/ip4/127.0.0.1/tcp/0']
} satisfies ClusterInit

async function peer(init: Partial<ClusterInit> = {}): Promise<Cluster> {
  const cluster = await createCluster({ ...common, ...init })
  running.push(cluster)
  return cluster
}

/** So many members in one view. */
async function mesh(
  count: number,
  init: (index: number) => Partial<ClusterInit> = () => ({})
): Promise<Cluster[]> {
  const first = await peer(init(0))
  const others = await Promise.all(
    Array.from({ length: count - 1 }, (_, at) =>
      peer({ ...init(at + 1), bootstrap: first.addresses })
    )
  )
  const all = [first, ...others]
  await Promise.all(all.map((each) => each.ready()))
  await until(() => all.every((each) => each.members().length === count))
  return all
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10))
}

describe('a cluster of peers', () => {
  it('uses an agent the same way from every peer, wherever it runs', async () => {
    const peers = await mesh(3)
    let expected = 0
    for (const each of peers) {
      expect(await each.agent(station, 'berlin').call('add', 1)).toBe(++expected)
    }
    for (const each of peers) {
      const { value, replicas } = await each.agent(station, 'berlin').state()
      expect(value.readings).toBe(3)
      expect(replicas).toHaveLength(3)
    }
    expect(await peers[0]?.getAgent(station.id('berlin')).call('add', 1)).toBe(4)
  })

  it('says how many copies an update has, and counts it once under one key', async () => {
    const [first] = await mesh(3)
    const berlin = first?.agent(station, 'berlin')
    const idempotencyKey = { session: 'test', sequence: 1, lowest: 1 }
    const change = (draft: { readings: { increment(by: number): void } }): void =>
      draft.readings.increment(5)
    const once = await berlin?.update(change, { idempotencyKey })
    const again = await berlin?.update(change, { idempotencyKey })
    expect(once?.copies).toBeGreaterThanOrEqual(2)
    expect(again?.duplicate).toBe(true)
    expect((await berlin?.state())?.value.readings).toBe(5)
  })

  it('agrees on the strong part of an agent, from members and from an edge peer', async () => {
    const peers = await mesh(3)
    const [first] = peers
    const edge = await peer({ role: 'edge', listen: [], bootstrap: first?.addresses ?? [] })
    const strong = { consistency: 'strong' } as const
    const spend = [...peers, edge].map((each) =>
      each.agent(station, 'rome').update((draft) => void (draft.quota -= 1), strong)
    )
    const spent = await Promise.allSettled(spend)
    // There were three, and a quota is never below none.
    expect(spent.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    for (const each of [...peers, edge]) {
      expect((await each.agent(station, 'rome').state(strong)).value).toEqual({ quota: 0 })
    }
  })

  it('passes on the error of a handler, which then has changed nothing', async () => {
    const peers = await mesh(2)
    for (const each of peers) {
      await expect(each.agent(station, 'oslo').call('fail', null)).rejects.toThrow('no such thing')
      expect((await each.agent(station, 'oslo').state()).value.readings).toBe(0)
    }
  })

  it('refuses wrong input by name', async () => {
    const [first] = await mesh(2)
    // @ts-expect-error: the type knows it too
    const wrong = first?.agent(station, 'oslo').call('add', 'three')
    await expect(wrong).rejects.toMatchObject({ name: 'SchemaError' })
  })

  it('runs a pinned agent on its peer', async () => {
    const [first, second] = await mesh(2)
    const owner = second?.peerId ?? ''
    expect(await first?.agent(where, owner).call('ask', null)).toBe(owner)
    expect(second?.agents.running().map(({ id }) => id)).toContain(where.id(owner))
  })

  it('carries signals to subscribers and to agents on other peers', async () => {
    const peers = await mesh(3)
    const heard: number[] = []
    const stop = peers.map((each, at) =>
      each.signals.subscribe('station.high', () => void heard.push(at))
    )
    await peers[0]?.agent(station, 'rome').call('add', 101)
    await until(() => heard.length === 3)
    expect(heard.toSorted((a, b) => a - b)).toEqual([0, 1, 2])
    for (const subscription of stop) subscription.close()
    await peers[1]?.agent(station, 'rome').signal({ type: 'weather.storm' })
    expect([...((await peers[2]?.agent(station, 'rome').state())?.value.tags ?? [])]).toEqual([
      'storm'
    ])
  })

  it('shows changes to a watcher on another peer', async () => {
    const peers = await mesh(2)
    const stop = new AbortController()
    const seen: number[] = []
    const watching = (async () => {
      const changes = peers[1]?.agent(station, 'bern').watch({ signal: stop.signal }) ?? []
      for await (const { value } of changes) {
        seen.push(value.readings)
        if (value.readings === 2) break
      }
    })()
    await until(() => seen.length === 1)
    await peers[0]?.agent(station, 'bern').call('add', 2)
    await watching
    expect(seen.at(-1)).toBe(2)
    stop.abort()
  })

  it('finds agents and actions', async () => {
    const peers = await mesh(3)
    await peers[0]?.agent(station, 'cairo').call('add', 1)
    const found = await Promise.all(peers.map((each) => each.registry.find(station.id('cairo'))))
    expect(found.filter(({ status }) => status === 'local')).toHaveLength(1)
    expect(found.filter(({ status }) => status === 'remote')).toHaveLength(2)
    const { answers, silent } = (await peers[1]?.discovery?.actions()) ?? {
      answers: [],
      silent: []
    }
    expect(answers.find(({ name }) => name === 'station.add')?.peers).toHaveLength(3)
    expect(silent).toEqual([])
  })

  it('agrees on a register, whoever changes it', async () => {
    const peers = await mesh(3)
    const key = { id: 'weather/leader/europe', replicas: 3 }
    const take = (at: number) => (holder: Uint8Array | undefined) => holder ?? Uint8Array.of(at)
    const taken = await Promise.all(
      peers.map(async (each, at) => each.registers?.change(key, take(at), { timeoutMs: 20_000 }))
    )
    const [first] = taken
    for (const outcome of taken) {
      expect(outcome).toMatchObject({
        status: 'committed',
        value: first?.status === 'committed' ? first.value : 'no value'
      })
    }
  })

  it('lets a peer drain: it leaves the view, and its agents go on elsewhere', async () => {
    const peers = await mesh(4)
    const [first, second] = peers
    const keys = Array.from({ length: 40 }, (_, at) => `k${at}`)
    await Promise.all(keys.map((key) => first?.agent(station, key).call('add', 1)))
    expect(second?.status).toBe('ready')
    const drained = second?.drain()
    expect(second?.status).toBe('draining')
    await expect(second?.ready()).rejects.toMatchObject({ name: 'AbortedError' })
    await drained
    expect(second?.status).toBe('stopped')
    expect(first?.members()).toHaveLength(3)
    for (const key of keys) expect(await first?.agent(station, key).call('add', 1)).toBe(2)
    // It does not come back by itself, and nobody dials it any more.
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(first?.members()).toHaveLength(3)
    expect(first?.discovery?.connected()).not.toContain(second?.peerId)
  })

  it('lets an edge peer call without being a member', async () => {
    const [first, second] = await mesh(2)
    const edge = await peer({ role: 'edge', listen: [], bootstrap: first?.addresses ?? [] })
    await edge.ready()
    expect(await edge.agent(station, 'edge').call('add', 7)).toBe(7)
    expect(second?.members()).toHaveLength(2)
    expect((await edge.agent(station, 'edge').state()).value.readings).toBe(7)
  })
})

describe('the door of a cluster', () => {
  it('is closed to a peer with another secret', async () => {
    const first = await peer()
    const stranger = await peer({
      secret: 'the secret of somebody else',
      bootstrap: first.addresses
    })
    const late = AbortSignal.timeout(1_500)
    await expect(stranger.ready({ signal: late })).rejects.toMatchObject({ name: 'AbortedError' })
    expect(first.members()).toHaveLength(1)
    expect(first.discovery?.connected()).toEqual([])
  })

  it('is closed to a peer of another cluster with the same secret', async () => {
    const first = await peer()
    const stranger = await peer({ name: 'traffic', bootstrap: first.addresses })
    await expect(stranger.ready({ signal: AbortSignal.timeout(1_500) })).rejects.toThrow()
    expect(first.discovery?.connected()).toEqual([])
  })
})

describe('a peer with a data directory', () => {
  it('comes back with its key, its port and its state', async () => {
    const dataDir = join(folder, 'alone')
    const before = await peer({ dataDir })
    await before.ready()
    await before.agent(station, 'lima').call('add', 3)
    const { peerId, addresses } = before
    await before.stop()
    const after = await peer({ dataDir })
    await after.ready()
    expect(after.peerId).toBe(peerId)
    expect(after.addresses).toEqual(addresses)
    expect((await after.agent(station, 'lima').state()).value.readings).toBe(3)
  })

  it('is refused, with its path, while another peer uses it', async () => {
    const dataDir = join(folder, 'shared')
    await peer({ dataDir })
    await expect(createCluster({ ...common, dataDir })).rejects.toMatchObject({
      name: 'StorageError'
    })
    await expect(createCluster({ ...common, dataDir })).rejects.toThrow(dataDir)
  })

  it('takes what it had alone into a cluster that others join', async () => {
    const dataDir = join(folder, 'grows')
    const alone = await peer({ dataDir, distributed: false })
    await alone.ready()
    expect(alone.mode).toBe('single')
    expect(alone.addresses).toEqual([])
    const kept = await alone.agent(station, 'quito').update((draft) => draft.readings.increment(9))
    expect(kept.copies).toBe(1)
    await alone.stop()
    const first = await peer({ dataDir })
    const others = await Promise.all([1, 2].map(() => peer({ bootstrap: first.addresses })))
    await Promise.all(others.map((each) => each.ready()))
    for (const each of others) {
      expect((await each.agent(station, 'quito').state()).value.readings).toBe(9)
    }
  })
})

describe('a taken port', () => {
  it('is one clear error, and leaves nothing running', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo // it listens on TCP
    const dataDir = join(folder, 'taken')
    const start = createCluster({ ...common, dataDir, listen: [`/ip4/127.0.0.1/tcp/${port}`] })
    await expect(start).rejects.toThrow(new RegExp(`cannot listen on .*${port}`))
    server.close()
    await peer({ dataDir })
  })
})
