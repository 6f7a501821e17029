/**
 * One peer in a process of its own. Takes `{ key, port, keep }` as JSON, writes its address on one
 * line, and runs until it is killed.
 */
import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import type { FoundPeer } from '@murmuration/interface'
import { createNode } from './mesh-nodes.ts'

// Written by the test beside this file.
const options = JSON.parse(process.argv[2] ?? '') as {
  readonly key: string
  readonly port: number
  readonly keep: readonly FoundPeer[]
}

const privateKey = privateKeyFromProtobuf(Buffer.from(options.key, 'hex'))
const node = await createNode({ privateKey, port: options.port })
node.services.discovery.keep(options.keep)
process.stdout.write(`${node.getMultiaddrs()[0]?.toString() ?? ''}\n`)
