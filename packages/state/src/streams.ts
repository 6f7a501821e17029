import { DeadlineExceededError } from '@murmuration/interface'
import type { Context } from './context.ts'
import { chunkBytes, progressMs, stateBytesMax } from './defaults.ts'

/** Sizes and times of streams of copies; smaller ones in tests. */
export interface StreamLimits {
  /** Copies of one message; more come as a stream. Unit: bytes. */
  readonly messageBytes: number
  /** One item of a stream. Unit: bytes. */
  readonly chunkBytes: number
  /** Between two items. Unit: ms. */
  readonly progressMs: number
}

export const streamLimits: StreamLimits = { messageBytes: stateBytesMax, chunkBytes, progressMs }

/**
 * A stream from another peer that may take as long as it likes, as long as it goes on: each item has
 * a deadline of its own, which runs only while the other side is waited for.
 */
export async function* progressing(
  context: Context,
  call: {
    readonly peer: string
    readonly method: string
    readonly request: Uint8Array
    readonly signal: AbortSignal
  }
): AsyncGenerator<Uint8Array> {
  const { peer, method, request, signal } = call
  const { clock, rpc, streams } = context
  const controller = new AbortController()
  const stop = (): void => controller.abort()
  let isLate = false
  const watch = (): (() => void) =>
    clock.schedule(streams.progressMs, () => {
      isLate = true
      stop()
    })
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  let cancel = watch()
  try {
    const options = { timeoutMs: Infinity, signal: controller.signal }
    for await (const item of rpc.stream(peer, method, request, options)) {
      cancel()
      yield item
      cancel = watch()
    }
  } catch (error) {
    throw isLate
      ? new DeadlineExceededError(
          `${method} of ${peer}: nothing more within ${streams.progressMs} ms`
        )
      : error
  } finally {
    cancel()
    signal.removeEventListener('abort', stop)
  }
}
