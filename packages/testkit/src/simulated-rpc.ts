import {
  AbortedError,
  ConnectionLostError,
  DeadlineExceededError,
  InvalidParametersError,
  MurmurationError,
  OverloadedError,
  PeerUnavailableError,
  RemoteHandlerError,
  UnknownMethodError
} from '@murmuration/interface'
import type {
  CallOptions,
  Rpc,
  RpcContext,
  RpcHandler,
  RpcHandlerOptions,
  RpcStreamHandler
} from '@murmuration/interface'
import type { SimulatedNetwork } from './network.ts'
import type { SimulatedProcess } from './process.ts'

/** How long dialling a silent peer takes before it is given up, in milliseconds. */
const dialTimeoutMs = 5000
const timeoutMsDefault = 5000
const concurrencyMaxDefault = 1024

interface Method {
  readonly handler: RpcHandler
  readonly concurrencyMax: number
  running: number
}

interface Pending {
  readonly peer: string
  readonly fail: (error: unknown) => void
}

/** An open stream at the side of its handler. */
interface ServedStream {
  readonly iterator: AsyncIterator<Uint8Array>
  readonly controller: AbortController
}

const streamNext = 'simulation.stream.next'
const streamOpen = 'simulation.stream.open'
const streamClose = 'simulation.stream.close'

/** The {@link Rpc} of one simulated process. */
export class SimulatedRpc implements Rpc {
  readonly peer: string
  readonly #process: SimulatedProcess
  readonly #network: SimulatedNetwork
  /** The Rpc of a peer's present life. */
  readonly #find: (peer: string) => SimulatedRpc | undefined
  readonly #methods = new Map<string, Method>()
  readonly #streamMethods = new Map<string, RpcStreamHandler>()
  readonly #streams = new Map<string, ServedStream>()
  readonly #pending = new Set<Pending>()
  #streamCount = 0

  constructor(
    process: SimulatedProcess,
    network: SimulatedNetwork,
    find: (peer: string) => SimulatedRpc | undefined
  ) {
    this.peer = process.name
    this.#process = process
    this.#network = network
    this.#find = find
    this.#serveStreams()
  }

  start(): void {}

  stop(): void {}

  handle(method: string, handler: RpcHandler, options: RpcHandlerOptions = {}): void {
    if (this.#methods.has(method)) {
      throw new InvalidParametersError(`the method ${method} has a handler already`)
    }
    const concurrencyMax = options.concurrencyMax ?? concurrencyMaxDefault
    this.#methods.set(method, { handler, concurrencyMax, running: 0 })
  }

  handleStream(method: string, handler: RpcStreamHandler): void {
    this.#streamMethods.set(method, handler)
  }

  unhandle(method: string): void {
    this.#methods.delete(method)
    this.#streamMethods.delete(method)
  }

  call(
    peer: string,
    method: string,
    request: Uint8Array,
    options: CallOptions = {}
  ): Promise<Uint8Array> {
    const { signal, timeoutMs = timeoutMsDefault } = options
    if (signal?.aborted === true) {
      return Promise.reject(new AbortedError(`the call of ${method} was aborted before it began`))
    }
    return new Promise((resolve, reject) => {
      const cancels: (() => void)[] = []
      const settle = (): void => {
        this.#pending.delete(pending)
        for (const cancel of cancels) {
          cancel()
        }
      }
      const pending: Pending = {
        peer,
        fail: (error) => {
          settle()
          reject(error)
        }
      }
      this.#pending.add(pending)
      const refusal = this.#connect(peer)
      if (refusal !== undefined) {
        const wait =
          refusal === 'refused' ? this.#network.delay() : Math.min(timeoutMs, dialTimeoutMs)
        const text = `no connection to ${peer}: ${refusal}`
        cancels.push(
          this.#process.post(wait, 'timer', () => pending.fail(new PeerUnavailableError(text)))
        )
        const onAbort = (): void => {
          pending.fail(new AbortedError(`the call of ${method} was aborted before it was sent`))
        }
        signal?.addEventListener('abort', onAbort)
        cancels.push(() => signal?.removeEventListener('abort', onAbort))
      } else {
        cancels.push(
          this.#process.post(timeoutMs, 'timer', () => {
            pending.fail(new DeadlineExceededError(`${method} of ${peer}: no answer`))
          })
        )
        const cancelRemote = this.#send(peer, method, request, timeoutMs, (settled) => {
          settle()
          if ('value' in settled) {
            resolve(settled.value)
          } else {
            reject(settled.error)
          }
        })
        const onAbort = (): void => {
          cancelRemote()
          const text = `the call of ${method} was aborted`
          pending.fail(new AbortedError(text, { outcomeUnknown: true }))
        }
        signal?.addEventListener('abort', onAbort)
        cancels.push(() => signal?.removeEventListener('abort', onAbort))
      }
    })
  }

  /** Items travel one at a time, each asked for when the one before was taken. */
  async *stream(
    peer: string,
    method: string,
    request: Uint8Array,
    options: CallOptions = {}
  ): AsyncGenerator<Uint8Array> {
    this.#streamCount++
    const id = `${this.peer}/${this.#process.life}/${this.#streamCount}`
    const head = new TextEncoder().encode(JSON.stringify({ id, method }))
    const opening = new Uint8Array(2 + head.length + request.length)
    new DataView(opening.buffer).setUint16(0, head.length)
    opening.set(head, 2)
    opening.set(request, 2 + head.length)
    await this.call(peer, streamOpen, opening, options)
    const name = new TextEncoder().encode(id)
    let ended = false
    try {
      for (;;) {
        const item = await this.call(peer, streamNext, name, options)
        if (item[0] === 0) {
          ended = true
          return
        }
        yield item.subarray(1)
      }
    } finally {
      if (!ended && this.#process.alive) {
        // The other side learns of it or loses the stream with its connection; either will do.
        this.call(peer, streamClose, name).catch(() => {})
      }
    }
  }

  /** All calls over this connection fail: what was sent may have taken effect. */
  disconnected(peer: string): void {
    for (const pending of Array.from(this.#pending)) {
      if (pending.peer === peer) {
        pending.fail(new ConnectionLostError(`the connection to ${peer} ended`))
      }
    }
  }

  #connect(peer: string): 'refused' | 'silent' | undefined {
    if (peer === this.peer) {
      return undefined
    }
    const found = this.#network.connect(this.#process, peer)
    return found === 'reachable' ? undefined : found
  }

  #send(
    peer: string,
    method: string,
    request: Uint8Array,
    timeoutMs: number,
    done: (settled: { readonly value: Uint8Array } | { readonly error: unknown }) => void
  ): () => void {
    const bytes = request.slice()
    const aborts: (() => void)[] = []
    const deliver = (): void => {
      const target = peer === this.peer ? this : this.#find(peer)
      if (target === undefined) {
        return
      }
      const { context, abort } = serving(this.peer, timeoutMs)
      aborts.push(abort)
      const cancel = target.#process.post(timeoutMs, 'timer', abort)
      void target.#run(method, bytes.slice(), context).then((settled) => {
        cancel()
        if (target === this) {
          done(settled)
          return
        }
        const outcome = 'value' in settled ? 'answer' : 'error'
        target.#network.send(target.#process, this.peer, `${method} ${outcome}`, () => {
          // Where the caller was started anew meanwhile, its new life did not ask.
          if (this.#process.alive) {
            done(settled)
          }
        })
      })
    }
    if (peer === this.peer) {
      this.#process.post(0, 'message', deliver)
    } else {
      this.#network.send(this.#process, peer, method, deliver)
    }
    return () => {
      for (const abort of aborts) {
        this.#network.send(this.#process, peer, `${method} cancel`, abort)
      }
    }
  }

  async #run(
    name: string,
    request: Uint8Array,
    context: RpcContext
  ): Promise<{ readonly value: Uint8Array } | { readonly error: unknown }> {
    const method = this.#methods.get(name)
    if (method === undefined) {
      return { error: new UnknownMethodError(`${this.peer} does not know the method ${name}`) }
    }
    if (method.running >= method.concurrencyMax) {
      return { error: new OverloadedError(`${this.peer} runs too many calls of ${name}`) }
    }
    method.running++
    try {
      const answer = await method.handler(request, context)
      return { value: answer.slice() }
    } catch (error) {
      return { error: asRemote(error, this.peer) }
    } finally {
      method.running--
    }
  }

  #serveStreams(): void {
    this.handle(streamOpen, (bytes, context) => {
      const length = new DataView(bytes.buffer, bytes.byteOffset).getUint16(0)
      const text = new TextDecoder().decode(bytes.subarray(2, 2 + length))
      // Written by `stream` above, on the same machine.
      const { id, method } = JSON.parse(text) as { id: string; method: string }
      const handler = this.#streamMethods.get(method)
      if (handler === undefined) {
        throw new UnknownMethodError(`${this.peer} does not know the stream ${method}`)
      }
      const controller = new AbortController()
      const streamContext = { ...context, signal: controller.signal }
      const iterator = handler(bytes.slice(2 + length), streamContext)[Symbol.asyncIterator]()
      this.#streams.set(id, { iterator, controller })
      return new Uint8Array()
    })
    this.handle(streamNext, async (bytes) => {
      const id = new TextDecoder().decode(bytes)
      const stream = this.#streams.get(id)
      if (stream === undefined) {
        throw new ConnectionLostError('the stream has ended')
      }
      const item = await stream.iterator.next()
      if (item.done === true) {
        this.#streams.delete(id)
        return Uint8Array.of(0)
      }
      const framed = new Uint8Array(1 + item.value.length)
      framed[0] = 1
      framed.set(item.value, 1)
      return framed
    })
    this.handle(streamClose, async (bytes) => {
      const id = new TextDecoder().decode(bytes)
      const stream = this.#streams.get(id)
      this.#streams.delete(id)
      stream?.controller.abort()
      await stream?.iterator.return?.()
      return new Uint8Array()
    })
  }
}

/** The context of a call that is served. Most handlers never look at its signal, dear to make. */
function serving(
  peer: string,
  remainingMs: number
): { readonly context: RpcContext; readonly abort: () => void } {
  let controller: AbortController | undefined
  let isAborted = false
  const context: RpcContext = {
    peer,
    remainingMs,
    get signal() {
      controller ??= new AbortController()
      if (isAborted) {
        controller.abort()
      }
      return controller.signal
    }
  }
  const abort = (): void => {
    isAborted = true
    controller?.abort()
  }
  return { context, abort }
}

/** An error as it arrives at the caller: its facts, never its stack or its class. */
function asRemote(error: unknown, peer: string): MurmurationError {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    const remote = new MurmurationError(error.name, error.message, {
      code: error.code,
      retryable: 'retryable' in error && error.retryable === true,
      overloaded: 'overloaded' in error && error.overloaded === true,
      outcomeUnknown: 'outcomeUnknown' in error && error.outcomeUnknown === true
    })
    remote.peer = peer
    remote.answered = true
    return remote
  }
  const text = error instanceof Error ? error.message : String(error)
  const remote = new RemoteHandlerError(text, { outcomeUnknown: true })
  remote.peer = peer
  remote.answered = true
  return remote
}
