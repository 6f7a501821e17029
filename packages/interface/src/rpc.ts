import type { AbortOptions } from '@libp2p/interface'
import type { Service } from './runtime.ts'

/** Options of one call. */
export interface CallOptions extends AbortOptions {
  /** Milliseconds until the call fails with `DeadlineExceededError`. @default 5000 */
  readonly timeoutMs?: number
}

/** What a handler is told about the request it serves. */
export interface RpcContext {
  /** PeerId (text) of the caller, proven by the connection. */
  readonly peer: string
  /** Fires when the caller cancelled, went away, or its deadline passed. */
  readonly signal: AbortSignal
  /** Milliseconds the caller still waits: as told by it, less what the request waited here before it began. */
  readonly remainingMs: number
}

export type RpcHandler = (
  request: Uint8Array,
  context: RpcContext
) => Promise<Uint8Array> | Uint8Array
export type RpcStreamHandler = (
  request: Uint8Array,
  context: RpcContext
) => AsyncIterable<Uint8Array>

export interface RpcHandlerOptions {
  /** Requests of this method that may run at once; more are answered `OverloadedError`. @default 1024 */
  readonly concurrencyMax?: number
  /**
   * Begins before whatever waits, however busy this peer is: for short work on which the judgement of
   * others depends, such as heartbeats, or for which many calls wait, such as hand-overs. @default false
   */
  readonly urgent?: boolean
}

/**
 * Remote calls to peers by their PeerId (text). A call to the own peer runs the handler in process.
 * Payloads are bytes; their format belongs to the method. Errors thrown by a handler reach the
 * caller with `name`, `code`, `message` and the three facts of `MurmurationError`.
 */
export interface Rpc extends Service {
  /** PeerId (text) of this peer. */
  readonly peer: string
  handle(method: string, handler: RpcHandler, options?: RpcHandlerOptions): void
  handleStream(method: string, handler: RpcStreamHandler, options?: RpcHandlerOptions): void
  unhandle(method: string): void
  call(
    peer: string,
    method: string,
    request: Uint8Array,
    options?: CallOptions
  ): Promise<Uint8Array>
  stream(
    peer: string,
    method: string,
    request: Uint8Array,
    options?: CallOptions
  ): AsyncIterable<Uint8Array>
  /**
   * For a connection that is about to be closed while there is another one to its peer: new calls take
   * the other one, at both ends. Resolves when no call is under way on it any more, or after `timeoutMs`;
   * says whether none is.
   */
  leave?(connectionId: string, timeoutMs: number): Promise<boolean>
}
