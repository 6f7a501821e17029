import type { TypedEventTarget } from 'main-event'
import type { AbortOptions } from '@libp2p/interface'
import type { Service } from './runtime.ts'

/** A peer that was found; a hint until it is connected and admitted. */
export interface FoundPeer {
  /** PeerId as text. */
  readonly peer: string
  readonly addresses: readonly string[]
}

/** One way to find peers. It reports what it finds, as often as it likes, until it is stopped. */
export interface DiscoveryStrategy {
  readonly name: string
  start(found: (peer: FoundPeer) => void): Promise<void> | void
  stop(): Promise<void> | void
}

/** One action that a peer offers. */
export interface OfferedAction {
  /** `type.action`. */
  readonly name: string
  readonly version: string
  /** JSON Schema of the input, where the schema library can tell. */
  readonly inputSchema?: unknown
  readonly description?: string
}

export interface ActionOffer extends OfferedAction {
  readonly peers: readonly string[]
}

/** An answer of many peers: what came, and who was silent. */
export interface PartialAnswer<T> {
  readonly answers: readonly T[]
  readonly silent: readonly string[]
}

export interface DiscoveryEvents {
  found: CustomEvent<FoundPeer>
  connected: CustomEvent<{ readonly peer: string }>
  disconnected: CustomEvent<{ readonly peer: string }>
}

/** Finds peers and capabilities, and stays connected. */
export interface Discovery extends TypedEventTarget<DiscoveryEvents>, Service {
  /** PeerIds (text) of the peers with an open connection. */
  connected(): readonly string[]
  /** Peers to which connections are kept for ever, with their addresses; replaces the last call. */
  keep(peers: readonly FoundPeer[]): void
  /** Dials as soon as possible; resolves when connected. */
  connect(peer: FoundPeer, options?: AbortOptions): Promise<void>
  /** What this peer offers to others; replaces the last call. */
  offer(actions: readonly OfferedAction[], labels?: Readonly<Record<string, string>>): void
  actions(
    options?: AbortOptions & { readonly timeoutMs?: number }
  ): Promise<PartialAnswer<ActionOffer>>
  findCapablePeers(
    actions: readonly string[],
    options?: AbortOptions & {
      readonly labels?: Readonly<Record<string, string>>
      readonly timeoutMs?: number
    }
  ): Promise<PartialAnswer<string>>
}
