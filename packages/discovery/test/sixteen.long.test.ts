import { afterEach, describe, expect, it } from 'vitest'
import { createNode, foundPeerOf, until } from './mesh-nodes.ts'
import type { Node } from './mesh-nodes.ts'

const nodes: Node[] = []

async function start(): Promise<Node> {
  const node = await createNode()
  nodes.push(node)
  return node
}

afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async (node) => node.stop()))
})

describe('sixteen peers behind one address', () => {
  it('are all connected to each other, each pair once, and answer for their actions', async () => {
    const all = await Promise.all(Array.from({ length: 16 }, start))
    const peers = all.map(foundPeerOf)
    for (const [index, node] of all.entries()) {
      node.services.discovery.offer([{ name: `type${index % 2}.run`, version: '1.0.0' }], {
        zone: index % 4 === 0 ? 'north' : 'south'
      })
      node.services.discovery.keep(peers)
    }
    const ms = await until(
      'full mesh',
      () => all.every((node) => node.services.discovery.connected().length === 15),
      // Some seconds of CPU; machines that test are often busy.
      90_000
    )
    await until('each pair once', () => all.every((node) => node.getConnections().length === 15))
    console.log(`16 peers were fully connected after ${ms.toFixed(0)} ms`)
    const [first, second] = all
    if (first === undefined || second === undefined) throw new Error('sixteen peers expected')
    const asked = await first.services.discovery.actions({ timeoutMs: 5_000 })
    expect(asked.silent).toEqual([])
    expect(asked.answers.map(({ name, peers: by }) => [name, by.length])).toEqual([
      ['type0.run', 8],
      ['type1.run', 8]
    ])
    const capable = await first.services.discovery.findCapablePeers(['type0.run'], {
      labels: { zone: 'north' },
      timeoutMs: 5_000
    })
    expect(capable.answers).toHaveLength(4)
    await second.stop()
    await until('the loss is seen', () => first.services.discovery.connected().length === 14)
    const { silent } = await first.services.discovery.actions({ timeoutMs: 5_000 })
    expect(silent).toEqual([second.peerId.toString()])
  }, 120_000)
})
