import type { Stream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import type { Clock } from '@murmuration/interface'
import { systemClock } from '@murmuration/system'
import { negotiationTimeoutMsDefault } from './defaults.ts'
import { guardNegotiation, isAnswer } from './negotiation-guard.ts'

/** Where muxers of libp2p are told of a stream that the far end has opened. */
interface RemoteStreams {
  onRemoteStream?: (stream: Stream) => void
}

export interface GuardedStreamsInit {
  /**
   * Milliseconds for agreeing on the protocol of a stream that is opened here, whatever its caller
   * waits for. @default 10000
   */
  readonly timeoutMs?: number
  /** @default the real time */
  readonly clock?: Pick<Clock, 'schedule'>
}

/**
 * A factory of muxers like another one, whose peers are cut off from a stream on which they say nonsense
 * in place of a protocol, or frames that are longer than these, by protocol; on streams that they open,
 * and in answer on those that are opened here. For protocols that libp2p reads with its own reader: it
 * would stand still over them.
 */
export function guardedStreams<C extends { readonly registrar: { getProtocols(): string[] } }>(
  muxer: (components: C) => StreamMuxerFactory,
  frames: Readonly<Record<string, number>> = {},
  init: GuardedStreamsInit = {}
): (components: C) => StreamMuxerFactory {
  const { clock = systemClock, timeoutMs = negotiationTimeoutMsDefault } = init
  const framesOf = (name: string): number | undefined => frames[name]
  return (components) => {
    const factory = muxer(components)
    const create = factory.createStreamMuxer.bind(factory)
    const isSpoken = (name: string): boolean => components.registrar.getProtocols().includes(name)
    factory.createStreamMuxer = (connection) => {
      const made: StreamMuxer & RemoteStreams = create(connection)
      const onRemoteStream = made.onRemoteStream?.bind(made)
      if (onRemoteStream !== undefined) {
        made.onRemoteStream = (stream) => {
          guardNegotiation(stream, isSpoken, { framesOf })
          onRemoteStream(stream)
        }
      }
      const createStream = made.createStream.bind(made)
      made.createStream = async (options) => {
        const stream = await createStream(options)
        // Some muxers agree on it by themselves; then nothing of that is read here.
        if (stream.protocol === '') {
          guardNegotiation(stream, isAnswer, { framesOf, deadline: { clock, timeoutMs } })
        }
        return stream
      }
      return made
    }
    return factory
  }
}
