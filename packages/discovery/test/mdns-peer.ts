/**
 * One peer that finds others by mDNS, for a network namespace of its own. Takes the address of its
 * interface and a service tag, writes the number of connected peers whenever it changes.
 */
import { mdns } from '../src/index.ts'
import { createNode } from './mesh-nodes.ts'

const [host = '', serviceTag = ''] = process.argv.slice(2)
const node = await createNode({ host, strategies: [mdns({ serviceTag, intervalMs: 1_000 })] })
const { discovery } = node.services
const tell = (): void => void process.stdout.write(`${discovery.connected().length}\n`)
discovery.addEventListener('connected', tell)
discovery.addEventListener('disconnected', tell)
