import { noise } from '@libp2p/noise'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p, PrivateKey } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import type { Rpc } from '@murmuration/interface'
import { createLibp2p } from 'libp2p'
import { joinedFrames, rpc, sparingWindowUpdates } from '../src/index.ts'
import type { RpcInit } from '../src/index.ts'

export interface Node {
  readonly libp2p: Libp2p
  readonly rpc: Rpc
  readonly peer: string
}

export interface NodeInit {
  readonly rpc?: RpcInit
  readonly privateKey?: PrivateKey
  readonly port?: number
  readonly encrypter?: 'tls' | 'noise'
  /** The only port that it dials. */
  readonly dials?: number
}

/** A started node on loopback. */
export async function startNode(init: NodeInit = {}): Promise<Node> {
  const libp2p = await createLibp2p({
    privateKey: init.privateKey ?? (await generateKeyPair('Ed25519')),
    addresses: { listen: [`/ip4/127.0.0.1/tcp/${init.port ?? 0}`] },
    transports: [tcp()],
    connectionEncrypters: [init.encrypter === 'noise' ? noise() : tls()],
    streamMuxers: [joinedFrames(sparingWindowUpdates(yamux()))],
    connectionGater: {
      denyDialMultiaddr: (address) =>
        init.dials !== undefined && !`${address.toString()}/`.includes(`/tcp/${init.dials}/`)
    },
    connectionManager: { inboundConnectionThreshold: 1_000, reconnectRetries: 0 },
    services: { identify: identify(), rpc: rpc(init.rpc) }
  })
  return { libp2p, rpc: libp2p.services.rpc, peer: libp2p.peerId.toString() }
}

/** Tells `from` where `to` listens, so that it can be dialled by its PeerId. */
export async function introduce(from: Node, to: Node): Promise<void> {
  await from.libp2p.peerStore.merge(to.libp2p.peerId, { multiaddrs: to.libp2p.getMultiaddrs() })
}

/** Tells `from` to dial a peer at a port of loopback, where something passes on what is sent. */
export async function dialThrough(from: Node, peer: string, port: number): Promise<void> {
  const multiaddrs = [multiaddr(`/ip4/127.0.0.1/tcp/${port}`)]
  await from.libp2p.peerStore.merge(peerIdFromString(peer), { multiaddrs })
}
