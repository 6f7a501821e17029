import { MalformedMessageError } from '@murmuration/interface'
import type { MurmurationError } from '@murmuration/interface'
import type { Expiring } from './deadlines.ts'
import type { CreditFrame } from './frames.ts'

/** What a pending call needs from the end that made it. */
export interface PendingOwner {
  expire(call: PendingCall): void
  abort(call: PendingCall): void
  credit(frame: CreditFrame): void
}

/** A call whose answer has not come. */
export abstract class PendingCall implements Expiring {
  readonly id: number
  readonly owner: PendingOwner
  readonly signal: AbortSignal | undefined
  readonly method: string
  readonly timeoutMs: number
  slice = 0
  startedMs = 0
  /** Where its request is in the outbox. */
  position = 0

  constructor(
    owner: PendingOwner,
    id: number,
    method: string,
    timeoutMs: number,
    signal: AbortSignal | undefined
  ) {
    this.owner = owner
    this.id = id
    this.method = method
    this.timeoutMs = timeoutMs
    this.signal = signal
  }

  expire(): void {
    this.owner.expire(this)
  }

  /** Listener of `signal`. */
  handleEvent(): void {
    this.owner.abort(this)
  }

  /** The call ended without an answer, or with an error for one. */
  abstract fail(error: MurmurationError): void
}

/** A call with one answer. */
export class PendingReply extends PendingCall {
  resolve: (reply: Uint8Array) => void = () => {}
  reject: (error: MurmurationError) => void = () => {}

  override fail(error: MurmurationError): void {
    this.reject(error)
  }
}

/** A call whose answer is a stream. Holds the items that the consumer has not taken. */
export class PendingStream extends PendingCall {
  readonly #windowItems: number
  readonly #windowBytes: number
  readonly #items: Uint8Array[] = []
  /** What the other side may still send. Bytes go below zero by the last item. */
  #creditItems: number
  #creditBytes: number
  /** What the consumer took since credit was last given. */
  #takenItems = 0
  #takenBytes = 0
  #ended: { readonly error?: MurmurationError } | undefined
  #wake: (() => void) | undefined

  constructor(
    owner: PendingOwner,
    id: number,
    method: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    window: { readonly windowItems: number; readonly windowBytes: number }
  ) {
    super(owner, id, method, timeoutMs, signal)
    this.#windowItems = window.windowItems
    this.#windowBytes = window.windowBytes
    this.#creditItems = window.windowItems
    this.#creditBytes = window.windowBytes
  }

  get ended(): boolean {
    return this.#ended !== undefined
  }

  /** @throws MalformedMessageError if the other side sends more than it has credit for. */
  receive(item: Uint8Array): void {
    if (this.#creditItems <= 0 || this.#creditBytes <= 0) {
      throw new MalformedMessageError(`The stream of ${this.method} sends more than its credit`)
    }
    this.#creditItems--
    this.#creditBytes -= item.length
    this.#items.push(item)
    this.#notify()
  }

  end(): void {
    this.#ended ??= {}
    this.#notify()
  }

  override fail(error: MurmurationError): void {
    this.#ended ??= { error }
    this.#notify()
  }

  /** The next item, or undefined at the end. Throws what ended the stream, after the items. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const item = this.#items.shift()
      if (item !== undefined) {
        this.#give(item.length)
        return item
      }
      if (this.#ended?.error !== undefined) throw this.#ended.error
      if (this.#ended !== undefined) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #notify(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  /** Gives credit in halves of the window, so that one frame serves many items. */
  #give(bytes: number): void {
    this.#takenItems++
    this.#takenBytes += bytes
    if (this.#ended !== undefined) return
    if (2 * this.#takenItems < this.#windowItems && 2 * this.#takenBytes < this.#windowBytes) return
    this.#creditItems += this.#takenItems
    this.#creditBytes += this.#takenBytes
    this.owner.credit({
      type: 'credit',
      id: this.id,
      items: this.#takenItems,
      bytes: this.#takenBytes
    })
    this.#takenItems = 0
    this.#takenBytes = 0
  }
}
