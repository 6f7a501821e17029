import type { Stream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { guardNegotiation } from './negotiation-guard.ts'

/** Where muxers of libp2p are told of a stream that the far end has opened. */
interface RemoteStreams {
  onRemoteStream?: (stream: Stream) => void
}

/**
 * A factory of muxers like another one, whose peers are cut off from a stream on which they say nonsense
 * in place of a protocol, or frames that are longer than these, by protocol. For protocols that libp2p
 * reads with its own reader: it would stand still over them.
 */
export function guardedStreams<C extends { readonly registrar: { getProtocols(): string[] } }>(
  muxer: (components: C) => StreamMuxerFactory,
  frames: Readonly<Record<string, number>> = {}
): (components: C) => StreamMuxerFactory {
  return (components) => {
    const factory = muxer(components)
    const create = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (connection) => {
      const made: StreamMuxer & RemoteStreams = create(connection)
      const onRemoteStream = made.onRemoteStream?.bind(made)
      if (onRemoteStream === undefined) return made
      made.onRemoteStream = (stream) => {
        const isSpoken = (name: string): boolean =>
          components.registrar.getProtocols().includes(name)
        guardNegotiation(stream, isSpoken, (name) => frames[name])
        onRemoteStream(stream)
      }
      return made
    }
    return factory
  }
}
