import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { createCluster } from '@murmuration/cluster'
import { meter } from './agents.ts'

/** A member with a disk, and a raw echo server beside it to compare with. */
export interface PeerArguments {
  readonly port: number
  readonly announce: string | undefined
  readonly bootstrap: readonly string[]
  readonly dataDir: string
  readonly secret: string
}

export interface PeerReady {
  readonly addresses: readonly string[]
  readonly peer: string
  readonly echoPort: number
}

const init = JSON.parse(process.argv[2] ?? '{}') as PeerArguments // written by cluster.ts beside it
const cluster = await createCluster({
  name: 'budgets',
  secret: init.secret,
  agents: [meter],
  listen: [`/ip4/127.0.0.1/tcp/${init.port}`],
  bootstrap: init.bootstrap,
  dataDir: init.dataDir,
  ...(init.announce === undefined ? {} : { announce: [init.announce] })
})
cluster.signals.subscribe('bench.*', () => undefined)
const echo = createServer((socket) => {
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.pipe(socket)
})
await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
const { port } = echo.address() as AddressInfo // it listens on TCP
const ready: PeerReady = { addresses: cluster.addresses, peer: cluster.peerId, echoPort: port }
process.send?.(ready)
process.on('disconnect', () => process.exit(0))
