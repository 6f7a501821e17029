/**
 * What is to become of a gossip message: `accept` sends it on; `keep` does not, since all who listen
 * have it from its author; `ignore` drops it, and `reject` also counts against who sent it.
 */
export type Verdict = 'accept' | 'keep' | 'ignore' | 'reject'

/** A message as it came from a neighbour, not yet trusted. */
export interface GossipMessage {
  readonly topic: string
  readonly bytes: Uint8Array
  /** PeerId (text) of the neighbour it came from, who need not be the author. */
  readonly from: string
}

/**
 * All that signals need of a gossip protocol. Implement it to bring your own; the one over
 * `@libp2p/gossipsub` is {@link gossipsubGossip}.
 */
export interface Gossip {
  /**
   * Whether `publish` hands a message to all known subscribers itself, so that who is missing in its
   * answer does not get it. @default true
   */
  readonly direct?: boolean
  /** Sends to those who subscribe; returns the PeerIds (text) it was handed to, maybe none. */
  publish(topic: string, bytes: Uint8Array): Promise<readonly string[]>
  /** Peers (text) that `publish` would hand a message to now. @default nobody knows */
  reaches?(topic: string): readonly string[]
  /** Idempotent. */
  subscribe(topic: string): void
  /** Idempotent. */
  unsubscribe(topic: string): void
  /** Other peers (text) that are known to subscribe to a topic. */
  subscribers(topic: string): readonly string[]
  /**
   * Sets who judges messages of subscribed topics; only accepted ones are sent on. Messages of one
   * neighbour come in order. Returns a function that takes it back.
   */
  onMessage(judge: (message: GossipMessage) => Promise<Verdict>): () => void
  /** Tells when another peer subscribes to a topic. Returns a function that takes it back. */
  onSubscribed(listener: (peer: string, topic: string) => void): () => void
  /** Connected peers (text) that speak the protocol. */
  peers(): readonly string[]
  /**
   * Opens streams to connected peers that cannot be reached because none is open; returns those peers
   * (text). @default nothing to mend
   */
  mend?(): readonly string[]
}
