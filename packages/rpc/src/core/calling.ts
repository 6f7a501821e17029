import {
  AbortedError,
  ConnectionLostError,
  DeadlineExceededError,
  MalformedMessageError,
  MessageTooLargeError,
  OverloadedError,
  PeerUnavailableError,
  stackless
} from '@murmuration/interface'
import type { MurmurationError } from '@murmuration/interface'
import { fixed } from '../defaults.ts'
import { UnsupportedVersionError } from '../errors.ts'
import type { Deadlines } from './deadlines.ts'
import type { CreditFrame, Frame } from './frames.ts'
import type { Limits } from './limits.ts'
import type { Outbox } from './outbox.ts'
import { PendingReply, PendingStream } from './pending-call.ts'
import type { PendingCall, PendingOwner } from './pending-call.ts'
import { errorFromFrame } from './remote-error.ts'

/** Told of each call that ends, for metrics. */
export interface CallObserver {
  /** `error` is undefined if the call succeeded. */
  ended(seconds: number, error: MurmurationError | undefined): void
}

export interface CallingInit {
  /** PeerId (text) of the peer that is called. */
  readonly peer: string
  readonly outbox: Outbox
  readonly deadlines: Deadlines
  readonly limits: Limits
  readonly observer?: CallObserver | undefined
  /** Something was appended to the outbox: send it soon. */
  wake(): void
  /** The other side asks for no more calls on this stream. @default it goes on */
  onLeave?(): void
}

/**
 * The end of a stream that makes calls: correlates answers with requests and ends each call once,
 * by its answer, its deadline, its signal or the end of the stream.
 *
 * Calls may be made before the stream is open; their requests wait in the outbox.
 */
export class Calling implements PendingOwner {
  readonly #init: CallingInit
  readonly #pending = new Map<number, PendingCall>()
  readonly #names = new Map<string, number>()
  #nextId = 1
  #requestBytesMax: number
  #closed: MurmurationError | undefined
  #onIdle: (() => void) | undefined

  constructor(init: CallingInit) {
    this.#init = init
    this.#requestBytesMax = init.limits.messageBytesMax
    init.outbox.append({
      type: 'hello',
      version: fixed.protocolVersion,
      messageBytesMax: init.limits.messageBytesMax
    })
  }

  /** Calls under way. */
  get inFlight(): number {
    return this.#pending.size
  }

  call(
    method: string,
    request: Uint8Array,
    timeoutMs: number,
    signal?: AbortSignal
  ): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#admit(method, request, signal)
      const call = new PendingReply(this, this.#nextId++, method, timeoutMs, signal)
      call.resolve = resolve
      call.reject = reject
      const index = this.#intern(method)
      this.#begin(call, {
        type: 'request',
        id: call.id,
        remainingMs: Math.ceil(timeoutMs),
        method: index,
        payload: request
      })
    })
  }

  /** The request is sent when iteration begins; leaving the loop cancels it. */
  async *stream(
    method: string,
    request: Uint8Array,
    timeoutMs: number,
    signal?: AbortSignal
  ): AsyncGenerator<Uint8Array, void, undefined> {
    this.#admit(method, request, signal)
    const { windowItems, windowBytes } = this.#init.limits
    const call = new PendingStream(this, this.#nextId++, method, timeoutMs, signal, {
      windowItems,
      windowBytes
    })
    const index = this.#intern(method)
    this.#begin(call, {
      type: 'stream',
      id: call.id,
      remainingMs: Math.ceil(timeoutMs),
      method: index,
      items: windowItems,
      bytes: windowBytes,
      payload: request
    })
    try {
      for (;;) {
        const item = await call.next()
        if (item === undefined) return
        yield item
      }
    } finally {
      if (this.#pending.has(call.id)) {
        this.#retract(call)
        this.#settle(call, undefined)
      }
    }
  }

  /** @throws MalformedMessageError if the other side breaks the protocol. */
  receive(frame: Frame): void {
    switch (frame.type) {
      case 'reply':
        return this.#onReply(frame.id, frame.payload)
      case 'failure': {
        const call = this.#pending.get(frame.id)
        // No such call: it ended by its deadline or signal while the answer was under way.
        if (call !== undefined) this.#fail(call, errorFromFrame(frame, this.#init.peer))
        return
      }
      case 'item':
        return this.#streamOf(frame.id)?.receive(frame.payload)
      case 'end': {
        const call = this.#streamOf(frame.id)
        if (call === undefined) return
        this.#settle(call, undefined)
        return call.end()
      }
      case 'leave':
        return this.#init.onLeave?.()
      case 'hello':
        return this.#onHello(frame.version, frame.messageBytesMax)
      case 'refuse':
        throw new UnsupportedVersionError(
          `${this.#init.peer} refused version ${fixed.protocolVersion} of the rpc protocol, it speaks version ${frame.version}: ${frame.message}`
        )
      case 'name':
      case 'request':
      case 'stream':
      case 'cancel':
      case 'credit':
        throw new MalformedMessageError(`A caller was sent a frame of type ${frame.type}`)
    }
  }

  /** Tells once no call is under way; nobody makes new ones. */
  whenIdle(listener: () => void): void {
    if (this.#pending.size === 0) listener()
    else this.#onIdle = listener
  }

  /**
   * The stream is gone: each pending call fails, by whether its request had left. An error with
   * `outcomeUnknown: false` of the other side itself (it refused the stream) fails all calls alike.
   */
  close(reason: Error): void {
    if (this.#closed !== undefined) return
    this.#closed = new PeerUnavailableError(
      `No stream to ${this.#init.peer}, nothing was sent: ${reason.message}`,
      { cause: reason }
    )
    for (const call of this.#pending.values()) this.#fail(call, this.#lossOf(call, reason))
  }

  /** The deadline of `call` has passed. */
  expire(call: PendingCall): void {
    const { peer } = this.#init
    const error = this.#retract(call)
      ? new DeadlineExceededError(
          `${call.method} at ${peer} did not answer within ${call.timeoutMs} ms`
        )
      : new PeerUnavailableError(
          `${peer} could not be reached within ${call.timeoutMs} ms, ${call.method} was not sent`
        )
    this.#fail(call, error)
  }

  /** The signal of `call` has fired. */
  abort(call: PendingCall): void {
    const outcomeUnknown = this.#retract(call)
    const cause: unknown = call.signal?.reason
    this.#fail(
      call,
      new AbortedError(`${call.method} at ${this.#init.peer} was aborted`, {
        cause,
        outcomeUnknown
      })
    )
  }

  credit(frame: CreditFrame): void {
    if (this.#closed !== undefined) return
    this.#init.outbox.append(frame)
    this.#init.wake()
  }

  /** Throws unless a request of this size may be queued now; nothing is changed then. */
  #admit(method: string, request: Uint8Array, signal: AbortSignal | undefined): void {
    const { peer, limits, outbox } = this.#init
    if (signal?.aborted === true) {
      const cause: unknown = signal.reason
      throw new AbortedError(`${method} at ${peer} was aborted before it was sent`, { cause })
    }
    if (this.#closed !== undefined) throw this.#closed
    if (request.length > this.#requestBytesMax) {
      throw new MessageTooLargeError(
        `The request of ${method} has ${request.length} bytes, ${peer} takes ${this.#requestBytesMax}`
      )
    }
    if (this.#pending.size >= limits.callsPerPeerMax) {
      throw this.#overloaded(`${this.#pending.size} calls are under way`)
    }
    if (outbox.queued + request.length > limits.outgoingBytesMax) {
      throw this.#overloaded(`${outbox.queued} bytes wait to be sent`)
    }
  }

  #overloaded(what: string): OverloadedError {
    const why = `${what} to ${this.#init.peer}; nothing was sent`
    const error = stackless(() => new OverloadedError(why))
    error.peer = this.#init.peer
    return error
  }

  #intern(method: string): number {
    const known = this.#names.get(method)
    if (known !== undefined) return known
    if (this.#names.size >= fixed.methodNamesMax) this.#names.clear()
    const index = this.#names.size
    this.#names.set(method, index)
    this.#init.outbox.append({ type: 'name', index, name: method })
    return index
  }

  #begin(call: PendingCall, frame: Frame): void {
    const { outbox, deadlines } = this.#init
    call.startedMs = deadlines.now()
    call.position = outbox.append(frame)
    this.#pending.set(call.id, call)
    if (call.timeoutMs < fixed.timeoutMsMax) deadlines.add(call, call.timeoutMs)
    call.signal?.addEventListener('abort', call)
    this.#init.wake()
  }

  /**
   * Takes the request back if it has not left, else tells the other side to stop.
   *
   * @returns whether it had left.
   */
  #retract(call: PendingCall): boolean {
    const { outbox } = this.#init
    if (outbox.takeBack(call.position)) return false
    outbox.append({ type: 'cancel', id: call.id })
    this.#init.wake()
    return true
  }

  #fail(call: PendingCall, error: MurmurationError): void {
    error.peer ??= this.#init.peer
    this.#settle(call, error)
    call.fail(error)
  }

  #settle(call: PendingCall, error: MurmurationError | undefined): void {
    const { deadlines, observer } = this.#init
    this.#pending.delete(call.id)
    deadlines.remove(call)
    call.signal?.removeEventListener('abort', call)
    observer?.ended((deadlines.now() - call.startedMs) / 1_000, error)
    if (this.#pending.size === 0) this.#onIdle?.()
  }

  #lossOf(call: PendingCall, reason: Error): MurmurationError {
    const { peer, outbox } = this.#init
    if (reason instanceof UnsupportedVersionError) return reason
    if (outbox.hasLeft(call.position)) {
      return new ConnectionLostError(
        `The stream to ${peer} ended before ${call.method} was answered: ${reason.message}`,
        { cause: reason }
      )
    }
    return new PeerUnavailableError(
      `No stream to ${peer}, ${call.method} was not sent: ${reason.message}`,
      { cause: reason }
    )
  }

  #onReply(id: number, payload: Uint8Array): void {
    const call = this.#pending.get(id)
    // No such call: it ended by its deadline or signal while the answer was under way.
    if (call === undefined) return
    if (!(call instanceof PendingReply)) {
      throw new MalformedMessageError(`${call.method} is a stream but was answered by one reply`)
    }
    this.#settle(call, undefined)
    call.resolve(payload)
  }

  #streamOf(id: number): PendingStream | undefined {
    const call = this.#pending.get(id)
    // No such call: it ended by its deadline or signal while the item was under way.
    if (call === undefined) return undefined
    if (call instanceof PendingStream) return call
    throw new MalformedMessageError(`${call.method} has one reply but was answered by a stream`)
  }

  #onHello(version: number, messageBytesMax: number): void {
    if (version !== fixed.protocolVersion) {
      throw new UnsupportedVersionError(
        `${this.#init.peer} speaks version ${version} of the rpc protocol, this peer speaks ${fixed.protocolVersion}`
      )
    }
    this.#requestBytesMax = Math.min(this.#init.limits.messageBytesMax, messageBytesMax)
  }
}
