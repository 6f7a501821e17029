import { identify } from '@libp2p/identify'
import type { Identify } from '@libp2p/identify'
import type { Libp2p, PrivateKey } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import {
  connectionManagerDefaults,
  connectionMonitorDefaults,
  discovery,
  peerStoreDefaults,
  tcpDefaults,
  yamuxDefaults
} from '@murmuration/discovery'
import type { Prober } from '@murmuration/discovery'
import type { Discovery, Rpc } from '@murmuration/interface'
import { rpc } from '@murmuration/rpc'
import { createLibp2p } from 'libp2p'

export interface FaultNode {
  readonly libp2p: Libp2p<{
    identify: Identify
    rpc: Rpc
    discovery: Discovery & Prober
  }>
  readonly rpc: Rpc
  readonly discovery: Discovery & Prober
}

/** A node as `cluster` makes it, without a cluster on it. */
export async function faultNode(privateKey: PrivateKey, port = 0): Promise<FaultNode> {
  const libp2p = await createLibp2p({
    privateKey,
    addresses: { listen: [`/ip4/127.0.0.1/tcp/${port}`] },
    transports: [tcp(tcpDefaults)],
    connectionEncrypters: [tls()],
    streamMuxers: [yamux(yamuxDefaults)],
    connectionManager: connectionManagerDefaults,
    connectionMonitor: connectionMonitorDefaults,
    peerStore: peerStoreDefaults,
    services: { identify: identify(), rpc: rpc(), discovery: discovery() }
  })
  return { libp2p, rpc: libp2p.services.rpc, discovery: libp2p.services.discovery }
}
