import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import type { KadDHT } from '@libp2p/kad-dht'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import type { PrivateKey } from '@libp2p/interface'
import type { Registry, Rpc } from '@murmuration/interface'
import { createDhtRegistry, locationRecords } from '@murmuration/registry'
import type { DhtRegistryInit, LocationRecords, LocationRecordsInit } from '@murmuration/registry'
import { rpc } from '@murmuration/rpc'
import { MemoryDatastore } from 'datastore-core'
import { createLibp2p } from 'libp2p'

export interface DhtNode {
  readonly libp2p: Libp2p
  readonly dht: KadDHT
  readonly rpc: Rpc
  readonly records: LocationRecords
  readonly privateKey: PrivateKey
  readonly peer: string
  readonly registry: Registry
  stop(): Promise<void>
}

export interface DhtNodeInit {
  readonly privateKey?: PrivateKey
  readonly store?: MemoryDatastore
  readonly records?: LocationRecordsInit
  /** Stores whatever is valid, as kad-dht does by itself. */
  readonly unguarded?: boolean
  readonly registry?: DhtRegistryInit
}

/** A plain libp2p node with kad-dht on loopback, and nothing else of ours but the registry. */
export async function startDhtNode(init: DhtNodeInit = {}): Promise<DhtNode> {
  const records = locationRecords(init.records)
  const store = init.store ?? new MemoryDatastore()
  const privateKey = init.privateKey ?? (await generateKeyPair('Ed25519'))
  const libp2p = await createLibp2p({
    privateKey,
    datastore: init.unguarded === true ? store : records.guard(store),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1_000 },
    services: {
      identify: identify(),
      ping: ping(),
      rpc: rpc({ cluster: 'test' }),
      dht: kadDHT({
        protocol: '/test/kad/1.0.0',
        clientMode: false,
        peerInfoMapper: passthroughMapper,
        allowQueryWithZeroPeers: true,
        ...records.kadOptions
      })
    }
  })
  const { dht } = libp2p.services
  const registry = createDhtRegistry({ dht, records, privateKey }, init.registry)
  await registry.start()
  const stop = async (): Promise<void> => {
    await registry.stop()
    await libp2p.stop()
  }
  return {
    libp2p,
    dht,
    rpc: libp2p.services.rpc,
    records,
    privateKey,
    peer: libp2p.peerId.toString(),
    registry,
    stop
  }
}

/** Connects every node with every other one, and waits until their routing tables know. */
export async function connectAll(nodes: readonly DhtNode[]): Promise<void> {
  for (const [at, from] of nodes.entries()) {
    for (const to of nodes.slice(at + 1)) {
      await from.libp2p.dial(to.libp2p.getMultiaddrs())
    }
  }
  const wanted = nodes.length - 1
  for (let tries = 0; tries < 200; tries++) {
    if (nodes.every((node) => tableSize(node) >= wanted)) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error(`routing tables: ${nodes.map(tableSize).join()}`)
}

function tableSize({ dht }: DhtNode): number {
  // The only way to see it: the interface does not show the table.
  return (dht as unknown as { routingTable: { size: number } }).routingTable.size
}
