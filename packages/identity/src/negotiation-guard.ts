import type {
  ComponentLogger,
  ConnectionProtector,
  MessageStream,
  StreamMessageEvent
} from '@libp2p/interface'
import { MalformedMessageError } from '@murmuration/interface'
import { FrameGuard } from './core/frame-guard.ts'
import { negotiationBytesMax, negotiationFramesMax } from './defaults.ts'

/** A `connectionProtector` as libp2p makes it. */
export type ProtectorFactory = (components: { logger: ComponentLogger }) => ConnectionProtector

/**
 * Ends a connection or stream whose far end does not come to one of these protocols in a few short
 * words, before libp2p reads any of it. Afterwards it follows the frames of the protocol, where there is
 * a limit for them: `framesOf` gives the bytes that one of them has at most.
 */
export function guardNegotiation(
  stream: MessageStream,
  isAgreed: (protocol: string) => boolean,
  framesOf: (protocol: string) => number | undefined = () => undefined
): void {
  let next: number | undefined
  let guard: FrameGuard | undefined = new FrameGuard({
    bytesMax: negotiationBytesMax,
    framesMax: negotiationFramesMax,
    isLast: (protocol) => {
      next = framesOf(protocol)
      return isAgreed(protocol)
    }
  })
  const take = (bytes: Uint8Array): boolean => {
    const word = guard?.take(bytes)
    if (word !== 'over') return word !== 'refuse'
    const rest = bytes.subarray(guard?.consumed)
    guard =
      next === undefined
        ? undefined
        : new FrameGuard({ bytesMax: next, framesMax: Infinity, isLast: () => false })
    return guard === undefined || take(rest)
  }
  const onMessage = (event: StreamMessageEvent): void => {
    const holds = take(event.data.subarray())
    if (holds && guard !== undefined) return
    stream.removeEventListener('message', onMessage)
    if (holds) return
    // Who listens after this one gets none of it.
    event.stopImmediatePropagation()
    stream.abort(new MalformedMessageError('these are no frames of a protocol that is spoken here'))
  }
  beforeFirstListener(stream, () => stream.addEventListener('message', onMessage))
}

/**
 * Runs it right before somebody begins to listen: a stream keeps what comes as long as nobody does, and
 * who listens earlier than its reader would have it lost.
 */
function beforeFirstListener(stream: MessageStream, task: () => void): void {
  const add = stream.addEventListener.bind(stream)
  stream.addEventListener = (type: string, ...rest: unknown[]): void => {
    if (type === 'message') {
      stream.addEventListener = add
      task()
    }
    // As it was called.
    Reflect.apply(add, stream, [type, ...rest])
  }
}

/** Guards what strangers can say first, over another protector or over the bare connection. */
export function guardedProtector(
  isAgreed: (protocol: string) => boolean,
  inner?: ProtectorFactory
): ProtectorFactory {
  return (components) => {
    const below = inner?.(components)
    return {
      protect: async (connection, options) => {
        const stream = below === undefined ? connection : await below.protect(connection, options)
        guardNegotiation(stream, isAgreed)
        return stream
      }
    }
  }
}
