import { Calling } from './core/calling.ts'
import type { CallObserver } from './core/calling.ts'
import type { Deadlines } from './core/deadlines.ts'
import { FrameReader } from './core/frame-reader.ts'
import type { Frame } from './core/frames.ts'
import type { Limits } from './core/limits.ts'
import type { Methods } from './core/methods.ts'
import { Outbox } from './core/outbox.ts'
import { Serving } from './core/serving.ts'
import type { PeerLoad } from './core/serving.ts'
import { fixed } from './defaults.ts'
import type { Defer } from './end-of-turn.ts'

export interface LoopbackInit {
  readonly peer: string
  readonly methods: Methods
  readonly load: PeerLoad
  readonly deadlines: Deadlines
  readonly limits: Limits
  readonly defer: Defer
  readonly observer?: CallObserver | undefined
}

/**
 * Calls of a peer to itself: both ends of a stream, joined in memory. The frames are the same, so
 * copying, limits, deadlines and errors are too.
 */
export class Loopback {
  readonly calling: Calling
  readonly #serving: Serving
  #closed = false

  constructor(init: LoopbackInit) {
    const { messageBytesMax } = init.limits
    const requests = new Outbox()
    const answers = new Outbox()
    const sendRequests = this.#pipe(init.defer, requests, messageBytesMax, (frame) => {
      this.#serving.receive(frame)
    })
    const sendAnswers = this.#pipe(init.defer, answers, messageBytesMax, (frame) => {
      this.calling.receive(frame)
    })
    this.#serving = new Serving({
      ...init,
      outbox: answers,
      wake: sendAnswers,
      end: (reason) => this.close(reason)
    })
    this.calling = new Calling({ ...init, outbox: requests, wake: sendRequests })
  }

  close(reason: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#serving.close(reason)
    this.calling.close(reason)
  }

  /** Hands what is appended to `outbox` to `onFrame` at the end of the turn. */
  #pipe(
    defer: Defer,
    outbox: Outbox,
    messageBytesMax: number,
    onFrame: (frame: Frame) => void
  ): () => void {
    const frameBytesMax = messageBytesMax + fixed.frameOverheadMax
    const reader = new FrameReader({ frameBytesMax, onFrame })
    let scheduled = false
    const flush = (): void => {
      scheduled = false
      for (let bytes = outbox.peek(); bytes !== undefined; bytes = outbox.peek()) {
        if (this.#closed) return
        outbox.left()
        reader.push(bytes)
      }
      this.#serving.drained()
    }
    return () => {
      if (scheduled) return
      scheduled = true
      defer(flush)
    }
  }
}
