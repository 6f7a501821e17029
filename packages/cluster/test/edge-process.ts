/**
 * An edge peer in a process of its own, so that it can be killed. It cannot be dialled. Tells its
 * PeerId when it is there.
 */
import { createCluster } from '@murmuration/cluster'
import { device } from './device.ts'

// Written by the test beside this file.
const { bootstrap, dataDir } = JSON.parse(process.argv[2] ?? '') as {
  readonly bootstrap: readonly string[]
  readonly dataDir: string
}
const peer = await createCluster({
  name: 'edges',
  agents: [device],
  role: 'edge',
  listen: [],
  bootstrap,
  dataDir
})
await peer.ready()
// A test that was ended leaves no process behind.
process.on('disconnect', () => process.exit(0))
process.send?.({ peerId: peer.peerId })
