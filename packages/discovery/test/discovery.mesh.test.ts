import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { afterEach, describe, expect, it } from 'vitest'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { rpc } from '@murmuration/rpc'
import { createLibp2p } from 'libp2p'
import {
  bootstrap,
  componentsOf,
  createDiscovery,
  discovery as discoveryService,
  yamuxDefaults
} from '../src/index.ts'
import { createKeys, createNode, foundPeerOf, until } from './mesh-nodes.ts'
import type { Node, NodeInit } from './mesh-nodes.ts'

const nodes: Node[] = []
const children: ChildProcess[] = []

async function start(init: NodeInit = {}): Promise<Node> {
  const node = await createNode(init)
  nodes.push(node)
  return node
}

/** A peer in a process of its own, so that it can be killed. */
async function startProcess(options: object): Promise<{ child: ChildProcess; address: string }> {
  const script = fileURLToPath(new URL('mesh-peer.ts', import.meta.url))
  const child = spawn(process.execPath, [script, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  children.push(child)
  if (child.stdout === null) throw new Error('no output')
  const [line] = await once(child.stdout, 'data')
  return { child, address: String(line).trim() }
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

interface Muxer {
  createStream: (options?: { readonly protocol?: string }) => Promise<unknown>
  readonly abort: (error: Error) => void
}

function isMuxer(value: unknown): value is Muxer {
  return typeof value === 'object' && value !== null && 'createStream' in value && 'abort' in value
}

function isConnected(one: Node, other: Node): boolean {
  return one.services.discovery.connected().includes(other.peerId.toString())
}

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await Promise.all(nodes.splice(0).map(async (node) => node.stop()))
})

describe('the service', () => {
  it('says that it needs the one for remote calls', async () => {
    await expect(
      createLibp2p({
        start: false,
        services: {
          // The types say it, too.
          // @ts-expect-error no service named rpc
          discovery: discoveryService()
        }
      })
    ).rejects.toMatchObject({ name: 'UnmetServiceDependenciesError' })
  })

  it('works from outside of a node as well, with the parts of the node', async () => {
    const node = await createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [tls()],
      streamMuxers: [yamux(yamuxDefaults)],
      services: { identify: identify(), rpc: rpc() }
    })
    const outside = createDiscovery({ ...componentsOf(node), rpc: node.services.rpc })
    await outside.start()
    const other = await start()
    await outside.connect(foundPeerOf(other))
    expect(outside.connected()).toEqual([other.peerId.toString()])
    other.services.discovery.offer([{ name: 'a.b', version: '1' }])
    expect((await outside.actions()).answers).toHaveLength(1)
    await outside.stop()
    await node.stop()
  })
})

describe('two peers that keep each other', () => {
  it('end with exactly one connection after each of 20 simultaneous starts', async () => {
    let duplicates = 0
    let lost = 0
    const round = async (): Promise<void> => {
      // Without a grace both sides dial in the same moment.
      const init = { firstGraceMs: 0, settleMs: 1_000 }
      const pair = await Promise.all([start(init), start(init)])
      const [one, two] = pair.toSorted((a, b) => (String(a.peerId) < String(b.peerId) ? -1 : 1))
      if (one === undefined || two === undefined) throw new Error('two peers expected')
      for (const node of pair) {
        node.services.discovery.addEventListener('disconnected', () => void lost++)
      }
      one.services.discovery.keep([foundPeerOf(two)])
      two.services.discovery.keep([foundPeerOf(one)])
      await until('connected', () => isConnected(one, two) && isConnected(two, one))
      // Before the settle time nobody closes anything, so a second connection shows.
      await new Promise((resolve) => setTimeout(resolve, 700))
      const isDuplicate = one.getConnections().length > 1
      duplicates += Number(isDuplicate)
      await until('one connection', () => pair.every((node) => node.getConnections().length === 1))
      await new Promise((resolve) => setTimeout(resolve, 500))
      expect(pair.map((node) => node.getConnections().length)).toEqual([1, 1])
      if (isDuplicate) {
        expect(one.getConnections()[0]?.direction).toBe('outbound')
      }
      await Promise.all(
        pair.map(async (node) => {
          await node.services.discovery.stop()
          await node.stop()
        })
      )
    }
    for (let batch = 0; batch < 4; batch++) {
      await Promise.all(Array.from({ length: 5 }, round))
    }
    console.log(`${duplicates} of 20 rounds began with two connections`)
    expect(duplicates).toBeGreaterThan(0)
    expect(lost).toBe(0)
  })

  it('lose no call while a duplicate is closed', async () => {
    const [one, two] = await Promise.all([start(), start()])
    two.services.rpc.handle('echo', async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 20))
      return request
    })
    one.services.discovery.keep([foundPeerOf(two)])
    two.services.discovery.keep([foundPeerOf(one)])
    await until('connected', () => isConnected(one, two) && isConnected(two, one))
    const higher = one.peerId.toString() < two.peerId.toString() ? two : one
    const other = higher === one ? two : one
    const errors: unknown[] = []
    let calls = 0
    const peer = two.peerId.toString()
    const end = performance.now() + 6_000
    const caller = async (): Promise<void> => {
      while (performance.now() < end) {
        calls++
        await one.services.rpc.call(peer, 'echo', Uint8Array.of(1)).catch((error: unknown) => {
          errors.push(error)
        })
      }
    }
    const calling = Promise.all([caller(), caller(), caller(), caller()])
    await higher.dial(other.getMultiaddrs(), { force: true })
    expect(higher.getConnections().length).toBeGreaterThan(1)
    await until('one connection', () =>
      [one, two].every((node) => node.getConnections().length === 1)
    )
    await calling
    console.log(`${calls} calls, ${errors.length} failed`)
    expect(errors).toEqual([])
  })
})

describe('a connection that looks open and opens no stream', () => {
  it('is aborted and replaced within 3 s, and healthy ones are looked at without a stream', async () => {
    const [one, two] = await Promise.all([start(), start()])
    one.services.discovery.keep([foundPeerOf(two)])
    two.services.discovery.keep([foundPeerOf(one)])
    await until('connected', () => isConnected(one, two) && isConnected(two, one))
    const [connection] = one.getConnections()
    if (connection === undefined) throw new Error('a connection expected')
    // Of every stream that this side opens, the protocol it asks for.
    const muxer: unknown = Reflect.get(connection, 'muxer')
    if (!isMuxer(muxer)) throw new Error('a muxer expected')
    const opened: unknown[] = []
    const createStream = muxer.createStream.bind(muxer)
    muxer.createStream = async (options) => {
      opened.push(options?.protocol)
      return await createStream(options)
    }
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    expect(opened).not.toContain('/murmuration/alive/1.0.0')
    expect(connection.status).toBe('open')
    // What libp2p does to itself after too many early streams.
    muxer.abort(new Error('too many early streams'))
    expect(connection.status).toBe('open')
    const ms = await until(
      'replaced',
      () => isConnected(one, two) && one.getConnections().every(({ id }) => id !== connection.id)
    )
    console.log(`replaced after ${ms.toFixed(0)} ms`)
    expect(ms).toBeLessThan(3_000)
  })
})

describe('a peer that is killed', () => {
  it('is probed as refused at once, and met again within three seconds of its return', async () => {
    const keys = await createKeys(3)
    const port = await freePort()
    // Once above and once below the watching peer, so that both sides are the diallers once.
    for (const [self, other] of [
      [1, 0],
      [1, 2]
    ] as const) {
      const [privateKey, otherKey] = [keys[self], keys[other]]
      if (privateKey === undefined || otherKey === undefined) throw new Error('three keys expected')
      const node = await start({ privateKey })
      const peer = peerIdFromPrivateKey(otherKey).toString()
      const options = {
        key: Buffer.from(privateKeyToProtobuf(otherKey)).toString('hex'),
        port,
        keep: [foundPeerOf(node)]
      }
      const before = await startProcess(options)
      node.services.discovery.keep([{ peer, addresses: [before.address] }])
      const { discovery } = node.services
      await until('connected', () => discovery.connected().includes(peer))
      await new Promise((resolve) => setTimeout(resolve, 1_200))
      expect(await discovery.probe(peer)).toBe('alive')
      const lost = once(discovery, 'disconnected')
      const killedAt = performance.now()
      before.child.kill('SIGKILL')
      await lost
      const noticedMs = performance.now() - killedAt
      expect(await discovery.probe(peer)).toBe('refused')
      const probedMs = performance.now() - killedAt
      expect(discovery.connected()).toEqual([])
      const after = await startProcess(options)
      const metMs = await until('met again', () => discovery.connected().includes(peer))
      console.log(
        `noticed after ${noticedMs.toFixed(0)} ms, refused after ${probedMs.toFixed(0)} ms, ` +
          `met ${metMs.toFixed(0)} ms after it listened again`
      )
      expect(metMs).toBeLessThan(3_000)
      await kill(after.child)
      await node.stop()
    }
  })
})

describe('probe', () => {
  it('says unknown of a process that is frozen, within its time', async () => {
    const node = await start()
    const [key] = await createKeys(1)
    if (key === undefined) throw new Error('a key expected')
    const { child, address } = await startProcess({
      key: Buffer.from(privateKeyToProtobuf(key)).toString('hex'),
      port: await freePort(),
      keep: []
    })
    const peer = peerIdFromPrivateKey(key).toString()
    await node.services.discovery.connect({ peer, addresses: [address] })
    child.kill('SIGSTOP')
    const from = performance.now()
    expect(await node.services.discovery.probe(peer)).toBe('unknown')
    expect(performance.now() - from).toBeLessThan(1_500)
    child.kill('SIGCONT')
    await until('answers again', () => node.services.discovery.connected().includes(peer))
    expect(await node.services.discovery.probe(peer)).toBe('alive')
  })
})

describe('bootstrap', () => {
  it('reaches a peer that starts later, by an address that does not name it', async () => {
    const port = await freePort()
    const strategies = [bootstrap({ addresses: [`/ip4/127.0.0.1/tcp/${port}`] })]
    const early = await start({ strategies })
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(early.services.discovery.connected()).toEqual([])
    // The late peer has its own address in its list, as peers of equal configuration do.
    const late = await start({ port, strategies })
    const ms = await until('connected', () => isConnected(early, late) && isConnected(late, early))
    console.log(`connected ${ms.toFixed(0)} ms after the late peer started`)
    expect(late.services.discovery.connected()).toEqual([early.peerId.toString()])
  })
})
