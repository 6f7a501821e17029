import { StorageError } from '@murmuration/interface'
import type { Store, StoreOperation, StoreRange } from '@murmuration/interface'
import { checkBatch, checkKey, checkRange, compareKeys } from './keys.ts'
import { createSubStore } from './sub-store.ts'

/** A {@link Store} in memory, which can also lose what a machine without power would lose. */
export interface MemoryStore extends Store {
  /** Forgets every write since the last one with `sync: true`, as a loss of power would. */
  crash(): void
}

/**
 * The contract of a {@link Store} without a disk: for tests, the simulator and single runs. Its
 * promises resolve without timers, so it runs in virtual time too. Nothing survives the process.
 */
export function createMemoryStore(): MemoryStore {
  return new InMemory()
}

class InMemory implements MemoryStore {
  readonly #values = new Map<string, Uint8Array>()
  /** All keys in order; undefined when it has to be sorted again. */
  #order: string[] | undefined
  /** What unsynced writes replaced, oldest first; undefined means that there was no value. */
  #undo: (readonly [key: string, value: Uint8Array | undefined])[] = []
  #closed = false

  async get(key: string): Promise<Uint8Array | undefined> {
    checkKey(key)
    this.#open()
    return this.#values.get(key)?.slice()
  }

  async write(
    batch: readonly StoreOperation[],
    options: { readonly sync: boolean }
  ): Promise<void> {
    checkBatch(batch)
    this.#open()
    for (const { key, value } of batch) {
      this.#undo.push([key, this.#values.get(key)])
      this.#set(key, value?.slice())
    }
    if (options.sync) {
      this.#undo = []
    }
  }

  async *entries(range: StoreRange = {}): AsyncGenerator<readonly [string, Uint8Array]> {
    checkRange(range)
    this.#open()
    // Taken at once: an iteration shows the store as it was when it began.
    for (const [key, value] of this.#select(range)) {
      yield [key, value.slice()]
    }
  }

  sub(prefix: string): Store {
    return createSubStore(this, prefix)
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  crash(): void {
    for (const [key, value] of this.#undo.toReversed()) {
      this.#set(key, value)
    }
    this.#undo = []
  }

  #set(key: string, value: Uint8Array | undefined): void {
    const isNew = !this.#values.has(key)
    if (value === undefined) {
      this.#values.delete(key)
    } else {
      this.#values.set(key, value)
    }
    if (isNew !== (value === undefined)) {
      this.#order = undefined
    }
  }

  #select(range: StoreRange): (readonly [string, Uint8Array])[] {
    this.#order ??= [...this.#values.keys()].toSorted(compareKeys)
    const order = this.#order
    const { prefix = '', after, limit = Number.POSITIVE_INFINITY } = range
    const low = after === undefined || compareKeys(after, prefix) < 0 ? prefix : after
    let start = firstNotBelow(order, low)
    if (low === after && order[start] === after) {
      start += 1
    }
    let end = start
    while (order[end]?.startsWith(prefix) === true && (range.reverse || end - start < limit)) {
      end += 1
    }
    const keys = range.reverse ? order.slice(start, end).toReversed() : order.slice(start, end)
    const selected: (readonly [string, Uint8Array])[] = []
    for (const key of keys.slice(0, Math.min(limit, keys.length))) {
      const value = this.#values.get(key)
      if (value !== undefined) {
        selected.push([key, value])
      }
    }
    return selected
  }

  #open(): void {
    if (this.#closed) {
      throw new StorageError('the store is closed')
    }
  }
}

/** Index of the first key that is not below `bound`. */
function firstNotBelow(order: readonly string[], bound: string): number {
  let low = 0
  let high = order.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareKeys(order[middle] ?? '', bound) < 0) {
      low = middle + 1
    } else {
      high = middle
    }
  }
  return low
}
