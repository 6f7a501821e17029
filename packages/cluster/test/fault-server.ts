/** A peer that answers, slowly or at great cost if asked so. Takes `{ key, port }` as JSON; ends with its parent. */
import { createHash } from 'node:crypto'
import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import { faultNode } from './fault-node.ts'

// Written by the program beside this file.
const { key, port } = JSON.parse(process.argv[2] ?? '') as { key: string; port: number }
const { rpc, libp2p } = await faultNode(privateKeyFromProtobuf(Buffer.from(key, 'hex')), port)
const block = new Uint8Array(4_194_304)
rpc.handle('echo', (request) => request)
rpc.handle('slow', async (request) => {
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  return request
})
rpc.handle('busy', (request) => {
  createHash('sha256').update(block).digest()
  return request
})
process.on('disconnect', () => process.exit(0))
process.send?.(libp2p.getMultiaddrs().map(String))
