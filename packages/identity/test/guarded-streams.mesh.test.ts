import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Libp2p, Stream, StreamMuxer, StreamMuxerFactory, Upgrader } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import type { Libp2pOptions } from 'libp2p'
import { afterEach, describe, expect, it } from 'vitest'
import { admission, credentialsFromSecret, guardedStreams } from '../src/index.ts'
import type { EncrypterFactory } from '../src/index.ts'
import { cluster, secret } from './nodes.ts'

const endless = new Uint8Array(200_000).fill(0x81)
const header = new TextEncoder().encode('\x13/multistream/1.0.0\n')
const running: Libp2p[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map(async (each) => each.stop()))
})

type Muxer = NonNullable<Libp2pOptions['streamMuxers']>[number]

/** As of a node that has none to offer in a handshake. */
function withoutMuxers(upgrader: Upgrader): Upgrader {
  const getStreamMuxers: Upgrader['getStreamMuxers'] = () => new Map()
  return new Proxy(upgrader, {
    get: (target, name) =>
      name === 'getStreamMuxers' ? getStreamMuxers : Reflect.get(target, name, target)
  })
}

async function node(init: {
  readonly streamMuxers: Muxer[]
  readonly connectionEncrypters?: EncrypterFactory[]
}): Promise<Libp2p> {
  const started = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [tls()],
    connectionManager: { reconnectRetries: 0 },
    ...init
  })
  running.push(started)
  return started
}

const guarded = (timeoutMs?: number): Muxer =>
  guardedStreams(yamux(), { '/ipfs/id/1.0.0': 8_192 }, timeoutMs === undefined ? {} : { timeoutMs })

/** Answers that on each stream that others open, whatever they ask for. */
function babbling(...words: readonly Uint8Array[]): Muxer {
  return () => {
    const factory: StreamMuxerFactory = yamux()()
    const create = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (connection) => {
      const made: StreamMuxer & { onRemoteStream?: (stream: Stream) => void } = create(connection)
      made.onRemoteStream = (stream) => {
        for (const word of words) stream.send(word)
      }
      return made
    }
    return factory
  }
}

/** The longest time in which nothing else could run, while that did. */
async function stallOf(task: () => Promise<unknown>): Promise<number> {
  let [longest, last] = [0, performance.now()]
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 5)
  await task().catch(() => undefined)
  await new Promise((resolve) => setTimeout(resolve, 300))
  clearInterval(timer)
  return longest
}

// Unguarded it is a second and a half for these bytes.
const stallMsMax = 400

describe('a peer that is admitted and answers nonsense', () => {
  it.each([
    ['a length without an end', [endless]],
    ['such a length after the first word', [header, endless]],
    [
      'words without an end',
      [header, new Uint8Array(60_000).map((_, at) => [3, 110, 97, 10][at % 4] ?? 0)]
    ]
  ])('in place of a protocol costs its stream only: %s', async (_, words) => {
    const [asker, bad] = [
      await node({ streamMuxers: [guarded()] }),
      await node({ streamMuxers: [babbling(...words)] })
    ]
    const connection = await asker.dial(bad.getMultiaddrs())
    const asked = connection.newStream('/some/1', { signal: AbortSignal.timeout(5_000) })
    expect(await stallOf(() => asked)).toBeLessThan(stallMsMax)
    await expect(asked).rejects.toThrow()
    expect(connection.status).toBe('open')
  })

  it('in place of who it is costs its stream only', async () => {
    const asker = await createLibp2p({
      transports: [tcp()],
      connectionEncrypters: [tls()],
      streamMuxers: [guarded()],
      services: { identify: identify({ runOnConnectionOpen: false }) }
    })
    running.push(asker)
    const bad = await node({ streamMuxers: [yamux()] })
    await bad.handle('/ipfs/id/1.0.0', (stream) => {
      stream.send(endless)
    })
    const connection = await asker.dial(bad.getMultiaddrs())
    const asked = asker.services.identify.identify(connection, {
      signal: AbortSignal.timeout(5_000)
    })
    expect(await stallOf(() => asked)).toBeLessThan(stallMsMax)
    await expect(asked).rejects.toThrow()
    expect(connection.status).toBe('open')
  })

  it('is not waited for without an end, though who asked would', async () => {
    const [asker, bad] = [
      await node({ streamMuxers: [guarded(300)] }),
      await node({ streamMuxers: [babbling(header)] })
    ]
    const connection = await asker.dial(bad.getMultiaddrs())
    const asked = connection.newStream('/some/1', { signal: new AbortController().signal })
    const from = performance.now()
    await expect(asked).rejects.toThrow()
    expect(performance.now() - from).toBeLessThan(3_000)
  })

  it('does not end a stream that was agreed on in time, however long it then lasts', async () => {
    const [asker, good] = [
      await node({ streamMuxers: [guarded(300)] }),
      await node({ streamMuxers: [yamux()] })
    ]
    await good.handle('/some/1', (stream) => {
      stream.addEventListener('message', ({ data }) => void stream.send(data))
    })
    const connection = await asker.dial(good.getMultiaddrs())
    const stream = await connection.newStream(['/other/1', '/some/1'])
    await new Promise((resolve) => setTimeout(resolve, 600))
    const echo = new Promise<number>((resolve) => {
      stream.addEventListener('message', ({ data }) => resolve(data.byteLength))
    })
    stream.send(endless.subarray(0, 1_000))
    expect(await echo).toBe(1_000)
  })

  it('in place of a muxer is cut', async () => {
    const keys = [await generateKeyPair('Ed25519'), await generateKeyPair('Ed25519')]
    const [door, other] = await Promise.all(
      keys.map(async (privateKey) =>
        admission(await credentialsFromSecret({ cluster, secret, privateKey }))
      )
    )
    if (door === undefined || other === undefined) throw new Error('no doors')
    // It agrees on no muxer in the handshake, so that one has to be negotiated, and babbles instead.
    const evil = other.connectionEncrypters.map((factory): EncrypterFactory => (components) => {
      const inner = factory({
        peerId: components.peerId,
        privateKey: components.privateKey,
        logger: components.logger,
        get upgrader() {
          return withoutMuxers(components.upgrader)
        }
      })
      return {
        ...inner,
        secureInbound: inner.secureInbound.bind(inner),
        secureOutbound: async (below, options) => {
          const secured = await inner.secureOutbound(below, options)
          secured.connection.send(header)
          secured.connection.send(endless)
          await new Promise((resolve) => setTimeout(resolve, 1_000))
          return secured
        }
      }
    })
    const [privateKey, evilKey] = keys
    const { admitted, ...rest } = door
    const victim = await createLibp2p({
      ...(privateKey === undefined ? {} : { privateKey }),
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      ...rest,
      streamMuxers: [guarded()]
    })
    running.push(victim)
    const bad = await createLibp2p({
      ...(evilKey === undefined ? {} : { privateKey: evilKey }),
      transports: [tcp()],
      connectionEncrypters: evil,
      streamMuxers: [yamux()],
      connectionManager: { reconnectRetries: 0 }
    })
    running.push(bad)
    const stall = await stallOf(() => bad.dial(victim.getMultiaddrs()))
    expect(stall).toBeLessThan(stallMsMax)
    expect(admitted.size).toBe(0)
    expect(victim.getConnections()).toEqual([])
  })
})
