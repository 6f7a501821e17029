import type { MultiaddrConnection, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { wrappedMuxer } from './wrapped-muxer.ts'

/** A frame above it is not copied. Unit: bytes. Copying less takes a fraction of what a packet takes. */
const joinedBytesMax = 65_536

/** Where a muxer of `@libp2p/utils` hands what it sends to its connection. */
const SEND = 'send'

interface FrameSender {
  [SEND]?(data: Parameters<MultiaddrConnection['send']>[0]): boolean
}

/**
 * Hands each frame of a muxer to its connection in one piece. `@libp2p/yamux` 8 hands over a header and
 * what follows it, and `@libp2p/tls` encrypts and sends each piece by itself: two packets for each frame,
 * of which the second one waits until the first one is sent, and wakes its receiver once more. Long
 * frames go as they are: they need several packets anyway, and would have to be copied.
 *
 * Wraps the factory of `yamux()`; a muxer that sends in another way is left as it is.
 *
 * @example
 * ```ts
 * createLibp2p({ streamMuxers: [joinedFrames(sparingWindowUpdates(yamux()))], ... })
 * ```
 */
export function joinedFrames<C>(
  muxer: (components: C) => StreamMuxerFactory
): (components: C) => StreamMuxerFactory {
  return wrappedMuxer(muxer, (made: StreamMuxer & FrameSender) => {
    const send = made[SEND]?.bind(made)
    if (send === undefined) return
    made[SEND] = (data) => {
      const joins = !(data instanceof Uint8Array) && data.byteLength <= joinedBytesMax
      return send(joins ? data.subarray() : data)
    }
  })
}
