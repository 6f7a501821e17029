import type { Stream } from '@libp2p/interface'
import type { Clock } from '@murmuration/interface'
import { backpressureMs, backpressureMsMax, roomBytes } from './defaults.ts'

/** The part of a stream that says how much waits in it. */
export type BufferedStream = Pick<
  Stream,
  'writeBufferLength' | 'status' | 'addEventListener' | 'removeEventListener'
>

/**
 * Waits until streams have room again. Gossip writes without looking: megabytes pile up behind a
 * burst, until the stream is aborted and all of it is lost without a word, or pings that wait
 * behind it time out and the connection is cut.
 *
 * It looks at buffers and events, because `onDrain()` of libp2p 3.3 waits only once per stream:
 * its promise is never renewed after the first drain.
 */
export class Backpressure {
  readonly #clock: Clock
  /** Streams that stand still. They delay nobody again until they have moved. */
  readonly #stuck = new WeakSet<BufferedStream>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves when all of the streams have room, but for those that stand still. */
  async room(streams: readonly BufferedStream[]): Promise<void> {
    const full: BufferedStream[] = []
    for (const stream of streams) {
      if (!isFull(stream)) {
        this.#stuck.delete(stream)
      } else if (!this.#stuck.has(stream)) {
        full.push(stream)
      }
    }
    await Promise.all(full.map((stream) => this.#drain(stream)))
  }

  async #drain(stream: BufferedStream): Promise<void> {
    const since = this.#clock.monotonic()
    while (isFull(stream)) {
      const left = stream.writeBufferLength
      // Each look compares with the one before.
      // oxlint-disable-next-line no-await-in-loop
      const event = await this.#change(stream)
      const stands = !event && stream.writeBufferLength >= left
      if (stands || this.#clock.monotonic() - since >= backpressureMsMax) {
        this.#stuck.add(stream)
        return
      }
    }
  }

  /** Whether the stream drained or closed in time. */
  #change(stream: BufferedStream): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (changed: boolean): void => {
        cancel()
        stream.removeEventListener('drain', changes)
        stream.removeEventListener('close', changes)
        resolve(changed)
      }
      const changes = (): void => settle(true)
      const cancel = this.#clock.schedule(backpressureMs, () => settle(false))
      stream.addEventListener('drain', changes)
      stream.addEventListener('close', changes)
    })
  }
}

function isFull({ status, writeBufferLength }: BufferedStream): boolean {
  return status === 'open' && writeBufferLength > roomBytes
}
