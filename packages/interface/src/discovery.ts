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
  /** What one call costs its peer, relative to other actions; above 0. @default 1 */
  readonly cost?: number
  /** Labels of the action, beside those of the peer. */
  readonly labels?: Readonly<Record<string, string>>
}

export interface ActionOffer extends OfferedAction {
  readonly peers: readonly string[]
  /**
   * Present where peers offer this version with different input schemas: each schema with its peers.
   * `inputSchema` is then the one of the lowest peer. Give a changed schema a new version.
   */
  readonly disagreeing?: readonly {
    readonly inputSchema: unknown
    readonly peers: readonly string[]
  }[]
}

/** Which peer to give work to; see {@link Discovery.selectPeer}. */
export interface SelectOptions extends AbortOptions {
  /** Only peers that offer all of these. @default any peer */
  readonly actions?: readonly string[]
  /** Only peers with all of these labels. @default {} */
  readonly labels?: Readonly<Record<string, string>>
  /** Only these (PeerIds as text), such as peers that failed a moment ago left out. @default all */
  readonly among?: readonly string[]
  /** Milliseconds for each peer that is asked. @default 1000 */
  readonly timeoutMs?: number
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
  /** What a peer offers has changed; names of actions. A peer that is gone offers nothing. */
  capabilities: CustomEvent<{
    readonly peer: string
    readonly added: readonly string[]
    readonly removed: readonly string[]
    /** Offered before and now, in the same version, with another schema, cost, description or labels. */
    readonly changed: readonly string[]
    /** The peer has other labels, which hold for all that it offers. */
    readonly relabelled: boolean
  }>
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
  /** Tells others how busy this peer is: work under way per work it can do at once, 0 to 1000. */
  reportLoad(load: number): void
  /**
   * A peer to give work to, this one included: the better of two random ones by reported load and by
   * the latency that this peer has measured itself.
   *
   * @throws UnavailableError if no peer that offers this answers
   */
  selectPeer(options?: SelectOptions): Promise<string>
}
