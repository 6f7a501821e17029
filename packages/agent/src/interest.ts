/** Somebody who waits for an answer. The signal is made when it is first asked for. */
export interface Caller {
  readonly signal: AbortSignal
}

/** A caller that never leaves. */
export const STEADY: Caller = { signal: new AbortController().signal }

/**
 * Those who wait for one request: a repetition with the same key joins the first. The request is
 * wanted as long as one of them waits. Signals are looked at only where somebody asks, because most
 * requests end before anybody does.
 */
export class Interest {
  readonly #callers: Caller[]
  /** Fires when the agent is closed on this peer. */
  readonly #closed: AbortSignal
  #controller: AbortController | undefined
  readonly #check = (): void => {
    if (this.lost) this.#controller?.abort()
  }

  constructor(first: Caller, closed: AbortSignal) {
    this.#callers = [first]
    this.#closed = closed
  }

  get lost(): boolean {
    return this.#closed.aborted || this.#callers.every(({ signal }) => signal.aborted)
  }

  /** What a handler is given. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      this.#closed.addEventListener('abort', this.#check)
      for (const { signal } of this.#callers) signal.addEventListener('abort', this.#check)
      this.#check()
    }
    return this.#controller.signal
  }

  join(caller: Caller): void {
    this.#callers.push(caller)
    if (this.#controller !== undefined) caller.signal.addEventListener('abort', this.#check)
  }

  /** The request has ended. */
  end(): void {
    if (this.#controller === undefined) return
    this.#closed.removeEventListener('abort', this.#check)
    for (const { signal } of this.#callers) signal.removeEventListener('abort', this.#check)
  }
}
