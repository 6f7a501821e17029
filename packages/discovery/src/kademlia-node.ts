import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import type { KadDHT, KadDHTComponents, KadDHTInit } from '@libp2p/kad-dht'
import { peerDiscoverySymbol } from '@libp2p/interface'
import { InvalidParametersError } from '@murmuration/interface'
import { BoundedDatastore } from './kademlia-records.ts'

/** Options of {@link kademliaNode}. */
export interface KademliaNodeInit {
  /** Name of the cluster: part of the protocol id, so that clusters do not mix. */
  readonly cluster: string
  /** `client` asks and answers nothing, for peers that cannot be dialled. @default 'server' */
  readonly mode?: 'server' | 'client'
  /** Namespaces of values that are stored for others, each with validator and selector. @default none */
  readonly validators?: KadDHTInit['validators']
  readonly selectors?: KadDHTInit['selectors']
}

/**
 * `@libp2p/kad-dht` for a cluster of its own, as a service of libp2p beside `identify` and `ping`.
 * Its defaults are made for the public network: there a node is a client, whatever the documentation
 * says, and drops private addresses, so that in a LAN its table stays empty.
 *
 * What others store here is bounded (16,384 records, 256 of one provider) and kept in memory. Values
 * are taken only in namespaces with a validator: by default none, also not libp2p's own. Peers that
 * answers name do not go to libp2p's peer store, which would keep them all for ever; they reach
 * discovery through the strategy `kademlia`, which is bounded.
 *
 * @example
 * ```ts
 * services: { identify: identify(), ping: ping(), dht: kademliaNode({ cluster: 'forest' }), … }
 * ```
 */
export function kademliaNode(init: KademliaNodeInit): (components: KadDHTComponents) => KadDHT {
  if (!/^[\w.-]{1,64}$/.test(init.cluster)) {
    throw new InvalidParametersError('cluster must be 1 to 64 letters, digits, ".", "_" or "-"')
  }
  const { cluster, mode, validators = {}, selectors = {} } = init
  const factory = kadDHT({
    protocol: kademliaProtocol(cluster),
    clientMode: mode === 'client',
    peerInfoMapper: passthroughMapper,
    // An empty table answers at once instead of blocking a query for minutes.
    allowQueryWithZeroPeers: true,
    validators,
    selectors
  })
  return (components) => {
    const datastore = new BoundedDatastore()
    // libp2p's components are a proxy that throws for what was not given, so it cannot be copied.
    const own = new Proxy(components, {
      get: (target, name, receiver): unknown =>
        name === 'datastore' ? datastore : Reflect.get(target, name, receiver)
    })
    const dht = factory(own)
    Object.defineProperty(dht, peerDiscoverySymbol, { value: undefined })
    // kad-dht merges its own defaults into what it is given: namespaces `pk` and `ipns`.
    for (const name of Object.keys(dht.validators)) {
      if (!Object.hasOwn(validators, name)) {
        delete dht.validators[name]
      }
    }
    return dht
  }
}

/** The protocol of the DHT of a cluster. */
export function kademliaProtocol(cluster: string): string {
  return `/murmuration/${cluster}/kad/1.0.0`
}
