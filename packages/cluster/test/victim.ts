/**
 * A peer in a process of its own that is attacked. Takes its identity as JSON, tells its addresses,
 * and on request how long its event loop stood still at most, its memory, and that it still works.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
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
const stalls = monitorEventLoopDelay({ resolution: 5 })
stalls.enable()
process.on('disconnect', () => process.exit(0))
process.on('message', (message) => {
  if (message === 'reset') {
    stalls.reset()
    process.send?.({})
    return
  }
  void peer
    .agent(probe, 'one')
    .call('add', 1)
    .then((count) =>
      process.send?.({
        count,
        stallMs: stalls.max / 1e6,
        rssMb: process.memoryUsage.rss() / 1_048_576,
        connected: peer.discovery?.connected() ?? []
      })
    )
})
process.send?.(peer.addresses)
