import type { Rpc, RpcHandler } from '@murmuration/interface'
import { exchanges } from './core/messages.ts'
import type { Method } from './core/messages.ts'
import type { Answered, Sent } from './core/outbox.ts'

const methods: readonly Method[] = ['beat', 'prepare', 'accept', 'decided', 'view', 'join', 'leave']

/** The two codecs of a method, for code that does not know which method it is. */
interface Codec {
  readonly encode: (value: unknown) => Uint8Array
  readonly decode: (bytes: Uint8Array) => unknown
}

function codecOf(method: Method, side: 'request' | 'answer'): Codec {
  // Each message comes with the name of its method, so the codec fits; the union cannot show it.
  return exchanges[method][side] as Codec
}

/** Serves the methods `membership.*`. Bad bytes are refused with `MalformedMessageError`. */
export function handleAll(
  rpc: Rpc,
  serve: (from: string, sent: Sent, signal: AbortSignal) => Promise<Answered>
): void {
  for (const method of methods) {
    const handler: RpcHandler = async (bytes, { peer, signal }) => {
      // As above.
      const sent = { method, message: codecOf(method, 'request').decode(bytes) } as Sent
      const { message } = await serve(peer, sent, signal)
      return codecOf(method, 'answer').encode(message)
    }
    // A peer that is busy with other work must not look dead.
    rpc.handle(`membership.${method}`, handler, { urgent: true })
  }
}

export function unhandleAll(rpc: Rpc): void {
  for (const method of methods) {
    rpc.unhandle(`membership.${method}`)
  }
}

/** Throws what the Rpc throws, and `MalformedMessageError` for an answer that does not decode. */
export async function callPeer(
  rpc: Rpc,
  peer: string,
  { method, message }: Sent,
  timeoutMs: number
): Promise<Answered> {
  const bytes = encodedOnce(method, message)
  const answer = await rpc.call(peer, `membership.${method}`, bytes, { timeoutMs })
  // As above.
  return { method, message: codecOf(method, 'answer').decode(answer) } as Answered
}

/** One message often goes to many peers. Messages are never changed after they are made. */
const encoded = new WeakMap<object, Uint8Array>()

function encodedOnce(method: Method, message: object): Uint8Array {
  const before = encoded.get(message)
  if (before !== undefined) {
    return before
  }
  const bytes = codecOf(method, 'request').encode(message)
  encoded.set(message, bytes)
  return bytes
}
