/** A counter in a draft. */
export interface CounterDraft {
  readonly value: number
  /** Adds a safe integer; default 1. InvalidParametersError if the sum would not be safe. */
  increment(by?: number): void
  decrement(by?: number): void
}

export interface BigCounterDraft {
  readonly value: bigint
  /** Adds a bigint; default 1n. */
  increment(by?: bigint): void
  decrement(by?: bigint): void
}

export interface LwwDraft<T> {
  readonly value: T | undefined
  set(value: T): void
}

export interface RegisterDraft<T> {
  /** All concurrent values, in the order of their writers. */
  readonly value: readonly T[]
  /** Replaces all values that the executing document sees. */
  set(value: T): void
}

export interface OpaqueDraft<T> {
  /** What `onConflict` makes of the concurrent values. */
  readonly value: T | undefined
  /** Replaces all values that the executing document sees. */
  set(value: T): void
}

export interface SetDraft<T> {
  readonly value: readonly T[]
  readonly size: number
  has(value: T): boolean
  add(value: T): void
  /** Removes the additions that the executing document sees. */
  remove(value: T): void
}

export interface FlagDraft {
  readonly value: boolean
  enable(): void
  disable(): void
}

export interface ExtremeDraft<T> {
  readonly value: T | undefined
  /** Takes the value in if it lies further out than what is there. */
  update(value: T): void
}

export interface ListDraft<T> {
  readonly value: readonly T[]
  readonly length: number
  push(...values: T[]): void
  /** Inserts before the element at an index; an index of `length` appends. */
  insert(index: number, ...values: T[]): void
  /** Deletes elements from an index on; default one. */
  delete(index: number, count?: number): void
  /** Moves one element so that it ends up at index `to`. */
  move(from: number, to: number): void
}

export interface MapDraft<V, D> {
  readonly value: Readonly<Record<string, V>>
  readonly size: number
  keys(): string[]
  has(key: string): boolean
  /** The field under a key; writing to it makes the key. */
  get(key: string): D
  /** Deletes all under a key that the executing document sees. */
  delete(key: string): void
}
