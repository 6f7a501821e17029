import {
  AbortedError,
  MalformedMessageError,
  MessageTooLargeError,
  MurmurationError,
  NotPermittedError,
  OverloadedError,
  RemoteHandlerError,
  stackless,
  UnknownMethodError
} from '@murmuration/interface'
import { fixed } from '../defaults.ts'
import { UnsupportedVersionError } from '../errors.ts'
import type { Deadlines } from './deadlines.ts'
import type { Frame, RequestFrame, StreamRequestFrame } from './frames.ts'
import type { Limits } from './limits.ts'
import type { Method, Methods } from './methods.ts'
import type { Outbox } from './outbox.ts'
import { failureFrame } from './remote-error.ts'
import { Request, StreamRequest } from './request.ts'
import type { RunQueue } from './run-queue.ts'

/** One for all: making an error costs more than many a handler, and there may be thousands a second. */
const tooLate = new OverloadedError('the request waited for half of its time and was not begun')
const tooMany = new OverloadedError('the request would wait for half of its time and was not begun')

/** Requests of one peer that run here, over all its streams. */
export interface PeerLoad {
  running: number
}

export interface ServingInit {
  /** PeerId (text) of the peer that calls, proven by the connection. */
  readonly peer: string
  readonly methods: Methods
  readonly load: PeerLoad
  readonly outbox: Outbox
  readonly deadlines: Deadlines
  readonly limits: Limits
  /** Whether this peer may use a method. @default every method */
  readonly authorize?: ((peer: string, method: string) => boolean) | undefined
  /** When requests begin. @default at once */
  readonly runs?: RunQueue | undefined
  /** Something was appended to the outbox: send it soon. */
  wake(): void
  /** The stream is of no use: end it, with `flush` after what is queued has left. */
  end(reason: Error, ending: 'flush' | 'reset'): void
}

/**
 * The end of a stream that answers calls: runs handlers within the limits, and sends what they
 * return or throw unless the caller has gone.
 */
export class Serving {
  readonly #init: ServingInit
  readonly #names: string[] = []
  readonly #running = new Map<number, Request>()
  readonly #onDeadline = ({ id }: Request): void => this.#cancel(id, 'The deadline passed')
  #greeted = false
  #closed = false

  constructor(init: ServingInit) {
    this.#init = init
    const { messageBytesMax } = init.limits
    init.outbox.append({ type: 'hello', version: fixed.protocolVersion, messageBytesMax })
  }

  /** @throws MalformedMessageError if the other side breaks the protocol. */
  receive(frame: Frame): void {
    if (this.#closed) return
    if (!this.#greeted && frame.type !== 'hello') {
      throw new MalformedMessageError('The first frame is no hello')
    }
    switch (frame.type) {
      case 'request':
      case 'stream':
        return this.#onRequest(frame)
      case 'name':
        return this.#onName(frame.index, frame.name)
      case 'cancel':
        return this.#cancel(frame.id, 'The caller cancelled')
      case 'credit': {
        const request = this.#running.get(frame.id)
        // No such request: it ended while the credit was under way.
        if (request instanceof StreamRequest) request.grant(frame.items, frame.bytes)
        return
      }
      case 'hello':
        return this.#onHello(frame.version)
      case 'reply':
      case 'failure':
      case 'item':
      case 'end':
      case 'refuse':
      case 'leave':
        throw new MalformedMessageError(`A server was sent a frame of type ${frame.type}`)
    }
  }

  /** Asks the caller to make its next calls elsewhere; those under way are answered. */
  leave(): void {
    this.#send({ type: 'leave' })
  }

  /** The outbox has room again. */
  drained(): void {
    for (const request of this.#running.values()) {
      if (request instanceof StreamRequest) request.wake()
    }
  }

  /** The stream is gone: nobody waits for the requests any more. */
  close(reason: Error): void {
    if (this.#closed) return
    this.#closed = true
    for (const id of this.#running.keys()) this.#cancel(id, reason.message)
  }

  #onHello(version: number): void {
    if (version === fixed.protocolVersion) {
      this.#greeted = true
      return this.#init.wake()
    }
    const message = `this peer speaks version ${fixed.protocolVersion} of the rpc protocol only`
    this.#init.outbox.append({ type: 'refuse', version: fixed.protocolVersion, message })
    this.#init.end(new UnsupportedVersionError(`${message}, not ${version}`), 'flush')
  }

  #onName(index: number, name: string): void {
    if (index >= fixed.methodNamesMax || index > this.#names.length) {
      throw new MalformedMessageError(`A method name has the number ${index}`)
    }
    this.#names[index] = name
  }

  #onRequest(frame: RequestFrame | StreamRequestFrame): void {
    const name = this.#names[frame.method]
    if (name === undefined) throw new MalformedMessageError(`Method ${frame.method} has no name`)
    if (this.#running.has(frame.id)) {
      throw new MalformedMessageError(`Request ${frame.id} is under way already`)
    }
    const method = this.#init.methods.get(name)
    const refusal = this.#refusal(name, method, frame)
    if (method === undefined || refusal !== undefined) {
      this.#send(failureFrame(frame.id, refusal))
      return
    }
    const { runs, peer } = this.#init
    const waits = runs !== undefined && !method.urgent && !runs.begins()
    // Most of what is offered in vain ends here, before anything is made for it.
    if (waits && runs.waitMs(peer) > patienceOf(frame)) {
      this.#send(failureFrame(frame.id, tooMany))
      return
    }
    const request = this.#accept(method, frame)
    if (waits) this.#wait(runs, request, method, frame)
    else this.#begin(request, method, frame)
  }

  #accept(method: Method, frame: RequestFrame | StreamRequestFrame): Request {
    const { peer, load } = this.#init
    const request =
      method.kind === 'stream'
        ? new StreamRequest(frame.id, peer, frame.remainingMs, this.#onDeadline)
        : new Request(frame.id, peer, frame.remainingMs, this.#onDeadline)
    this.#running.set(frame.id, request)
    method.running++
    load.running++
    return request
  }

  #begin(request: Request, method: Method, frame: RequestFrame | StreamRequestFrame): void {
    const { remainingMs } = request
    if (remainingMs < fixed.timeoutMsMax) this.#init.deadlines.add(request, remainingMs)
    if (method.kind === 'unary') {
      this.#run(request, method, frame.payload)
    } else if (request instanceof StreamRequest && frame.type === 'stream') {
      request.grant(frame.items, frame.bytes)
      // Never rejects: what the handler throws is sent to the caller.
      void this.#pump(request, method, frame.payload)
    }
  }

  /** It begins when there is time for it, or is shed at half of its time. */
  #wait(
    runs: RunQueue,
    request: Request,
    method: Method,
    frame: RequestFrame | StreamRequestFrame
  ): void {
    const { load, deadlines, peer } = this.#init
    const arrivedMs = deadlines.now()
    const patienceMs = patienceOf(frame)
    const shed = (): void => this.#fail(request, method, tooLate)
    const takeOut = runs.add(peer, {
      patienceMs,
      begin: () => {
        deadlines.remove(request)
        request.onCancel(() => {})
        request.onExpire = this.#onDeadline
        // What it waited is gone: its handler, and those that it asks, have only the rest.
        if (frame.remainingMs < fixed.timeoutMsMax) {
          request.remainingMs = Math.max(1, frame.remainingMs - (deadlines.now() - arrivedMs))
        }
        this.#begin(request, method, frame)
      },
      shed
    })
    // What was cancelled while it waited will never run; its place is free at once.
    request.onCancel(() => {
      takeOut()
      method.running--
      load.running--
    })
    // Its caller learns in time to ask again, also behind others that can wait for longer.
    request.onExpire = () => {
      takeOut()
      shed()
    }
    if (frame.remainingMs < fixed.timeoutMsMax) deadlines.add(request, patienceMs)
  }

  /** Why the request is not begun, if so. */
  #refusal(
    name: string,
    method: Method | undefined,
    frame: RequestFrame | StreamRequestFrame
  ): MurmurationError | undefined {
    const { load, limits, outbox, peer, authorize } = this.#init
    if (authorize?.(peer, name) === false) {
      return new NotPermittedError(`${peer} may not call ${name}`)
    }
    if (method === undefined || (method.kind === 'stream') !== (frame.type === 'stream')) {
      const kind = frame.type === 'stream' ? 'streaming method' : 'method'
      return new UnknownMethodError(`There is no ${kind} ${name}`)
    }
    if (method.running >= method.concurrencyMax) {
      return overloaded(`${name} runs ${method.running} times already`)
    }
    if (load.running >= limits.requestsPerPeerMax) {
      return overloaded(`${load.running} requests of this peer run already`)
    }
    if (outbox.queued > limits.outgoingBytesMax) {
      return overloaded(`${outbox.queued} bytes of answers wait to be read`)
    }
    return undefined
  }

  #run(request: Request, method: Method & { kind: 'unary' }, payload: Uint8Array): void {
    let result: Promise<Uint8Array> | Uint8Array
    try {
      result = method.handler(payload, request)
    } catch (error) {
      return this.#fail(request, method, error)
    }
    if (result instanceof Uint8Array) return this.#reply(request, method, result)
    // A handler without types may return anything; what is no promise ends as a bad reply.
    Promise.resolve(result).then(
      (reply) => this.#reply(request, method, reply),
      (error: unknown) => this.#fail(request, method, error)
    )
  }

  #reply(request: Request, method: Method, reply: Uint8Array): void {
    if (!this.#finish(request, method)) return
    const problem = this.#problemOf(reply, method)
    if (problem === undefined) this.#send({ type: 'reply', id: request.id, payload: reply })
    else this.#send(failureFrame(request.id, problem))
  }

  #fail(request: Request, method: Method, error: unknown): void {
    if (this.#finish(request, method)) this.#send(failureFrame(request.id, error))
  }

  /** Why what the handler returned cannot be sent, if so. The handler has run: outcome unknown. */
  #problemOf(reply: unknown, method: Method): MurmurationError | undefined {
    const { outbox, limits } = this.#init
    if (!(reply instanceof Uint8Array)) {
      return new RemoteHandlerError(`${method.name} answered with something that is no bytes`, {
        outcomeUnknown: true
      })
    }
    if (reply.length > limits.messageBytesMax) {
      const { name, code } = new MessageTooLargeError('')
      const message = `${method.name} answered with ${reply.length} bytes, the limit is ${limits.messageBytesMax}`
      return new MurmurationError(name, message, { code, outcomeUnknown: true })
    }
    if (method.kind === 'unary' && outbox.queued + reply.length > limits.replyBytesMax) {
      // Not `overloaded` as a fact: that says no work was done.
      const { name, code } = new OverloadedError('')
      const message = `${method.name} was done, but ${outbox.queued} bytes of answers wait to be read`
      return new MurmurationError(name, message, { code, outcomeUnknown: true })
    }
    return undefined
  }

  /** Ends the accounting of a request; false if nobody waits for its answer any more. */
  #finish(request: Request, method: Method): boolean {
    method.running--
    this.#init.load.running--
    if (request.cancelled) return false
    this.#init.deadlines.remove(request)
    return this.#running.delete(request.id)
  }

  async #pump(
    request: StreamRequest,
    method: Method & { kind: 'stream' },
    payload: Uint8Array
  ): Promise<void> {
    try {
      const iterator = method.handler(payload, request)[Symbol.asyncIterator]()
      for (;;) {
        while (!request.cancelled && !this.#mayPull(request)) await request.changed()
        const next = request.cancelled ? undefined : await nextUnlessCancelled(iterator, request)
        if (next === undefined || request.cancelled) break
        if (next.done === true) {
          if (this.#finish(request, method)) this.#send({ type: 'end', id: request.id })
          return
        }
        const problem = this.#problemOf(next.value, method)
        if (problem !== undefined) {
          await leave(iterator)
          throw problem
        }
        request.spend(next.value.length)
        this.#send({ type: 'item', id: request.id, payload: next.value })
      }
      // The handler still counts as running until it has cleaned up.
      await leave(iterator)
      this.#finish(request, method)
    } catch (error) {
      this.#fail(request, method, error)
    }
  }

  #mayPull(request: StreamRequest): boolean {
    return request.hasCredit && this.#init.outbox.queued <= this.#init.limits.outgoingBytesMax
  }

  #cancel(id: number, why: string): void {
    const request = this.#running.get(id)
    // No such request: it was answered while the cancellation was under way.
    if (request === undefined) return
    this.#running.delete(id)
    this.#init.deadlines.remove(request)
    request.cancel(new AbortedError(why))
  }

  #send(frame: Frame): void {
    if (this.#closed) return
    const { outbox, limits } = this.#init
    if (outbox.queued > 2 * limits.replyBytesMax) {
      this.#init.end(new OverloadedError('The peer does not read its answers'), 'reset')
      return
    }
    outbox.append(frame)
    this.#init.wake()
  }
}

function overloaded(why: string): OverloadedError {
  return stackless(() => new OverloadedError(why))
}

/** Milliseconds that a request may wait: the other half is for the work, and for both ways. */
function patienceOf({ remainingMs }: RequestFrame | StreamRequestFrame): number {
  return remainingMs < fixed.timeoutMsMax ? remainingMs / 2 : Number.POSITIVE_INFINITY
}

/**
 * The next item, or undefined once the request is cancelled. Not `Promise.race` with one promise for
 * the cancellation: each race would leave a reaction on it, a leak in long streams.
 */
function nextUnlessCancelled(
  iterator: AsyncIterator<Uint8Array>,
  request: StreamRequest
): Promise<IteratorResult<Uint8Array> | undefined> {
  return new Promise((resolve, reject) => {
    request.onCancel(() => resolve(undefined))
    iterator.next().then(resolve, reject)
  })
}

/** Lets the iterator of a handler clean up when its items are not wanted any more. */
async function leave(iterator: AsyncIterator<Uint8Array>): Promise<void> {
  try {
    await iterator.return?.()
  } catch {
    // Nobody waits for this request, or the caller gets the error that came before.
  }
}
