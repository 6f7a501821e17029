import type { AbortOptions } from '@libp2p/interface'
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

export interface PublishOptions extends AbortOptions {
  /** @default the route of the signal's type, else `cluster` */
  readonly route?: SignalRoute
  readonly timeoutMs?: number
}

/** What is known of a publication when it returns. */
export interface PublishResult {
  readonly id: string
  readonly accepted: boolean
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
}
