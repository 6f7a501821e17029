import { afterEach, describe, expect, it, vi } from 'vitest'
import { createNode } from './mesh-nodes.ts'
import type { Node } from './mesh-nodes.ts'

const nodes: Node[] = []

async function start(): Promise<Node> {
  const node = await createNode()
  nodes.push(node)
  return node
}

afterEach(async () => {
  vi.useRealTimers()
  await Promise.all(nodes.splice(0).map(async (node) => node.stop()))
})

/** What libp2p does by itself, and a node with the defaults of this package does not. */
describe('a node with these defaults', () => {
  it('dials a peer by its PeerId hours after its address was stored', async () => {
    const [one, other] = [await start(), await start()]
    await one.dial(other.getMultiaddrs())
    await one.hangUp(other.peerId)
    // By default an address is forgotten after an hour, a peer after six.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 7 * 3_600_000 })
    const connection = await one.dial(other.peerId)
    expect(connection.status).toBe('open')
  })
})
