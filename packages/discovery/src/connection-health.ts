import type { AbortOptions, Connection } from '@libp2p/interface'

/**
 * A protocol that no peer handles. Being told so takes one round trip through the other side's
 * event loop, which proves the connection alive without any agreement between versions.
 */
const ALIVE_PROTOCOL = '/murmuration/alive/1.0.0'

class BeforeOpening extends Error {}

/**
 * Whether a connection says that it is open and yet can open no stream, because its muxer is gone.
 * Sends nothing: libp2p reports the start of a stream after it has looked at the muxer and before
 * it opens one, and an exception there ends the attempt.
 */
export async function isZombie(connection: Connection): Promise<boolean> {
  if (connection.status !== 'open') {
    return false
  }
  try {
    const stream = await connection.newStream(ALIVE_PROTOCOL, {
      runOnLimitedConnection: true,
      onProgress: () => {
        throw new BeforeOpening()
      }
    })
    stream.abort(new BeforeOpening())
    return false
  } catch (error) {
    return error instanceof Error && error.name === 'ConnectionClosedError'
  }
}

/** Whether the other side answers on this connection before the signal fires. */
export async function answers(connection: Connection, options: AbortOptions): Promise<boolean> {
  try {
    const stream = await connection.newStream(ALIVE_PROTOCOL, {
      ...options,
      runOnLimitedConnection: true
    })
    stream.abort(new BeforeOpening())
    return true
  } catch (error) {
    // Any other error is what the caller wants to know as "no answer".
    return error instanceof Error && error.name === 'UnsupportedProtocolError'
  }
}

/** Whether every address of a failed dial refused the connection: nothing listens there any more. */
export function isRefused(error: unknown): boolean {
  if (error instanceof AggregateError) {
    return error.errors.length > 0 && error.errors.every(isRefused)
  }
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED'
}

/** Whether a failed dial was accepted by one of the addresses and then broke. */
export function isHandshakeFailure(error: unknown): boolean {
  if (error instanceof AggregateError) {
    return error.errors.some(isHandshakeFailure)
  }
  return (
    error instanceof Error &&
    (error.name === 'EncryptionFailedError' || error.name === 'MuxerUnavailableError')
  )
}
