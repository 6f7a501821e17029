/** One change of a {@link Store}; `value: undefined` removes the key. */
export interface StoreOperation {
  readonly key: string
  readonly value: Uint8Array | undefined
}

/** A range of keys in bytewise order of their UTF-8. */
export interface StoreRange {
  /** Only keys that begin with this text; default: all. */
  readonly prefix?: string
  /** Only keys greater than this one (the whole key, prefix included). */
  readonly after?: string
  /** At most so many entries; default: no limit. */
  readonly limit?: number
  readonly reverse?: boolean
  /**
   * Told of each value that is damaged, with the bytes that were found; the others are still read. A
   * damaged one counts for the limit. @default the iteration fails at the first of them
   */
  readonly onDamaged?: (key: string, found: Uint8Array) => void
}

export interface WriteOptions {
  readonly sync: boolean
  /**
   * Whether it may wait a few milliseconds for others to share their way, since nobody waits for it.
   * Order is kept: it goes with the next write that is not lazy. @default false
   */
  readonly lazy?: boolean
}

/**
 * A small durable key-value store.
 *
 * `write` is atomic. With `sync: true` it resolves when the batch survives a loss of power; writes
 * of one turn of the event loop share one sync (group commit). Errors: `StorageError` (nothing of
 * the batch is applied), `CorruptDataError` (never reported as an absent key).
 */
export interface Store {
  get(key: string): Promise<Uint8Array | undefined>
  write(batch: readonly StoreOperation[], options: WriteOptions): Promise<void>
  entries(range?: StoreRange): AsyncIterable<readonly [key: string, value: Uint8Array]>
  /** The same store, seen through a prefix. Closing it is a no-op. */
  sub(prefix: string): Store
  close(): Promise<void>
}
