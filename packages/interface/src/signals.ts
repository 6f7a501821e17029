import type { AbortOptions } from '@libp2p/interface'
import type { TypedEventTarget } from 'main-event'
import type { Service } from './runtime.ts'

/** A CloudEvents 1.0 event. Extension attributes stand beside the known ones. */
export interface Signal<T = unknown> {
  readonly specversion: '1.0'
  readonly id: string
  readonly source: string
  /** Dotted: `order.created`. */
  readonly type: string
  readonly subject?: string
  /** RFC 3339. */
  readonly time?: string
  readonly datacontenttype?: string
  readonly dataschema?: string
  readonly traceparent?: string
  readonly tracestate?: string
  /** Id of the signal that caused this one. */
  readonly causationid?: string
  readonly data?: T
  readonly [extension: string]: unknown
}

/** What a publisher gives; the rest is filled in. */
export interface SignalInput<T = unknown> {
  readonly type: string
  readonly data?: T
  readonly id?: string
  readonly source?: string
  readonly subject?: string
  readonly time?: string
  readonly datacontenttype?: string
  readonly dataschema?: string
  readonly traceparent?: string
  readonly tracestate?: string
  readonly causationid?: string
  readonly [extension: string]: unknown
}

/** Where a signal goes. */
export type SignalRoute =
  | 'local'
  | 'cluster'
  | { readonly shard: string }
  | { readonly targeted: readonly string[] }

/**
 * What is promised of a signal. `at-most-once`: sent once, repaired from logs where it goes missing.
 * `at-least-once`: `accepted` means logged on W peers, and each durable subscription that was known
 * then handles it or puts it into its dead letters.
 */
export type DeliveryMode = 'at-most-once' | 'at-least-once'

export interface PublishOptions extends AbortOptions {
  /** @default the route of the signal's type, else `cluster` */
  readonly route?: SignalRoute
  /** @default 'at-most-once' */
  readonly delivery?: DeliveryMode
  readonly timeoutMs?: number
}

/** What is known of a publication when it returns. */
export interface PublishResult {
  readonly id: string
  /**
   * `at-most-once`: nobody listened, or somebody has it. `at-least-once`: it is in W logs; otherwise
   * it may still arrive, so publish it again with the same id.
   */
  readonly accepted: boolean
  /** Logs that have it, synced; only for `at-least-once`. */
  readonly copies?: number
  /** Peers (text) to which it was handed, this one included where it listens. */
  readonly recipients: readonly string[]
  /** Recipients that are known not to get it, each with the reason. */
  readonly dropped: readonly { readonly peer: string; readonly reason: string }[]
}

export type SignalHandler<T = unknown> = (
  signal: Signal<T>,
  context: SignalContext
) => void | Promise<void>

export interface SignalContext {
  /** PeerId (text) of the author, proven by its signature. */
  readonly author: string
  /** How often a durable subscription has tried this signal, this time included; else 1. */
  readonly attempt?: number
  /** Fires when a durable subscription waits no longer for this handler. */
  readonly signal?: AbortSignal
}

export type OverflowPolicy = 'block' | 'drop-oldest' | 'drop-newest' | 'error'

export interface SubscribeOptions extends AbortOptions {
  readonly filter?: (signal: Signal) => boolean
  /** Higher first. @default 0 */
  readonly priority?: number
  /** Signals that wait for a slow handler. @default 1024 */
  readonly queueMax?: number
  /** What happens when the queue is full; drops are counted. @default 'drop-oldest' */
  readonly overflow?: OverflowPolicy
  /** Ends after the first signal that matches. @default false */
  readonly once?: boolean
  /** First what the log of this peer has from there on, then what comes. @default what comes */
  readonly from?: ReplayFrom
}

/**
 * Where in the log of a peer to begin: everything it has, a time of logging (milliseconds since
 * 1970), or after a {@link LoggedSignal.cursor} of the same peer.
 */
export type ReplayFrom = 'start' | { readonly time: number } | { readonly cursor: string }

export interface DurableSubscribeOptions extends AbortOptions {
  /** Under this name it goes on where it was, also after a restart. Letters, digits, `.`, `_`, `-`. */
  readonly name: string
  /**
   * True: the peers that subscribe under this name are one group, and each signal is handled by one
   * of them. False: each peer handles every signal. @default false
   */
  readonly group?: boolean
  readonly filter?: (signal: Signal) => boolean
  /** Attempts before a signal becomes a dead letter. @default 8 */
  readonly attemptsMax?: number
  /** After this the handler is told to stop, and the attempt counts as failed. @default 30000 */
  readonly handlerTimeoutMs?: number
  /** How long members of the view may take to note the subscription. @default 10000 */
  readonly timeoutMs?: number
}

export interface DurableSubscription {
  readonly pattern: string
  readonly name: string
  /** Stops handling for now; signals go on to be kept for it. */
  close(): void
  /** Ends it for good: nothing is kept for it any more. */
  remove(options?: AbortOptions): Promise<void>
}

/** A signal that a durable subscription did not handle. */
export interface DeadLetter {
  readonly id: string
  readonly signal: Signal
  readonly author: string
  /** Name of the subscription, and the peer it belongs to (undefined for a group). */
  readonly subscription: string
  readonly peer: string | undefined
  readonly reason: string
  readonly attempts: number
  /** Milliseconds since 1970, by the clock of the peer that keeps it. */
  readonly time: number
}

/** The signals that this peer could not bring to a durable subscription. */
export interface DeadLetters {
  /** The oldest first. */
  list(): Promise<readonly DeadLetter[]>
  /**
   * Gives it to its subscription once more where that is on this peer: it leaves the list once the
   * handler has returned. Else publishes it again under its id, at least once and by this peer, which
   * is its author then: to the peer of the subscription, or to all for a group, where plain
   * subscriptions get it too. It leaves the list once accepted.
   */
  redrive(id: string, options?: AbortOptions): Promise<PublishResult>
  discard(id: string): Promise<void>
}

/** A signal as the log of this peer has it. */
export interface LoggedSignal {
  readonly signal: Signal
  readonly author: string
  /** Where it stands in the log of this peer. */
  readonly cursor: string
  /** When it was logged here, milliseconds since 1970. */
  readonly time: number
}

export interface ReplayOptions extends AbortOptions {
  /** @default '**' */
  readonly pattern?: string
  /** @default 'start' */
  readonly from?: ReplayFrom
}

/** A signal that caused another one; without `signal` where this peer's log has not seen it. */
export interface Cause {
  readonly id: string
  readonly signal?: Signal
}

/** Signals of others that could not be had any more. */
export interface SignalLoss {
  readonly author: string
  readonly boot: number
  /** The topic, or what stands for it in signals for one peer. */
  readonly channel: string
  /** The first and the last sequence number. */
  readonly from: number
  readonly to: number
  readonly reason: string
}

export interface SignalEvents {
  /** A gap that could not be repaired. */
  loss: CustomEvent<SignalLoss>
  'dead-letter': CustomEvent<DeadLetter>
  /** One had to go for want of room: nobody has that signal any more for its subscription. */
  'dead-letter-dropped': CustomEvent<DeadLetter>
  /** An entry of the log is damaged; it is fetched again from others where they have it. */
  corrupt: CustomEvent<{ readonly key: string; readonly reason: string }>
}

export interface Subscription {
  readonly pattern: string
  /** Signals lost to a full queue. */
  readonly dropped: number
  close(): void
}

/** The signal bus. */
export interface Signals extends Service {
  publish<T>(signal: SignalInput<T>, options?: PublishOptions): Promise<PublishResult>
  subscribe(pattern: string, handler: SignalHandler, options?: SubscribeOptions): Subscription
  /** The same as an async iterable; leaving the loop ends the subscription. */
  iterate(pattern: string, options?: SubscribeOptions): AsyncIterable<Signal>
  /**
   * Subscribes for signals that are published at least once, by its name, over restarts. Resolves
   * when the members of the view know it: it gets every signal that is accepted after that. The next
   * signal of the same author and topic waits until the handler has returned.
   */
  subscribeDurably(
    pattern: string,
    handler: SignalHandler,
    options: DurableSubscribeOptions
  ): Promise<DurableSubscription>
  /** What the log of this peer has, in the order in which it came, up to now. */
  replay(options?: ReplayOptions): AsyncIterable<LoggedSignal>
  /** The newest signal of each type and subject (those that have one), as this peer knows it. */
  snapshot(pattern?: string): Promise<readonly LoggedSignal[]>
  /** What caused a signal, the direct cause first, as far as the log of this peer knows. */
  causes(id: string): Promise<readonly Cause[]>
  /** What a signal caused, directly or not, the nearest first. */
  effects(id: string): Promise<readonly Signal[]>
  readonly deadLetters: DeadLetters
  readonly events: TypedEventTarget<SignalEvents>
}
