import type { AbortOptions, ComponentLogger, Metrics } from '@libp2p/interface'
import type { Clock, Random, Rpc, SignalRoute, Signals } from '@murmuration/interface'
import type { SignalCounters } from './counters.ts'
import type { Gossip } from './gossip.ts'
import type { SignalSigner } from './signer.ts'

/** Options of a bus. */
export interface SignalsInit {
  /** Signals of another cluster are refused. @default 'default' */
  readonly cluster?: string
  /**
   * Route by type pattern, where a publication names none; the first pattern that matches holds.
   * At most 256. @default {} (all: `cluster`)
   */
  readonly routes?: Readonly<Record<string, SignalRoute>>
  /** The `source` of signals that name none. @default '/p2p/' and the PeerId */
  readonly source?: string
}

/** What a bus works with. Without `gossip` and `rpc` signals stay on this peer. */
export interface SignalsComponents {
  /** PeerId (text) of this peer. */
  readonly peer: string
  /** Needed with `gossip` or `rpc`; see {@link createSignalSigner}. */
  readonly signer?: SignalSigner | undefined
  /** Carries the `cluster` route. */
  readonly gossip?: Gossip | undefined
  /** Carries the `targeted` and `shard` routes. */
  readonly rpc?: Rpc | undefined
  /** Number of this process start, higher than all before. @default the time of creation */
  readonly boot?: number | undefined
  /** PeerIds (text) whose signals are taken. @default everybody who is connected */
  readonly members?: (() => readonly string[]) | undefined
  /** The peer that owns a shard key, for the `shard` route. */
  readonly ownerOf?: ((key: string) => string | undefined | Promise<string | undefined>) | undefined
  /**
   * Closes all connections to a peer, so that it is dialled anew; called when gossip cannot reach a
   * peer that is connected.
   */
  readonly reconnect?: ((peer: string, options: AbortOptions) => Promise<void>) | undefined
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
  readonly logger?: ComponentLogger | undefined
  readonly metrics?: Metrics | undefined
  /** Runs a task after the current turn of the event loop. @default `setImmediate` */
  readonly defer?: ((task: () => void) => void) | undefined
}

/** The {@link Signals} of one peer, with its counters. */
export interface SignalBus extends Signals {
  /** What has happened so far, by event; the same numbers go to `metrics`. */
  counters(): SignalCounters
}
