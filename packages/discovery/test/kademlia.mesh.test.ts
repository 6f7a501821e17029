import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { lpStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, describe, expect, it } from 'vitest'
import { createPeers } from './fake-node.ts'
import { createKademliaNode, until } from './mesh-nodes.ts'
import type { KademliaNode, NodeInit } from './mesh-nodes.ts'

const nodes: KademliaNode[] = []

async function start(
  addresses: readonly string[] = [],
  init: NodeInit = {}
): Promise<KademliaNode> {
  const node = await createKademliaNode(addresses, init)
  nodes.push(node)
  return node
}

function addressesOf(node: KademliaNode): string[] {
  return node.getMultiaddrs().map(String)
}

afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async (node) => node.stop()))
})

describe('a walk through Kademlia', () => {
  it('leads from one known address to everybody, to one that comes later, and where it moved', async () => {
    const chain = [await start()]
    for (let index = 1; index < 6; index++) {
      // Each knows the one before it, and nobody knows all.
      const before = chain.at(-1)
      chain.push(await start(before === undefined ? [] : addressesOf(before)))
    }
    const last = chain.at(-1)
    if (last === undefined) throw new Error('no node')
    const self = await start(addressesOf(last))
    const isEverybodyThere = (): boolean =>
      chain.every((node) => self.services.discovery.connected().includes(node.peerId.toString()))
    const ms = await until('everybody found', isEverybodyThere)
    console.log(`6 peers found from one address after ${ms.toFixed(0)} ms`)
    expect(self.services.dht.getMode()).toBe('server')
    // It knows one address, which is not that of who looks for it.
    const privateKey = await generateKeyPair('Ed25519')
    const known = addressesOf(chain[0] ?? last)
    const late = await start(known, { privateKey })
    const peer = late.peerId.toString()
    const isThere = (): boolean => self.services.discovery.connected().includes(peer)
    const foundMs = await until('the late one found', isThere)
    await late.stop()
    await until('the late one gone', () => !isThere())
    await start(known, { privateKey })
    const movedMs = await until('found where it moved', isThere)
    console.log(
      `one that came later found after ${foundMs.toFixed(0)} ms, moved ${movedMs.toFixed(0)} ms`
    )
  })

  it('takes no value without a validator, not even in the namespaces of libp2p', async () => {
    const [one, rogue] = [await start(), await start()]
    await rogue.dial(one.getMultiaddrs())
    await until('in the table', () => one.services.discovery.connected().length > 0)
    expect(Object.keys(one.services.dht.validators)).toEqual([])
    const key = new TextEncoder().encode('/pk/anything')
    for await (const event of rogue.services.dht.put(key, key)) {
      expect(event.name).not.toBe('VALUE')
    }
    const values: string[] = []
    const read = async (): Promise<void> => {
      for await (const event of one.services.dht.get(key)) values.push(event.name)
    }
    await read().catch(() => {})
    expect(values).not.toContain('VALUE')
  })

  it('does not let a rogue peer fill the peer store with peers that nobody can reach', async () => {
    const [one, rogue] = [await start(), await start()]
    const forged = await createPeers(2_000)
    // The rogue's answers: kad-dht reads them from its own routing, so it is replaced on its side.
    await rogue.unhandle('/murmuration/test/kad/1.0.0')
    let asked = 0
    await rogue.handle('/murmuration/test/kad/1.0.0', async (stream) => {
      const frames = lpStream(stream)
      await frames.read()
      asked++
      const closer = forged.map((peer) => peerInfo(peerIdFromString(peer)))
      await frames.write(Uint8Array.from([8, 4, ...closer.flat()]))
      await stream.close()
    })
    await one.dial(rogue.getMultiaddrs())
    await until('a walk asked the rogue', () => asked >= 2)
    const before = (await one.peerStore.all()).length
    expect(before).toBeLessThan(50)
    const known = one.services.discovery.connected()
    expect(known).toEqual([rogue.peerId.toString()])
  })
})

/** A `closer` entry (field 8) of kad-dht's message: id (1) and one address (2). */
function peerInfo(id: PeerId): number[] {
  const name = id.toMultihash().bytes
  const address = multiaddr('/ip4/127.0.0.1/tcp/9').bytes
  const body = [10, name.length, ...name, 18, address.length, ...address]
  return [66, body.length, ...body]
}
