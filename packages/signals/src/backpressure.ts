import type { Stream } from '@libp2p/interface'
import type { Clock } from '@murmuration/interface'
import { backpressureMs } from './defaults.ts'

/** The part of a stream that says whether more may be written. */
export type DrainingStream = Pick<Stream, 'writableNeedsDrain' | 'onDrain'>

/**
 * Waits until streams have room again. Gossip writes without looking; when megabytes pile up, pings
 * time out behind them, connections are cut, and all that was buffered is lost without a word.
 */
export class Backpressure {
  readonly #clock: Clock
  /** Streams that did not make room in time. They delay nobody again until they have. */
  readonly #slow = new WeakSet<DrainingStream>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async room(streams: readonly DrainingStream[]): Promise<void> {
    const full = streams.filter((stream) => stream.writableNeedsDrain && !this.#slow.has(stream))
    if (full.length === 0) {
      return
    }
    const waiting = new Set(full)
    const timeout = Promise.withResolvers<void>()
    const cancel = this.#clock.schedule(backpressureMs, () => {
      for (const stream of waiting) {
        this.#slow.add(stream)
      }
      timeout.resolve()
    })
    const drained = full.map(async (stream) => {
      try {
        await stream.onDrain()
      } catch {
        // The stream closed: nobody needs to wait for it any more.
      }
      waiting.delete(stream)
      this.#slow.delete(stream)
    })
    await Promise.race([Promise.all(drained), timeout.promise])
    cancel()
  }
}
