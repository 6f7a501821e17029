import type { ComponentLogger, Metrics } from '@libp2p/interface'
import type { Clock, Random, Rpc, SignalRoute, Signals, Store } from '@murmuration/interface'
import type { SignalCounters } from './counters.ts'
import type { Gossip } from './gossip.ts'
import type { SignalAuthors, SignalSigner } from './signer.ts'

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
  /**
   * W: logs that must have a signal before it is accepted at least once, 1 to 8; fewer where there
   * are fewer members. @default 2
   */
  readonly copies?: number
  /** Bounds of the log of this peer. */
  readonly log?: {
    /** @default 67108864, or 8388608 without a store */
    readonly bytesMax?: number
    /** Milliseconds. @default 3600000 */
    readonly ageMs?: number
  }
  /** What each neighbour may send; twice as much in a burst. More is refused before it is read. */
  readonly budget?: {
    /** @default 4000 */
    readonly messagesPerSecond?: number
    /** @default 67108864 */
    readonly bytesPerSecond?: number
  }
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
  /**
   * Keeps the log, what was seen, durable subscriptions and dead letters. It belongs to the bus
   * alone. @default in memory
   */
  readonly store?: Store | undefined
  /**
   * Members of the view (PeerIds, text): they hold copies, and know of durable subscriptions.
   * @default whoever is connected and gossips
   */
  readonly view?: (() => readonly string[]) | undefined
  /**
   * Number of this process start, higher than all before, those of a lost disk included.
   * @default the time of the start, or one more than the store knows
   */
  readonly boot?: number | undefined
  /** PeerIds (text) whose signals are taken. @default everybody who is connected */
  readonly members?: (() => readonly string[]) | undefined
  /** Who may publish, by certificate. @default whoever signs */
  readonly authors?: SignalAuthors | undefined
  /** The peer that owns a shard key, for the `shard` route. */
  readonly ownerOf?: ((key: string) => string | undefined | Promise<string | undefined>) | undefined
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
