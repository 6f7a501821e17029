import type { Logger, Stream } from '@libp2p/interface'
import { FrameReader } from './core/frame-reader.ts'
import type { Frame } from './core/frames.ts'
import type { Outbox } from './core/outbox.ts'
import { fixed } from './defaults.ts'
import type { Defer } from './end-of-turn.ts'

/**
 * How a stream ends: `flush` sends what is queued and closes, `close` drops what is queued, so that
 * it counts as never sent, and `reset` drops what is under way too.
 */
export type Ending = 'flush' | 'close' | 'reset'

export interface LinkInit {
  readonly outbox: Outbox
  readonly messageBytesMax: number
  readonly closeTimeoutMs: number
  readonly defer: Defer
  readonly log: Logger
  onFrame(frame: Frame): void
  /** The outbox was emptied as far as it goes. */
  onFlushed?(): void
  /** Called once. */
  onClose(reason: Error): void
}

/**
 * Joins an outbox and a frame reader to a libp2p stream. Frames that are queued in one turn leave as
 * one message; while the stream is full they stay in the outbox, which knows its bounds.
 */
export class Link {
  readonly #init: LinkInit
  readonly #reader: FrameReader
  readonly #flush: () => void
  #stream: Stream | undefined
  #scheduled = false
  #closed = false

  constructor(init: LinkInit) {
    this.#init = init
    this.#reader = new FrameReader({
      frameBytesMax: init.messageBytesMax + fixed.frameOverheadMax,
      onFrame: (frame) => {
        // A frame may end the link; what came behind it in the same bytes is of no interest.
        if (!this.#closed) init.onFrame(frame)
      }
    })
    this.#flush = () => {
      if (this.#scheduled) this.#send()
    }
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Sends and receives on `stream` from now on. */
  attach(stream: Stream): void {
    if (this.#closed) {
      stream.abort(new Error('The stream is not needed any more'))
      return
    }
    this.#stream = stream
    stream.addEventListener('drain', () => this.#send())
    stream.addEventListener('close', (event) => {
      this.#close(event.error ?? new Error('The stream was closed'))
    })
    stream.addEventListener('remoteCloseWrite', () => {
      // Whoever sends no more frames reads none either.
      this.end(new Error('The other side closed the stream'), 'close')
    })
    stream.addEventListener('message', (event) => {
      this.#receive(event.data.subarray())
    })
    if (stream.status !== 'open') this.#close(new Error(`The stream is ${stream.status}`))
    else this.wake()
  }

  /** Sends what is in the outbox, soon. */
  wake(): void {
    if (this.#scheduled || this.#stream === undefined) return
    this.#scheduled = true
    this.#init.defer(this.#flush)
  }

  /** Ends the stream; does nothing if it has ended. */
  end(reason: Error, ending: Ending): void {
    if (this.#closed) return
    if (ending === 'flush') this.#send()
    const stream = this.#stream
    this.#close(reason)
    if (stream === undefined) return
    if (ending === 'reset') {
      stream.abort(reason)
      return
    }
    stream.close({ signal: AbortSignal.timeout(this.#init.closeTimeoutMs) }).catch((error) => {
      this.#init.log.trace('reset a stream that does not close: %s', error)
      stream.abort(reason)
    })
  }

  #receive(bytes: Uint8Array): void {
    if (this.#closed) return
    try {
      this.#reader.push(bytes)
      // What was answered at once leaves at once, all together: below, the muxer is about to write
      // a frame of its own for the bytes it delivered, and the answers would come behind it.
      if (this.#scheduled) this.#send()
    } catch (error) {
      const reason = error instanceof Error ? error : new Error(String(error))
      this.#init.log.error('reset a stream: %s', reason.message)
      this.end(reason, 'reset')
    }
  }

  #send(): void {
    this.#scheduled = false
    const stream = this.#stream
    const { outbox } = this.#init
    if (stream === undefined || this.#closed) return
    while (!stream.writableNeedsDrain) {
      const bytes = outbox.peek()
      if (bytes === undefined) break
      if (stream.writeStatus !== 'writable') {
        this.#close(new Error(`The stream is ${stream.writeStatus} for writing`))
        return
      }
      // Counted as sent before it is tried: when sending fails, a part of it may have got away.
      outbox.left()
      try {
        stream.send(bytes)
      } catch (error) {
        this.#close(error instanceof Error ? error : new Error(String(error)))
        return
      }
      if (this.#closed) return
    }
    this.#init.onFlushed?.()
  }

  #close(reason: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#init.onClose(reason)
  }
}
