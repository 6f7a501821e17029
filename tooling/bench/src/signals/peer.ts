/** One of the peers of the `signals` bench: publishes and counts as it is told by calls. */
import { startNode } from './node.ts'
import type { Kind } from './node.ts'
import { publishFor, Received } from './traffic.ts'
import type { Publishing, Report } from './traffic.ts'

/** What the peer is started with, as JSON. */
export interface PeerInit {
  readonly kind: Kind
  readonly folder: string
  readonly dial: readonly string[]
  /** Written into what it publishes. */
  readonly index: number
}

export interface PeerReady {
  readonly peer: string
  readonly address: string
}

process.on('disconnect', () => process.exit(0))
// The bench writes it.
const init = JSON.parse(process.argv[2] ?? '{}') as PeerInit
const node = await startNode(init.kind, init.folder, init.dial)
const received = new Received()
node.listen((payload) => received.take(payload))
node.rpc.handle('reset', () => {
  received.reset()
  return new Uint8Array(0)
})
node.rpc.handle('received', () => {
  const report: Report = { ...received.report(), counters: node.counters() }
  return new TextEncoder().encode(JSON.stringify(report))
})
node.rpc.handle('listeners', () => Uint8Array.of(node.listeners()))
node.rpc.handle('publish', async (request) => {
  const publishing = JSON.parse(new TextDecoder().decode(request)) as Publishing
  const sent = await publishFor(node, init.index, publishing)
  return new TextEncoder().encode(String(sent))
})
const ready: PeerReady = {
  peer: node.libp2p.peerId.toString(),
  address: String(node.libp2p.getMultiaddrs()[0])
}
process.send?.(ready)
