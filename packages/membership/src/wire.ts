import type { Rpc, RpcHandler } from '@murmuration/interface'
import { equals } from 'uint8arrays/equals'
import { exchanges } from './core/messages.ts'
import type { Method } from './core/messages.ts'
import type { Answered, Sent } from './core/outbox.ts'
import { decodedMax } from './defaults.ts'

const methods: readonly Method[] = ['beat', 'prepare', 'accept', 'decided', 'view', 'join', 'leave']

type Side = 'request' | 'answer'

/** The two codecs of a method, for code that does not know which method it is. */
interface Codec {
  readonly encode: (value: unknown) => Uint8Array
  readonly decode: (bytes: Uint8Array) => unknown
}

function codecOf(method: Method, side: Side): Codec {
  // Each message comes with the name of its method, so the codec fits; the union cannot show it.
  return exchanges[method][side] as Codec
}

/** The methods `membership.*` over an Rpc. */
export class Wire {
  readonly #rpc: Rpc
  /** One message often goes to many peers, and again. Messages are never changed once made. */
  readonly #encoded: Record<Side, WeakMap<object, Uint8Array>> = {
    request: new WeakMap(),
    answer: new WeakMap()
  }
  /** The last heartbeat of each peer: most are the same bytes as the one before. */
  readonly #decoded = new Map<string, { readonly bytes: Uint8Array; readonly message: unknown }>()

  constructor(rpc: Rpc) {
    this.#rpc = rpc
  }

  /** Serves the methods. Bad bytes are refused with `MalformedMessageError`. */
  handleAll(serve: (from: string, sent: Sent) => Promise<Answered>): void {
    for (const method of methods) {
      const handler: RpcHandler = async (bytes, { peer }) => {
        // As above.
        const sent = { method, message: this.#decode(method, 'request', peer, bytes) } as Sent
        const { message } = await serve(peer, sent)
        return this.#encode(method, 'answer', message)
      }
      // A peer that is busy with other work must not look dead.
      this.#rpc.handle(`membership.${method}`, handler, { urgent: true })
    }
  }

  unhandleAll(): void {
    for (const method of methods) {
      this.#rpc.unhandle(`membership.${method}`)
    }
    this.#decoded.clear()
  }

  /** Throws what the Rpc throws, and `MalformedMessageError` for an answer that does not decode. */
  async call(peer: string, { method, message }: Sent, timeoutMs: number): Promise<Answered> {
    const bytes = this.#encode(method, 'request', message)
    const answer = await this.#rpc.call(peer, `membership.${method}`, bytes, { timeoutMs })
    // As above.
    return { method, message: this.#decode(method, 'answer', peer, answer) } as Answered
  }

  #encode(method: Method, side: Side, message: object): Uint8Array {
    const before = this.#encoded[side].get(message)
    if (before !== undefined) {
      return before
    }
    const bytes = codecOf(method, side).encode(message)
    this.#encoded[side].set(message, bytes)
    return bytes
  }

  #decode(method: Method, side: Side, peer: string, bytes: Uint8Array): unknown {
    if (method !== 'beat') {
      return codecOf(method, side).decode(bytes)
    }
    const key = `${side}/${peer}`
    const before = this.#decoded.get(key)
    if (before !== undefined && equals(before.bytes, bytes)) {
      return before.message
    }
    const message = codecOf(method, side).decode(bytes)
    if (this.#decoded.size >= decodedMax) {
      this.#decoded.clear()
    }
    this.#decoded.set(key, { bytes, message })
    return message
  }
}
