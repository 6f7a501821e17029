import type { CounterGroup, Metrics } from '@libp2p/interface'

/** Why a gossip message or delivery was not taken. */
export type RejectReason =
  | 'oversized'
  | 'malformed'
  | 'forged'
  | 'other-cluster'
  | 'other-channel'
  | 'not-a-member'
  | 'not-the-caller'
  | 'too-old'
  | 'from-the-future'
  | 'replayed'
  | 'overloaded'
  | 'over-budget'

/** What is counted, each since the bus was made. */
export type CounterName =
  /** Signals published here. */
  | 'published'
  /** Signals put into the queue of a subscription, once for each. */
  | 'delivered'
  /** Signals lost to a full queue of a subscription. */
  | 'queue-full'
  /** Peers that a publication of this peer did not reach, as far as it knows. */
  | 'unreached'
  /** Handlers and filters that threw. */
  | 'handler-error'
  /** Signed messages sent, and sent again to late subscribers. */
  | 'batch-sent'
  | 'batch-resent'
  /** Signed messages received and accepted. */
  | 'batch-received'
  /** Signed messages that came again because their author repeated them for others. */
  | 'duplicate'
  /** Signals of others noticed to be missing, given up, and come after that. */
  | 'missing'
  | 'lost'
  | 'late'
  /** Signals of others that came from a log because they had been missed. */
  | 'repaired'
  /** Signals that came into the log of this peer, and batches that could not. */
  | 'logged'
  | 'log-error'
  /** Entries of the store that are damaged. */
  | 'corrupt'
  /** Batches that were handed to a peer by a call, because gossip could not reach it. */
  | 'handed-over'
  /** Signals that a durable subscription handled, knew already, or could not handle. */
  | 'handled'
  | 'deduplicated'
  | 'dead-letter'
  /** Dead letters that had to go for want of room. */
  | 'dead-letter-dropped'
  /** Gossip streams that were opened again on a connection that had lost its own. */
  | 'reopened'
  | `rejected:${RejectReason}`

/** Values of all counters that are not 0. */
export type SignalCounters = Readonly<Partial<Record<CounterName, number>>>

/** Counts events, and tells a metrics service where there is one. */
export class Counters {
  readonly #values = new Map<CounterName, number>()
  readonly #group: CounterGroup | undefined

  constructor(metrics: Metrics | undefined) {
    this.#group = metrics?.registerCounterGroup('murmuration_signals_total', {
      label: 'event',
      help: 'What happened to signals, by event'
    })
  }

  count(name: CounterName, by = 1): void {
    if (by > 0) {
      this.#values.set(name, (this.#values.get(name) ?? 0) + by)
      this.#group?.increment({ [name]: by })
    }
  }

  snapshot(): SignalCounters {
    return Object.fromEntries(this.#values)
  }
}
