import type { RpcContext } from '@murmuration/interface'
import type { Expiring } from './deadlines.ts'

/** A request that is being served; what its handler sees as context. */
export class Request implements RpcContext, Expiring {
  readonly id: number
  readonly peer: string
  remainingMs: number
  slice = 0
  /** What happens when its time is over. */
  onExpire: (request: Request) => void
  #controller: AbortController | undefined
  #cancelled: Error | undefined
  #onCancel: (() => void) | undefined

  constructor(id: number, peer: string, remainingMs: number, onExpire: (request: Request) => void) {
    this.id = id
    this.peer = peer
    this.remainingMs = remainingMs
    this.onExpire = onExpire
  }

  /** Made on first use: most handlers never look, and a controller costs more than a call. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#cancelled !== undefined) this.#controller.abort(this.#cancelled)
    }
    return this.#controller.signal
  }

  get cancelled(): boolean {
    return this.#cancelled !== undefined
  }

  expire(): void {
    this.onExpire(this)
  }

  cancel(reason: Error): void {
    if (this.#cancelled !== undefined) return
    this.#cancelled = reason
    this.#controller?.abort(reason)
    this.#onCancel?.()
  }

  /** Runs `listener` once when the request is cancelled, at once if it is already. */
  onCancel(listener: () => void): void {
    if (this.#cancelled === undefined) this.#onCancel = listener
    else listener()
  }
}

/** A request whose answer is a stream, and what its caller lets it send. */
export class StreamRequest extends Request {
  #items = 0
  #bytes = 0
  #wake: (() => void) | undefined

  /** Whether the caller has room for an item. */
  get hasCredit(): boolean {
    return this.#items > 0 && this.#bytes > 0
  }

  grant(items: number, bytes: number): void {
    this.#items += items
    this.#bytes += bytes
    this.wake()
  }

  spend(bytes: number): void {
    this.#items--
    this.#bytes -= bytes
  }

  override cancel(reason: Error): void {
    super.cancel(reason)
    this.wake()
  }

  /** Resolves at the next grant, drain or cancellation. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  wake(): void {
    this.#wake?.()
    this.#wake = undefined
  }
}
