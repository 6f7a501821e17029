import type { StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { wrappedMuxer } from './wrapped-muxer.ts'

/** What is used of a stream of `@libp2p/yamux` that is not in its interface. */
interface YamuxStream {
  /** Bytes that the other side may still send. */
  readonly recvWindowCapacity: number
  /** What that is set to by an update. */
  readonly recvWindow: number
  sendWindowUpdate(): void
}

/** Where a muxer of `@libp2p/yamux` makes its streams. */
const MAKE = '_newStream'

interface StreamMaker {
  [MAKE]?(...args: unknown[]): YamuxStream
}

/**
 * Lets yamux tell the other side of free window when half of it is used up, as its specification
 * means it and other implementations do. `@libp2p/yamux` 8 answers every single frame with an update:
 * half of all packets of a call and its reply, each to be encrypted, sent, received and decrypted.
 *
 * Wraps the factory of `yamux()`; any other muxer is left as it is.
 *
 * @example
 * ```ts
 * createLibp2p({ streamMuxers: [sparingWindowUpdates(yamux())], ... })
 * ```
 */
export function sparingWindowUpdates<C>(
  muxer: (components: C) => StreamMuxerFactory
): (components: C) => StreamMuxerFactory {
  return wrappedMuxer(muxer, (made: StreamMuxer & StreamMaker) => {
    const make = made[MAKE]?.bind(made)
    if (make !== undefined) made[MAKE] = (...args) => spare(make(...args))
  })
}

function spare(stream: YamuxStream): YamuxStream {
  if (typeof stream.sendWindowUpdate !== 'function') return stream
  const send = stream.sendWindowUpdate.bind(stream)
  let opened = false
  stream.sendWindowUpdate = () => {
    // The first one opens or accepts the stream. Whoever has half the window left does not wait.
    if (opened && stream.recvWindowCapacity * 2 > stream.recvWindow) return
    opened = true
    send()
  }
  return stream
}
