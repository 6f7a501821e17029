import { createServer, connect } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { createBroker } from './broker.ts'
import { echoProtocol, startNode, startPlain } from './node.ts'
import type { Encryption } from './node.ts'
import type { ServerAddresses } from './server.ts'

/** Somebody who can call the server. */
export interface Contender {
  readonly name: string
  readonly secured: boolean
  /** One call with its answer. */
  readonly call: () => Promise<unknown>
  stop(): Promise<void>
}

export const payloadBytes = 200
const payload = new Uint8Array(payloadBytes).fill(7)

/** The floor: frames of length, number and payload over a plain socket. */
export async function rawEcho({ rawPort }: ServerAddresses): Promise<Contender> {
  const socket = connect(rawPort, '127.0.0.1')
  socket.setNoDelay(true)
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  const waiting = new Map<number, () => void>()
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
    let at = 0
    while (rest.length - at >= 8 && rest.length - at >= 4 + rest.readUInt32LE(at)) {
      const id = rest.readUInt32LE(at + 4)
      waiting.get(id)?.()
      waiting.delete(id)
      at += 4 + rest.readUInt32LE(at)
    }
    rest = rest.subarray(at)
  })
  let nextId = 0
  return {
    name: 'node:net echo, length-framed',
    secured: false,
    call: () =>
      new Promise<void>((resolve) => {
        const frame = Buffer.allocUnsafe(8 + payloadBytes)
        frame.writeUInt32LE(4 + payloadBytes, 0)
        nextId = (nextId + 1) >>> 0
        frame.writeUInt32LE(nextId, 4)
        frame.set(payload, 8)
        waiting.set(nextId, resolve)
        socket.write(frame)
      }),
    stop: async () => {
      socket.destroy()
    }
  }
}

/** What libp2p programs usually do: a stream for each request. */
export async function streamPerRequest({ plain }: ServerAddresses): Promise<Contender> {
  const node = await startPlain()
  const connection = await node.dial(multiaddr(plain))
  return {
    name: 'libp2p, stream per request, tls',
    secured: true,
    call: async () => {
      const stream = await connection.newStream(echoProtocol, { maxOutboundStreams: 1_000 })
      await new Promise<void>((resolve, reject) => {
        stream.addEventListener('message', () => resolve(), { once: true })
        stream.addEventListener('close', ({ error }) => reject(error ?? new Error('closed')))
        stream.send(payload)
      })
      await stream.close()
    },
    stop: async () => node.stop()
  }
}

/** Moleculer over its own TCP transporter. Its serializer is JSON, so the payload is a text. */
export async function moleculer(ownPort: number, serverPort: number): Promise<Contender> {
  const broker = createBroker('caller', ownPort, { server: serverPort })
  await broker.start()
  await broker.waitForServices('bench', 10_000)
  const parameters = { payload: '7'.repeat(payloadBytes) }
  return {
    name: 'Moleculer, TCP transporter',
    secured: false,
    call: () => broker.call('bench.echo', parameters),
    stop: async () => {
      await broker.stop()
    }
  }
}

/** This project. */
export async function rpc({ nodes }: ServerAddresses, encryption: Encryption): Promise<Contender> {
  const node = await startNode(encryption)
  const connection = await node.dial(multiaddr(nodes[encryption]))
  const peer = connection.remotePeer.toString()
  return {
    name: `@murmuration/rpc, ${encryption}`,
    secured: true,
    call: () => node.services.rpc.call(peer, 'echo', payload),
    stop: async () => node.stop()
  }
}

/** A port that nobody listens on just now. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  await new Promise((resolve) => {
    server.close(resolve)
  })
  if (address === null || typeof address === 'string') throw new Error('A TCP server has a port')
  return address.port
}
