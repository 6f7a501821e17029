/** A peer with desks in a process of its own, so that it can be stopped as a whole. */
import { createCluster } from '@murmuration/cluster'
import { desk } from './desk.ts'

// Written by the test beside this file.
const bootstrap = JSON.parse(process.argv[2] ?? '') as readonly string[]
const peer = await createCluster({
  name: 'desks',
  agents: [desk],
  listen: ['/ip4/127.0.0.1/tcp/0'],
  bootstrap
})
await peer.ready()
process.on('disconnect', () => process.exit())
process.send?.({ peerId: peer.peerId })
