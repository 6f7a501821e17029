import type { StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'

/** A factory of muxers like another one, each of which is changed before it is used. */
export function wrappedMuxer<C>(
  muxer: (components: C) => StreamMuxerFactory,
  change: (made: StreamMuxer) => void
): (components: C) => StreamMuxerFactory {
  return (components) => {
    const factory = muxer(components)
    const create = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (connection) => {
      const made = create(connection)
      change(made)
      return made
    }
    return factory
  }
}
