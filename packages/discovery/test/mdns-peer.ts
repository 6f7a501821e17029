/**
 * One peer that finds others by mDNS, for a network namespace of its own. Takes the address of its
 * interface, a service tag and its key, writes the number of connected peers whenever it changes.
 */
import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import { mdns } from '../src/index.ts'
import { createNode } from './mesh-nodes.ts'

const [host = '', serviceTag = '', key = ''] = process.argv.slice(2)
const privateKey = privateKeyFromProtobuf(Buffer.from(key, 'hex'))
const node = await createNode({
  host,
  privateKey,
  strategies: [mdns({ serviceTag, intervalMs: 1_000 })]
})
const { discovery } = node.services
const tell = (): void => void process.stdout.write(`${discovery.connected().length}\n`)
discovery.addEventListener('connected', tell)
discovery.addEventListener('disconnected', tell)
