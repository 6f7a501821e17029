import { OverloadedError, StorageError } from '@murmuration/interface'
import { groupBytesMax, lazyBytesMax } from '../defaults.ts'

/** One change in the form that goes to the disk. */
export interface EncodedOperation {
  readonly key: string
  readonly value: Uint8Array | undefined
}

/** What a {@link GroupWriter} needs. */
export interface GroupWriterComponents {
  /** Writes all operations in their order, or none of them. */
  readonly commit: (operations: readonly EncodedOperation[], sync: boolean) => Promise<void>
  /** Runs a task at the end of this turn of the event loop. */
  readonly defer: (task: () => void) => void
  /** Runs a task after the time that lazy writes wait; gives a function that cancels it. */
  readonly delay: (task: () => void) => () => void
}

export interface GroupWriterInit {
  readonly pendingBytesMax: number
  readonly pendingOperationsMax: number
}

interface Waiting {
  readonly operations: readonly EncodedOperation[]
  readonly sync: boolean
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Joins writes into groups, each of which costs one sync: the writes of one turn of the event loop,
 * or those that arrived while the group before them was on its way. So one write alone is not
 * delayed, and under load a sync is shared by all who wait. Order is kept, synced or not.
 */
export class GroupWriter {
  readonly #components: GroupWriterComponents
  readonly #init: GroupWriterInit
  #queue: Waiting[] = []
  #pendingBytes = 0
  #pendingOperations = 0
  #running: Promise<void> | undefined
  /** Set while only lazy writes wait. */
  #cancelDelay: (() => void) | undefined
  #failure: StorageError | undefined
  #closed = false

  constructor(components: GroupWriterComponents, init: GroupWriterInit) {
    this.#components = components
    this.#init = init
  }

  /** Resolves when the operations are applied (and synced). Throws before anything is queued. */
  write(operations: readonly EncodedOperation[], sync: boolean, lazy = false): Promise<void> {
    if (this.#closed) {
      throw new StorageError('the store is closed')
    }
    if (this.#failure !== undefined) {
      throw this.#failure
    }
    const bytes = operations.reduce(
      (sum, { key, value }) => sum + key.length + (value?.length ?? 0),
      0
    )
    this.#admit(bytes, operations.length)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#queue.push({ operations, sync, bytes, resolve, reject })
    if (lazy && !sync && this.#pendingBytes <= lazyBytesMax) {
      // One that runs takes it along.
      if (this.#running === undefined) {
        this.#cancelDelay ??= this.#components.delay(() => this.#start())
      }
    } else {
      this.#start()
    }
    return promise
  }

  /** A write failed, and the store was not opened again since. */
  get failed(): boolean {
    return this.#failure !== undefined
  }

  /** The store was opened again, so it is known what the disk holds. */
  recovered(): void {
    this.#failure = undefined
  }

  /** Waits for all writes that were accepted; later ones are refused. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#queue.length > 0) {
      this.#start()
    }
    await this.#running
  }

  #start(): void {
    this.#cancelDelay?.()
    this.#cancelDelay = undefined
    this.#running ??= this.#run()
  }

  #admit(bytes: number, operations: number): void {
    const { pendingBytesMax, pendingOperationsMax } = this.#init
    if (
      this.#pendingBytes + bytes > pendingBytesMax ||
      this.#pendingOperations + operations > pendingOperationsMax
    ) {
      throw new OverloadedError(
        `the disk is behind: ${this.#pendingOperations} operations of ${this.#pendingBytes} bytes` +
          ` wait, and ${operations} of ${bytes} bytes more are over the limit of` +
          ` ${pendingOperationsMax} operations or ${pendingBytesMax} bytes`
      )
    }
    this.#pendingBytes += bytes
    this.#pendingOperations += operations
  }

  async #run(): Promise<void> {
    // The rest of this turn may bring more writes for the first group.
    await new Promise<void>((resolve) => this.#components.defer(resolve))
    while (this.#queue.length > 0) {
      const group = this.#take()
      // oxlint-disable-next-line no-await-in-loop -- groups go to the disk one after the other
      await this.#commit(group)
    }
    this.#running = undefined
  }

  /** The first writes of the queue that fit into one group; at least one. */
  #take(): readonly Waiting[] {
    let bytes = 0
    let count = 0
    for (const waiting of this.#queue) {
      bytes += waiting.bytes
      if (count > 0 && bytes > groupBytesMax) {
        break
      }
      count += 1
    }
    return this.#queue.splice(0, count)
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    const operations = group.flatMap((waiting) => waiting.operations)
    try {
      if (this.#failure !== undefined) {
        throw this.#failure
      }
      if (operations.length > 0) {
        const sync = group.some((waiting) => waiting.sync)
        await this.#components.commit(operations, sync)
      }
      this.#settle(group)
      for (const waiting of group) {
        waiting.resolve()
      }
    } catch (error) {
      // After a failed write or sync nobody knows what the disk holds, so that later writes could
      // be acknowledged on top of a gap. Only opening the store again finds out.
      this.#failure ??=
        error instanceof StorageError
          ? error
          : new StorageError('a write failed; the store must be opened again', { cause: error })
      this.#settle(group)
      for (const waiting of group) {
        waiting.reject(this.#failure)
      }
    }
  }

  #settle(group: readonly Waiting[]): void {
    for (const waiting of group) {
      this.#pendingBytes -= waiting.bytes
      this.#pendingOperations -= waiting.operations.length
    }
  }
}
