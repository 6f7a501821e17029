import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { rpc } from '@murmuration/rpc'
import type { Rpc } from '@murmuration/rpc'
import { createLibp2p } from 'libp2p'

export const encryptions = ['tls', 'noise'] as const
export type Encryption = (typeof encryptions)[number]

/** Protocol of the contender that opens a stream for each request. */
export const echoProtocol = '/bench/echo/1.0.0'

/** A node with rpc; plain encryption, since admission does not change the path of data. */
export function startNode(encryption: Encryption): Promise<Libp2p<{ rpc: Rpc }>> {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [encryption === 'tls' ? tls() : noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1_000 },
    services: { identify: identify(), rpc: rpc() }
  })
}
