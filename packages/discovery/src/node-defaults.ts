/**
 * Options of `createLibp2p` without which a cluster does not come up or does not stay up. The
 * defaults of libp2p are made for strangers on the internet.
 */

/**
 * Pass as `connectionManager`. The stock limits of 5 inbound connections per second and host and 10
 * pending ones refuse most of 16 peers that start behind one address. `maxConnections` is raised
 * because pruning never closes a connection that carries streams and so only refuses new ones.
 * Handshakes have 15 s, because a busy machine that cuts them short has to repeat all of them; what
 * keeps an address that swallows packets from taking as long is the limit in `tcpDefaults`.
 * `reconnectRetries: 0`: the keeper of this package redials, for ever and with jitter; the one of
 * libp2p gives up after 31 s.
 */
export const connectionManagerDefaults: {
  readonly inboundConnectionThreshold: number
  readonly maxIncomingPendingConnections: number
  readonly maxConnections: number
  readonly maxParallelDials: number
  readonly maxDialQueueLength: number
  readonly dialTimeout: number
  readonly addressDialTimeout: number
  readonly inboundUpgradeTimeout: number
  readonly reconnectRetries: number
} = {
  inboundConnectionThreshold: 1_000,
  maxIncomingPendingConnections: 256,
  maxConnections: 1_024,
  maxParallelDials: 64,
  maxDialQueueLength: 2_048,
  dialTimeout: 20_000,
  addressDialTimeout: 15_000,
  inboundUpgradeTimeout: 15_000,
  reconnectRetries: 0
}

/**
 * Pass as `peerStore`. By default an address is forgotten one hour after it was last stored, even
 * while its peer is connected, and a redial then fails for want of an address.
 */
export const peerStoreDefaults: {
  readonly maxAddressAge: number
  readonly maxPeerAge: number
} = {
  maxAddressAge: Number.POSITIVE_INFINITY,
  maxPeerAge: Number.POSITIVE_INFINITY
}

/**
 * Pass to `yamux()`. More than 10 streams opened before the other side has finished its upgrade
 * otherwise kill the muxer and leave a connection that looks open and opens no stream.
 */
export const yamuxDefaults: { readonly maxEarlyStreams: number } = { maxEarlyStreams: 1_000 }

/**
 * Pass as `connectionMonitor`. By default a connection is aborted when a ping takes 5 s, which a busy
 * machine does to all its peers at once. Failure detectors send their own heartbeats; this one only
 * has to end connections to peers that are gone without a word.
 */
export const connectionMonitorDefaults: {
  readonly pingInterval: number
  readonly pingTimeout: { readonly minTimeout: number }
} = { pingInterval: 10_000, pingTimeout: { minTimeout: 15_000 } }

/** Pass to `tcp()`: an address where nobody answers is given up after 3 s, and the next one tried. */
export const tcpDefaults: {
  readonly dialOpts: { readonly noDelay: boolean; readonly timeout: number }
} = {
  // The types of the transport do not know `timeout`; it goes to `net.connect` all the same.
  dialOpts: { noDelay: true, timeout: 3_000 }
}
