/** A peer in a process of its own: answers `echo`, never answers `wait`. Ends with its parent. */
import { startNode } from './mesh-nodes.ts'

const node = await startNode()
node.rpc.handle('echo', (request) => request)
node.rpc.handle('wait', () => new Promise(() => {}))
process.on('disconnect', () => process.exit(0))
process.send?.(node.libp2p.getMultiaddrs().map(String))
