import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Stream } from '@libp2p/interface'
import { NotOwnerError } from '@murmuration/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, describe, expect, it } from 'vitest'
import { encodeFrame } from '../src/core/frames.ts'
import { errorOf } from './duplex.ts'
import { introduce, startNode } from './mesh-nodes.ts'
import type { Node, NodeInit } from './mesh-nodes.ts'

const protocol = '/murmuration/default/rpc/1.0.0'
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const never = (): Promise<Uint8Array> => new Promise(() => {})

const nodes: Node[] = []
const children: ChildProcess[] = []

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await Promise.all(nodes.splice(0).map(async ({ libp2p }) => libp2p.stop()))
})

async function start(init?: NodeInit): Promise<Node> {
  const node = await startNode(init)
  nodes.push(node)
  return node
}

/** Two nodes that are connected, the first by dialling. */
async function pair(first?: NodeInit, second?: NodeInit): Promise<[Node, Node]> {
  const [a, b] = await Promise.all([start(first), start(second)])
  await introduce(a, b)
  await a.libp2p.dial(b.libp2p.peerId)
  return [a, b]
}

/** The same with a stream from the first to the second, so that a call leaves before its time is up. */
async function pairWithStream(): Promise<[Node, Node]> {
  const [a, b] = await pair()
  b.rpc.handle('echo', (request) => request)
  await a.rpc.call(b.peer, 'echo', bytes())
  return [a, b]
}

async function until(condition: () => boolean, timeoutMs = 5_000): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() > end) throw new Error(`Not within ${timeoutMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function rpcStreams(node: Node, direction: 'inbound' | 'outbound'): number {
  return node.libp2p
    .getConnections()
    .flatMap(({ streams }) => streams)
    .filter((stream) => stream.protocol === protocol && stream.direction === direction).length
}

async function startProcess(from: Node): Promise<{ child: ChildProcess; peer: string }> {
  const child = fork(fileURLToPath(new URL('peer-process.ts', import.meta.url)))
  children.push(child)
  // What `peer-process.ts` sends first is the list of its addresses.
  const [addresses]: string[][] = await once(child, 'message')
  const address = addresses?.[0]
  const connection = await from.libp2p.dial(multiaddr(address ?? ''))
  return { child, peer: connection.remotePeer.toString() }
}

async function rawStream(from: Node, to: Node): Promise<{ stream: Stream; received: number[] }> {
  const connection = await from.libp2p.dial(to.libp2p.peerId)
  const stream = await connection.newStream(protocol)
  const received: number[] = []
  stream.addEventListener('message', (event) => received.push(...event.data.subarray()))
  return { stream, received }
}

describe('rpc between two nodes', () => {
  it.each(['tls', 'noise'] as const)(
    'answers calls in both directions over %s',
    async (encrypter) => {
      const [a, b] = await pair({ encrypter }, { encrypter })
      a.rpc.handle('who', (_, { peer }) => new TextEncoder().encode(peer))
      b.rpc.handle('who', (_, { peer }) => new TextEncoder().encode(peer))
      expect(new TextDecoder().decode(await a.rpc.call(b.peer, 'who', bytes()))).toBe(a.peer)
      expect(new TextDecoder().decode(await b.rpc.call(a.peer, 'who', bytes()))).toBe(b.peer)
    }
  )

  it('answers 200 calls at once over one stream', async () => {
    const [a, b] = await pair()
    b.rpc.handle('echo', async (request) => request)
    const requests = Array.from({ length: 200 }, (_, index) => new Uint8Array(200).fill(index))
    const replies = await Promise.all(
      requests.map((request) => a.rpc.call(b.peer, 'echo', request))
    )
    expect(replies).toEqual(requests)
    expect(rpcStreams(a, 'outbound')).toBe(1)
  })

  it('dials a peer that it is not connected to', async () => {
    const [a, b] = await Promise.all([start(), start()])
    await introduce(a, b)
    b.rpc.handle('echo', (request) => request)
    expect(await a.rpc.call(b.peer, 'echo', bytes(1))).toEqual(bytes(1))
  })

  it('opens streams ahead of calls to peers that connect', async () => {
    const [a, b] = await pair()
    await until(() => rpcStreams(a, 'outbound') === 1 && rpcStreams(b, 'outbound') === 1)
  })

  it('carries messages of the full size, many at once, both ways', async () => {
    const [a, b] = await pair()
    b.rpc.handle('echo', (request) => request)
    const request = new Uint8Array(1_048_576).map((_, index) => index * 7)
    const replies = await Promise.all([1, 2, 3, 4].map(() => a.rpc.call(b.peer, 'echo', request)))
    for (const reply of replies) expect(Buffer.compare(reply, request)).toBe(0)
    expect(await errorOf(a.rpc.call(b.peer, 'echo', new Uint8Array(1_048_577)))).toMatchObject({
      name: 'MessageTooLargeError'
    })
  })

  it('brings typed errors across', async () => {
    const [a, b] = await pair()
    b.rpc.handle('moved', async () => {
      throw new NotOwnerError('ask another')
    })
    b.rpc.handle('bug', () => {
      throw new TypeError('oops')
    })
    const moved = await errorOf(a.rpc.call(b.peer, 'moved', bytes()))
    expect(moved).toMatchObject({ name: 'NotOwnerError', code: 'ERR_NOT_OWNER', peer: b.peer })
    expect(await errorOf(a.rpc.call(b.peer, 'bug', bytes()))).toMatchObject({
      name: 'RemoteHandlerError',
      message: 'TypeError: oops'
    })
    expect(await errorOf(a.rpc.call(b.peer, 'none', bytes()))).toMatchObject({
      name: 'UnknownMethodError'
    })
    expect(await errorOf(a.rpc.call('not a peer', 'none', bytes()))).toMatchObject({
      name: 'InvalidParametersError'
    })
  })

  it('keeps deadlines, and cancellation reaches the remote handler', async () => {
    const [a, b] = await pairWithStream()
    const signals: AbortSignal[] = []
    b.rpc.handle('wait', (_, { signal }) => {
      signals.push(signal)
      return never()
    })
    const begun = performance.now()
    const late = errorOf(a.rpc.call(b.peer, 'wait', bytes(), { timeoutMs: 100 }))
    const controller = new AbortController()
    const aborted = errorOf(a.rpc.call(b.peer, 'wait', bytes(), { signal: controller.signal }))
    expect(await late).toMatchObject({ name: 'DeadlineExceededError', outcomeUnknown: true })
    expect(performance.now() - begun).toBeLessThan(1_000)
    controller.abort()
    expect(await aborted).toMatchObject({ name: 'AbortedError', outcomeUnknown: true })
    await until(() => signals.length === 2 && signals.every((signal) => signal.aborted))
  })

  it('answers overload', async () => {
    const [a, b] = await pairWithStream()
    b.rpc.handle('slow', never, { concurrencyMax: 4 })
    const calls = Array.from({ length: 10 }, () =>
      errorOf(a.rpc.call(b.peer, 'slow', bytes(), { timeoutMs: 500 }))
    )
    const names = (await Promise.all(calls)).map(({ name }) => name)
    expect(names.filter((name) => name === 'OverloadedError')).toHaveLength(6)
    expect(names.filter((name) => name === 'DeadlineExceededError')).toHaveLength(4)
  })

  it('streams to a slow consumer in bounded memory', async () => {
    const [a, b] = await pair()
    let made = 0
    b.rpc.handleStream('blocks', async function* () {
      for (; made < 500; made++) yield new Uint8Array(16_384).fill(made)
    })
    let taken = 0
    for await (const block of a.rpc.stream(b.peer, 'blocks', bytes(), { timeoutMs: 30_000 })) {
      expect(block).toEqual(new Uint8Array(16_384).fill(taken))
      taken++
      if (taken % 100 === 0) {
        await new Promise((resolve) => setTimeout(resolve, 50))
        // The window is 256 KiB: 16 such blocks, and one over.
        expect(made - taken).toBeLessThanOrEqual(18)
      }
    }
    expect(taken).toBe(500)
  })

  it('ends a stream when the consumer leaves, without harm to calls', async () => {
    const [a, b] = await pair()
    let cleaned = false
    b.rpc.handle('echo', (request) => request)
    b.rpc.handleStream('endless', async function* () {
      try {
        for (;;) yield new Uint8Array(1_000)
      } finally {
        cleaned = true
      }
    })
    for await (const _ of a.rpc.stream(b.peer, 'endless', bytes())) break
    await until(() => cleaned)
    expect(await a.rpc.call(b.peer, 'echo', bytes(1))).toEqual(bytes(1))
  })

  it('calls itself in process, with the same copies, deadlines and errors', async () => {
    const a = await start()
    let received = bytes()
    a.rpc.handle('keep', (request) => {
      received = request
      return request
    })
    a.rpc.handle('wait', never)
    a.rpc.handle('bug', () => {
      throw new TypeError('oops')
    })
    const request = bytes(1, 2, 3)
    const reply = await a.rpc.call(a.peer, 'keep', request)
    expect(reply).toEqual(request)
    expect(received.buffer).not.toBe(request.buffer)
    expect(reply.buffer).not.toBe(received.buffer)
    expect(await errorOf(a.rpc.call(a.peer, 'bug', bytes()))).toMatchObject({
      name: 'RemoteHandlerError',
      peer: a.peer
    })
    expect(await errorOf(a.rpc.call(a.peer, 'wait', bytes(), { timeoutMs: 30 }))).toMatchObject({
      name: 'DeadlineExceededError'
    })
  })
})

describe('a stream', () => {
  it('is reset when the peer sends a frame over the limit or nonsense, and others live on', async () => {
    const [a, b] = await pair()
    b.rpc.handle('echo', (request) => request)
    for (const nonsense of [bytes(255, 255, 255, 255, 15), bytes(0), bytes(2, 7, 1)]) {
      const { stream } = await rawStream(a, b)
      stream.send(nonsense)
      await until(() => stream.status !== 'open')
    }
    expect(await a.rpc.call(b.peer, 'echo', bytes(1))).toEqual(bytes(1))
  })

  it('in an unknown version is refused with the reason', async () => {
    const [a, b] = await pair()
    const { stream, received } = await rawStream(a, b)
    stream.send(encodeFrame({ type: 'hello', version: 77, messageBytesMax: 1_000 }))
    await until(() => stream.remoteWriteStatus === 'closed')
    expect(new TextDecoder().decode(Uint8Array.from(received))).toContain('speaks version 1')
    stream.abort(new Error('done'))
  })

  it('to a peer of another version fails calls with UnsupportedVersionError', async () => {
    const [a, b] = await Promise.all([start({ rpc: { openAhead: false } }), start()])
    await introduce(a, b)
    await b.libp2p.unhandle(protocol)
    await b.libp2p.handle(protocol, (stream) => {
      stream.send(encodeFrame({ type: 'refuse', version: 2, message: 'too old' }))
    })
    expect(await errorOf(a.rpc.call(b.peer, 'echo', bytes()))).toMatchObject({
      name: 'UnsupportedVersionError',
      outcomeUnknown: false
    })
  })
})

describe('when a connection fails', () => {
  it('calls under way are lost, and the next call finds a new connection', async () => {
    const [a, b] = await pair()
    b.rpc.handle('echo', (request) => request)
    b.rpc.handle('wait', never)
    await a.rpc.call(b.peer, 'echo', bytes())
    const lost = errorOf(a.rpc.call(b.peer, 'wait', bytes()))
    await new Promise((resolve) => setTimeout(resolve, 50))
    for (const connection of b.libp2p.getConnections()) connection.abort(new Error('cut'))
    expect(await lost).toMatchObject({
      name: 'ConnectionLostError',
      outcomeUnknown: true,
      peer: b.peer
    })
    expect(await a.rpc.call(b.peer, 'echo', bytes(1))).toEqual(bytes(1))
  })

  it('the other of two connections is used', async () => {
    const [a, b] = await pair()
    b.rpc.handle('echo', (request) => request)
    await a.rpc.call(b.peer, 'echo', bytes())
    await introduce(b, a)
    const second = await b.libp2p.dial(a.libp2p.getMultiaddrs(), { force: true })
    await until(() => a.libp2p.getConnections(b.libp2p.peerId).length === 2)
    const first = a.libp2p.getConnections(b.libp2p.peerId).find(({ id }) => id !== second.id)
    const used = a.libp2p
      .getConnections(b.libp2p.peerId)
      .find(({ streams }) =>
        streams.some((s) => s.protocol === protocol && s.direction === 'outbound')
      )
    await (used ?? first)?.close()
    expect(await a.rpc.call(b.peer, 'echo', bytes(1))).toEqual(bytes(1))
    expect(a.libp2p.getConnections(b.libp2p.peerId).length).toBe(1)
  })

  it('an open connection that takes no streams is aborted, and a new one is dialled', async () => {
    const [a, b] = await Promise.all([start({ rpc: { openAhead: false } }), start()])
    await introduce(a, b)
    b.rpc.handle('echo', (request) => request)
    const zombie = await a.libp2p.dial(b.libp2p.peerId)
    zombie.newStream = () => {
      const error = new Error('The connection muxer is "closed" and not "open"')
      error.name = 'ConnectionClosedError'
      return Promise.reject(error)
    }
    expect(await a.rpc.call(b.peer, 'echo', bytes(1))).toEqual(bytes(1))
    expect(zombie.status).not.toBe('open')
  })

  it('a peer that cannot be reached fails calls without a dial for each', async () => {
    const a = await start()
    const b = await start()
    await introduce(a, b)
    nodes.splice(nodes.indexOf(b), 1)
    await b.libp2p.stop()
    const failures: string[] = []
    const first = await errorOf(a.rpc.call(b.peer, 'echo', bytes(), { timeoutMs: 2_000 }))
    expect(first).toMatchObject({
      name: 'PeerUnavailableError',
      retryable: true,
      outcomeUnknown: false
    })
    const begun = performance.now()
    for (let index = 0; index < 100; index++) {
      const { name, message } = await errorOf(a.rpc.call(b.peer, 'echo', bytes()))
      failures.push(name)
      // The back-off may run out under way; then one call dials again, and the next ones do not.
      if (!message.includes('a moment ago')) failures.push('dial')
    }
    expect(new Set(failures)).toContain('PeerUnavailableError')
    const dials = failures.filter((name) => name === 'dial').length
    expect(dials).toBeLessThanOrEqual(1 + (performance.now() - begun) / 100)
  })

  it('a peer that restarts is called again as soon as it is back', async () => {
    const privateKey = await generateKeyPair('Ed25519')
    const [a, b] = await pair(undefined, { privateKey })
    b.rpc.handle('echo', (request) => request)
    await a.rpc.call(b.peer, 'echo', bytes())
    const port = Number(b.libp2p.getMultiaddrs()[0]?.toString().split('/')[4])
    nodes.splice(nodes.indexOf(b), 1)
    await b.libp2p.stop()
    expect(await errorOf(a.rpc.call(b.peer, 'echo', bytes()))).toMatchObject({
      name: 'PeerUnavailableError'
    })
    const again = await start({ privateKey, port })
    again.rpc.handle('echo', (request) => request)
    // Its own dial ends the back-off of the other side at once.
    await introduce(again, a)
    await again.libp2p.dial(a.libp2p.peerId)
    await until(() => a.libp2p.getConnections(again.libp2p.peerId).length > 0)
    expect(await a.rpc.call(b.peer, 'echo', bytes(1))).toEqual(bytes(1))
  })

  it('stopping fails calls under way and fires the signals of handlers', async () => {
    const [a, b] = await pair()
    let signal: AbortSignal | undefined
    b.rpc.handle('wait', (_, context) => {
      signal = context.signal
      return never()
    })
    const lost = errorOf(a.rpc.call(b.peer, 'wait', bytes()))
    await until(() => signal !== undefined)
    await b.rpc.stop()
    expect(await lost).toMatchObject({ name: 'ConnectionLostError' })
    expect(signal?.aborted).toBe(true)
    expect(await errorOf(b.rpc.call(a.peer, 'echo', bytes()))).toMatchObject({
      name: 'NotStartedError'
    })
  })
})

describe('a peer in another process', () => {
  it('that is killed loses its calls within a second', async () => {
    const a = await start()
    const { child, peer } = await startProcess(a)
    expect(await a.rpc.call(peer, 'echo', bytes(1))).toEqual(bytes(1))
    const lost = errorOf(a.rpc.call(peer, 'wait', bytes(), { timeoutMs: 10_000 }))
    await new Promise((resolve) => setTimeout(resolve, 50))
    const begun = performance.now()
    child.kill('SIGKILL')
    expect(await lost).toMatchObject({ name: 'ConnectionLostError', outcomeUnknown: true })
    expect(performance.now() - begun).toBeLessThan(1_000)
  })

  it('that is frozen does not slow calls to others, and its queue is bounded', async () => {
    const a = await start({ rpc: { outgoingBytesMax: 2_000_000 } })
    const b = await start()
    await introduce(a, b)
    b.rpc.handle('echo', (request) => request)
    const { child, peer } = await startProcess(a)
    await a.rpc.call(peer, 'echo', bytes(1))
    await a.rpc.call(b.peer, 'echo', bytes(1))
    child.kill('SIGSTOP')
    const frozen = Array.from({ length: 200 }, () =>
      errorOf(a.rpc.call(peer, 'echo', new Uint8Array(100_000), { timeoutMs: 1_000 }))
    )
    const times: number[] = []
    for (let index = 0; index < 50; index++) {
      const begun = performance.now()
      await a.rpc.call(b.peer, 'echo', bytes(1))
      times.push(performance.now() - begun)
    }
    expect(times.toSorted((x, y) => x - y)[25]).toBeLessThan(50)
    const names = new Set((await Promise.all(frozen)).map(({ name }) => name))
    expect(names.has('OverloadedError')).toBe(true)
    expect([...names].every((name) => /Overloaded|Deadline|Unavailable/.test(name))).toBe(true)
    child.kill('SIGCONT')
    expect(await a.rpc.call(peer, 'echo', bytes(2), { timeoutMs: 10_000 })).toEqual(bytes(2))
  })
})
