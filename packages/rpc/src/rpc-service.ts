import type { Connection, Stream } from '@libp2p/interface'
import {
  InvalidParametersError,
  MurmurationError,
  NotStartedError,
  PeerUnavailableError
} from '@murmuration/interface'
import type {
  CallOptions,
  Rpc,
  RpcHandler,
  RpcHandlerOptions,
  RpcStreamHandler
} from '@murmuration/interface'
import type { CallObserver, Calling } from './core/calling.ts'
import { checkTimeout } from './core/limits.ts'
import type { Limits } from './core/limits.ts'
import { checkMethodName } from './core/methods.ts'
import type { Methods } from './core/methods.ts'
import { fixed } from './defaults.ts'
import type { Inbound } from './inbound.ts'
import type { Leaving } from './leaving.ts'
import type { Loopback } from './loopback.ts'
import type { Outbound } from './outbound.ts'
import type { RpcRegistrar } from './registrar.ts'

/** What is there only with a network. */
export interface NetworkParts {
  readonly protocol: string
  readonly registrar: RpcRegistrar
  readonly openAhead: boolean
  readonly outbound: Outbound
  readonly inbound: Inbound
  readonly leaving: Leaving
}

export interface RpcParts {
  readonly peer: string
  readonly limits: Limits
  readonly methods: Methods
  readonly observer?: CallObserver | undefined
  createLoopback(): Loopback
  readonly network?: NetworkParts
}

/** Puts the parts together; see `Rpc` for what it does. */
export class RpcService implements Rpc {
  readonly [Symbol.toStringTag] = '@murmuration/rpc'
  readonly #parts: RpcParts
  #loopback: Loopback | undefined
  #topology: string | undefined
  #state: 'new' | 'started' | 'stopped' = 'new'

  constructor(parts: RpcParts) {
    this.#parts = parts
  }

  get peer(): string {
    return this.#parts.peer
  }

  async start(): Promise<void> {
    if (this.#state === 'started') return
    this.#state = 'started'
    const { network } = this.#parts
    if (network === undefined) return
    const { registrar, protocol, inbound } = network
    const onStream = (stream: Stream, connection: Connection): void => {
      inbound.accept(stream, connection)
    }
    await registrar.handle(protocol, onStream, {
      maxInboundStreams: fixed.streamsPerConnectionMax,
      maxOutboundStreams: fixed.streamsPerConnectionMax,
      runOnLimitedConnection: true
    })
    if (!network.openAhead) return
    this.#topology = await registrar.register(protocol, {
      notifyOnLimitedConnection: true,
      onConnect: (peerId) => {
        if (this.#state === 'started') network.outbound.prepare(peerId)
      }
    })
  }

  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    const reason = new NotStartedError('The rpc service was stopped')
    this.#loopback?.close(reason)
    this.#loopback = undefined
    const { network } = this.#parts
    if (network === undefined) return
    network.outbound.close(reason)
    network.inbound.close(reason)
    if (this.#topology !== undefined) network.registrar.unregister(this.#topology)
    await network.registrar.unhandle(network.protocol)
  }

  handle(method: string, handler: RpcHandler, options?: RpcHandlerOptions): void {
    this.#parts.methods.addUnary(method, handler, options)
  }

  handleStream(method: string, handler: RpcStreamHandler, options?: RpcHandlerOptions): void {
    this.#parts.methods.addStream(method, handler, options)
  }

  unhandle(method: string): void {
    this.#parts.methods.remove(method)
  }

  async leave(connectionId: string, timeoutMs: number): Promise<boolean> {
    const { network } = this.#parts
    if (network === undefined) return true
    const { inbound, leaving, outbound } = network
    leaving.add(connectionId)
    outbound.leave(connectionId)
    inbound.leave(connectionId)
    return await leaving.settled(connectionId, timeoutMs)
  }

  call(
    peer: string,
    method: string,
    request: Uint8Array,
    options: CallOptions = {}
  ): Promise<Uint8Array> {
    try {
      const timeoutMs = this.#check(method, request, options, false)
      return this.#callingOf(peer).call(method, request, timeoutMs, options.signal)
    } catch (error) {
      return Promise.reject(this.#count(error))
    }
  }

  async *stream(
    peer: string,
    method: string,
    request: Uint8Array,
    options: CallOptions = {}
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let items: AsyncIterable<Uint8Array>
    try {
      const timeoutMs = this.#check(method, request, options, true)
      items = this.#callingOf(peer).stream(method, request, timeoutMs, options.signal)
    } catch (error) {
      throw this.#count(error)
    }
    yield* items
  }

  #check(method: string, request: Uint8Array, options: CallOptions, unlimited: boolean): number {
    checkMethodName(method)
    if (!(request instanceof Uint8Array)) {
      throw new InvalidParametersError(`The request of ${method} must be a Uint8Array`)
    }
    return checkTimeout(options.timeoutMs ?? this.#parts.limits.timeoutMs, unlimited)
  }

  #callingOf(peer: string): Calling {
    const { network } = this.#parts
    // Without a network there is nothing to start, so such a service answers from the beginning.
    if (this.#state === 'stopped' || (this.#state === 'new' && network !== undefined)) {
      throw new NotStartedError('The rpc service is not running')
    }
    if (peer === this.#parts.peer) {
      this.#loopback ??= this.#parts.createLoopback()
      return this.#loopback.calling
    }
    if (network !== undefined) return network.outbound.callingOf(peer)
    const error = new PeerUnavailableError(`There is no network to reach ${peer}`)
    error.peer = peer
    throw error
  }

  /** Counts a call that failed before it was begun. */
  #count(error: unknown): unknown {
    if (error instanceof MurmurationError) this.#parts.observer?.ended(0, error)
    return error
  }
}
