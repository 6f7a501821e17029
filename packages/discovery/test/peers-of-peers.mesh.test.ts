import { generateKeyPair } from '@libp2p/crypto/keys'
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { bytes, list, message, object } from '@murmuration/codec'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, describe, expect, it } from 'vitest'
import { bootstrap, peersOfPeers } from '../src/index.ts'
import type { PeersOfPeersInit } from '../src/index.ts'
import { createNode, until } from './mesh-nodes.ts'
import type { Node } from './mesh-nodes.ts'

const nodes: Node[] = []

async function start(addresses: readonly string[], init: PeersOfPeersInit = {}): Promise<Node> {
  const strategies = [
    ...(addresses.length === 0 ? [] : [bootstrap({ addresses })]),
    peersOfPeers({ intervalMs: 1_000, ...init })
  ]
  const node = await createNode({ strategies })
  nodes.push(node)
  return node
}

const addressesOf = (node: Node): string[] => node.getMultiaddrs().map(String)

/** The form of an answer. */
const Answer = message(
  { peers: list(object({ record: bytes(), proofs: list(bytes(), { max: 9 }) }), { max: 99 }) },
  { bytesMax: 1_000_000 }
)

async function recordOf(address: string, sequence: bigint, forge = false) {
  const [key, other] = [await generateKeyPair('Ed25519'), await generateKeyPair('Ed25519')]
  const peerId = peerIdFromPrivateKey(key)
  const record = new PeerRecord({
    peerId,
    multiaddrs: [multiaddr(address)],
    seqNumber: sequence
  })
  const envelope = await RecordEnvelope.seal(record, forge ? other : key)
  return { peer: peerId.toString(), record: envelope.marshal() }
}

afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async (node) => node.stop()))
})

describe('peers of peers', () => {
  it('lead from one address to everybody', async () => {
    const hub = await start([])
    const spokes = [await start(addressesOf(hub)), await start(addressesOf(hub))]
    const self = await start(addressesOf(hub))
    await until('all of them', () =>
      spokes.every((node) => self.services.discovery.connected().includes(node.peerId.toString()))
    )
    expect(self.services.discovery.connected()).toHaveLength(3)
  })

  it('are not taken forged, told by somebody else, older than known, or without proof', async () => {
    const rogue = await start([])
    const good = await recordOf('/ip4/127.0.0.1/tcp/9', 5n)
    const forged = await recordOf('/ip4/127.0.0.1/tcp/9', 5n, true)
    const unproven = await recordOf('/ip4/127.0.0.1/tcp/9', 5n)
    const proof = new TextEncoder().encode(good.peer)
    const answer = Answer.encode({
      peers: [
        { record: Uint8Array.of(1, 2, 3), proofs: [] },
        { record: forged.record, proofs: [new TextEncoder().encode(forged.peer)] },
        { record: unproven.record, proofs: [] },
        { record: good.record, proofs: [proof] }
      ]
    })
    let asked = 0
    rogue.services.rpc.unhandle('discovery.peers')
    rogue.services.rpc.handle('discovery.peers', () => {
      asked++
      return answer
    })
    const found: string[] = []
    const proofs = {
      of: () => undefined,
      hold: async (peer: string, shown: readonly Uint8Array[]) =>
        shown.some((one) => new TextDecoder().decode(one) === peer)
    }
    const self = await start(addressesOf(rogue), { proofs })
    self.services.discovery.addEventListener('found', ({ detail }) => found.push(detail.peer))
    await until('asked twice', () => asked >= 2)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(found.filter((peer) => peer !== rogue.peerId.toString())).toEqual([good.peer])
  })
})
