/** The answering side of the `calls` bench: one process that echoes for every contender. */
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import type { Stream } from '@libp2p/interface'
import { createBroker } from './broker.ts'
import { echoProtocol, encryptions, startNode, startPlain } from './node.ts'
import type { Encryption } from './node.ts'

/** Where the contenders find the server. */
export interface ServerAddresses {
  readonly rawPort: number
  /** A plain libp2p node, with a stream for each request. */
  readonly plain: string
  /** Members with rpc. */
  readonly nodes: Readonly<Record<Encryption, string>>
}

function echoStream(stream: Stream): void {
  stream.addEventListener(
    'message',
    (event) => {
      stream.send(event.data)
      // The caller may have gone already; then there is nobody left to tell.
      stream.close().catch(() => {})
    },
    { once: true }
  )
}

async function startRpc(encryption: Encryption): Promise<string> {
  const node = await startNode(encryption)
  node.services.rpc.handle('echo', (request) => request)
  return String(node.getMultiaddrs()[0])
}

async function startStreams(): Promise<string> {
  const node = await startPlain()
  await node.handle(echoProtocol, echoStream, { maxInboundStreams: 1_000 })
  return String(node.getMultiaddrs()[0])
}

function startRaw(): Promise<Server> {
  // Frames come back as they are: cutting them up is the work of the caller.
  const server = createServer((socket) => {
    socket.setNoDelay(true)
    socket.on('data', (bytes) => socket.write(bytes))
    socket.on('error', () => socket.destroy())
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}

function portOf(server: Server): number {
  // A TCP server that listens has an address of this shape.
  const address = server.address() as AddressInfo
  return address.port
}

process.on('disconnect', () => process.exit(0))
const [ownPort, callerPort] = process.argv.slice(2).map(Number)
const raw = await startRaw()
const [tls, noise] = await Promise.all(encryptions.map(startRpc))
const broker = createBroker('server', ownPort ?? 0, { caller: callerPort ?? 0 })
broker.createService({ name: 'bench', actions: { echo: (context) => context.params } })
await broker.start()
const addresses: ServerAddresses = {
  rawPort: portOf(raw),
  plain: await startStreams(),
  nodes: { tls: tls ?? '', noise: noise ?? '' }
}
process.send?.(addresses)
