/**
 * A peer in a process of its own that is attacked. Takes its identity as JSON, tells its addresses,
 * and on request how long its event loop was held up at most, its memory, and that it still works.
 */
import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import { defineAgent } from '@murmuration/agent'
import { createCluster } from '@murmuration/cluster'
import { counter } from '@murmuration/crdt'
import { z } from 'zod'

const probe = defineAgent({
  type: 'probe',
  state: { count: counter() },
  actions: {
    add: {
      input: z.number(),
      output: z.number(),
      run({ input, state }) {
        state.count.increment(input)
        return state.count.value
      }
    }
  }
})

// Written by the test beside this file.
const { dataDir, root, certificate, rootKey } = JSON.parse(process.argv[2] ?? '') as {
  dataDir: string
  root: string
  certificate: string
  rootKey: string
}
const peer = await createCluster({
  name: 'fort',
  agents: [probe],
  dataDir,
  kademlia: true,
  listen: ['/ip4/127.0.0.1/tcp/0'],
  identity: {
    rootPublicKey: Buffer.from(root, 'hex'),
    certificate: Buffer.from(certificate, 'hex'),
    issuer: { privateKey: privateKeyFromProtobuf(Buffer.from(rootKey, 'hex')) }
  }
})
await peer.ready()
process.on('uncaughtException', (error) => {
  console.error(error)
  process.exit(1)
})
// Others may publish to it.
peer.signals.subscribe('**', () => {})

/** The longest turn of the event loop: what it worked in it, not what it waited for a processor. */
let stallMs = 0
let [last, worked] = [performance.now(), workedMs()]
function workedMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}
setInterval(() => {
  const [now, work] = [performance.now(), workedMs()]
  stallMs = Math.max(stallMs, Math.min(now - last, work - worked))
  ;[last, worked] = [now, work]
}, 5)
function reset(): void {
  stallMs = 0
  ;[last, worked] = [performance.now(), workedMs()]
}
process.on('disconnect', () => process.exit(0))
process.on('message', (message) => {
  if (message === 'reset') {
    reset()
    process.send?.({})
    return
  }
  void peer
    .agent(probe, 'one')
    .call('add', 1)
    .then((count) => {
      const stalledMs = stallMs
      globalThis.gc?.()
      const { rss, heapUsed, external } = process.memoryUsage()
      const [rssMb, heapMb, outsideMb] = [rss, heapUsed, external].map((bytes) => bytes / 1_048_576)
      const connected = peer.discovery?.connected() ?? []
      const revoked = peer.view?.revoked?.peers.length ?? 0
      process.send?.({
        count,
        stallMs: stalledMs,
        rssMb,
        heapMb,
        outsideMb,
        connected,
        revoked
      })
      reset()
    })
})
process.send?.(peer.addresses)
