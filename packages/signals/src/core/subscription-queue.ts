import type { OverflowPolicy } from '@murmuration/interface'
import { AbortedError, OverloadedError } from '@murmuration/interface'
import { blockedMax } from '../defaults.ts'

interface Blocked<T> {
  readonly item: T
  readonly settle: (taken: boolean) => void
}

/**
 * The bounded queue of one subscription. It belongs to that subscription alone, so a slow reader
 * delays nobody else. One reader at a time.
 */
export class SubscriptionQueue<T> {
  readonly #max: number
  readonly #overflow: OverflowPolicy
  readonly #onDrop: () => void
  /** Read position; the array is cut when half of it has been read. */
  #head = 0
  #items: T[] = []
  #blocked: Blocked<T>[] = []
  #reader: (() => void) | undefined
  /** Told when there may be room. */
  #writers: (() => void)[] = []
  #closed = false
  #failure: OverloadedError | undefined
  #dropped = 0

  constructor(max: number, overflow: OverflowPolicy, onDrop: () => void) {
    this.#max = max
    this.#overflow = overflow
    this.#onDrop = onDrop
  }

  get size(): number {
    return this.#items.length - this.#head
  }

  /** Whether the next item has to wait, or one of them is lost. */
  get full(): boolean {
    return this.size >= this.#max || this.#blocked.length > 0
  }

  /** Signals that were lost because there was no room. */
  get dropped(): number {
    return this.#dropped
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Why the queue closed by itself; undefined when somebody closed it. */
  get failure(): OverloadedError | undefined {
    return this.#failure
  }

  /**
   * Takes an item or says that it was dropped. With policy `block` and `wait`, answers when there
   * was room, when `signal` fired, or when the queue closed; without `wait` nobody can be held back
   * and the item is dropped.
   */
  offer(item: T, wait: boolean, signal?: AbortSignal): boolean | Promise<boolean> {
    if (this.#closed) {
      return false
    }
    if (!this.full) {
      this.#push(item)
      return true
    }
    switch (this.#overflow) {
      case 'drop-oldest':
        this.#shift()
        this.#drop()
        this.#push(item)
        return true
      case 'drop-newest':
        this.#drop()
        return false
      case 'error':
        this.#drop()
        this.#failure = new OverloadedError(
          `the subscription was closed: ${this.#max} signals were waiting for its handler`
        )
        this.close()
        return false
      case 'block':
        if (wait && this.#blocked.length < blockedMax && signal?.aborted !== true) {
          return this.#wait(item, signal)
        }
        this.#drop()
        return false
    }
  }

  /** Takes an item when there is room, whatever the policy; false where the queue closed before. */
  async offerPatiently(item: T): Promise<boolean> {
    while (!this.#closed && this.size >= this.#max) {
      await new Promise<void>((resolve) => this.#writers.push(resolve))
    }
    if (this.#closed) {
      return false
    }
    this.#push(item)
    return true
  }

  /** An item that is there already; undefined: it has to be waited for. */
  next(): T | undefined {
    return this.size === 0 ? undefined : this.#next()
  }

  /** The next item, or undefined once the queue is closed and empty. Throws its {@link failure}. */
  async take(): Promise<T | undefined> {
    while (this.size === 0) {
      if (this.#failure !== undefined) {
        throw this.#failure
      }
      if (this.#closed) {
        return undefined
      }
      if (this.#reader !== undefined) {
        throw new AbortedError('this subscription is already being read')
      }
      await new Promise<void>((resolve) => {
        this.#reader = resolve
      })
    }
    return this.#next()
  }

  #next(): T | undefined {
    const item = this.#shift()
    const blocked = this.#blocked.shift()
    if (blocked !== undefined) {
      this.#items.push(blocked.item)
      blocked.settle(true)
    } else {
      this.#writers.shift()?.()
    }
    return item
  }

  /** Takes nothing more. Items that wait stay readable, unless they are `discarded`. */
  close(options: { readonly discard?: boolean } = {}): void {
    if (options.discard === true) {
      this.#items = []
      this.#head = 0
    }
    if (this.#closed) {
      return
    }
    this.#closed = true
    for (const blocked of this.#blocked.splice(0)) {
      this.#drop()
      blocked.settle(false)
    }
    for (const writer of this.#writers.splice(0)) {
      writer()
    }
    this.#wake()
  }

  #wait(item: T, signal?: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const give = (): void => {
        const index = this.#blocked.indexOf(blocked)
        if (index !== -1) {
          this.#blocked.splice(index, 1)
          this.#drop()
          resolve(false)
        }
      }
      const blocked: Blocked<T> = {
        item,
        settle: (taken) => {
          signal?.removeEventListener('abort', give)
          resolve(taken)
        }
      }
      this.#blocked.push(blocked)
      signal?.addEventListener('abort', give, { once: true })
    })
  }

  #push(item: T): void {
    this.#items.push(item)
    this.#wake()
  }

  #shift(): T | undefined {
    const item = this.#items[this.#head]
    this.#head += 1
    if (this.#head === this.#items.length) {
      this.#items.length = 0
      this.#head = 0
    } else if (this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  #drop(): void {
    this.#dropped += 1
    this.#onDrop()
  }

  #wake(): void {
    const reader = this.#reader
    this.#reader = undefined
    reader?.()
  }
}
