import { Buffer } from 'node:buffer'
import { realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import { crc32 } from 'node:zlib'
import {
  CorruptDataError,
  InvalidParametersError,
  MurmurationError,
  StorageError
} from '@murmuration/interface'
import type { Store, StoreOperation, StoreRange, WriteOptions } from '@murmuration/interface'
import type { AbstractIteratorOptions } from 'abstract-level'
import { ClassicLevel } from 'classic-level'
import { GroupWriter } from './core/group-writer.ts'
import type { EncodedOperation } from './core/group-writer.ts'
import { checkBatch, checkKey, checkRange, compareKeys } from './core/keys.ts'
import { createSubStore } from './core/sub-store.ts'
import {
  lazyMs,
  pendingBytesMaxDefault,
  pendingOperationsMaxDefault,
  probeBytes,
  reopenMs
} from './defaults.ts'
import { makeDirectory, probeDisk, verifyFiles } from './level-files.ts'

/** Options of {@link openLevelStore}. */
export interface LevelStoreInit {
  /** The directory of the store; made if it is missing. One process at a time. */
  readonly path: string
  /**
   * Which files are checked for damage when the store is opened: `all` (the default, about 5 ms per
   * MiB) or `log`, the newest writes only.
   */
  readonly verify?: 'all' | 'log'
  /** Bytes of writes that may wait for the disk; default 64 MiB. */
  readonly pendingBytesMax?: number
  /** Operations that may wait for the disk; default 262,144. */
  readonly pendingOperationsMax?: number
}

/** Bytes of the checksum before each value. */
const checksumSize = 4

type Database = ClassicLevel<string, Uint8Array>

/**
 * Opens a durable {@link Store} in a directory, on LevelDB.
 *
 * Errors: `InvalidParametersError` on a bad option; `StorageError` if the directory cannot be used,
 * with its path, also when another process has it open; `CorruptDataError` if its files are
 * damaged. After a failed write later ones fail with `StorageError`, until one of them finds that the
 * disk takes writes again: then the store opens itself again. What failed may be found in it or not.
 */
export async function openLevelStore(init: LevelStoreInit): Promise<Store> {
  if (typeof init.path !== 'string' || init.path === '') {
    throw new InvalidParametersError('path must be the name of a directory')
  }
  const path = resolve(init.path)
  try {
    await makeDirectory(path)
  } catch (error) {
    throw explainOpening(error, path)
  }
  const directory = await realpath(path)
  if (openDirectories.has(directory)) {
    throw openAlready(path)
  }
  openDirectories.add(directory)
  try {
    const database = await openDatabase(path, init.verify ?? 'all')
    return new LevelStore(database, { ...init, path }, () => openDirectories.delete(directory))
  } catch (error) {
    openDirectories.delete(directory)
    throw explainOpening(error, path)
  }
}

/**
 * The directories that this process has open. LevelDB would notice, but only after it has opened
 * and closed the lock file once more, and on POSIX systems that gives up the lock of the process:
 * from then on any other process could open the store too.
 */
const openDirectories = new Set<string>()

async function openDatabase(path: string, verify: 'all' | 'log'): Promise<Database> {
  await verifyFiles(path, verify)
  // Made only now, because it begins to open itself at once, which replays and removes its log.
  const database: Database = new ClassicLevel(path, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    // Compressed files could not be verified, and most values are small or dense.
    compression: false
  })
  try {
    await database.open()
  } catch (error) {
    await database.close()
    throw error
  }
  return database
}

class LevelStore implements Store {
  #database: Database
  readonly #path: string
  readonly #writer: GroupWriter
  readonly #onClose: () => void
  #closing: Promise<void> | undefined
  /** The store is being opened again after a failed write. */
  #reopening: Promise<void> | undefined
  #nextReopenAt: number | undefined
  #reopenMs: number = reopenMs.first

  constructor(database: Database, init: LevelStoreInit, onClose: () => void) {
    this.#database = database
    this.#path = init.path
    this.#onClose = onClose
    this.#writer = new GroupWriter(
      {
        commit: (operations, sync) => commit(this.#database, operations, sync),
        defer: (task) => setImmediate(task),
        delay: (task) => {
          const timer = setTimeout(task, lazyMs)
          return () => clearTimeout(timer)
        }
      },
      {
        pendingBytesMax: init.pendingBytesMax ?? pendingBytesMaxDefault,
        pendingOperationsMax: init.pendingOperationsMax ?? pendingOperationsMaxDefault
      }
    )
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    checkKey(key)
    await this.#reopening
    this.#open()
    try {
      const stored = await this.#database.get(key)
      return stored === undefined ? undefined : unseal(key, stored)
    } catch (error) {
      throw explain(error)
    }
  }

  async write(batch: readonly StoreOperation[], options: WriteOptions): Promise<void> {
    checkBatch(batch)
    const operations = batch.map(({ key, value }) => ({
      key,
      value: value === undefined ? undefined : seal(key, value)
    }))
    if (this.#writer.failed) {
      await this.#tryReopening()
    }
    return this.#writer.write(operations, options.sync, options.lazy)
  }

  async *entries(range: StoreRange = {}): AsyncGenerator<readonly [string, Uint8Array]> {
    checkRange(range)
    await this.#reopening
    this.#open()
    const iterator = this.#database.iterator<Uint8Array, Uint8Array>(iteratorOptions(range))
    try {
      for await (const [encodedKey, stored] of iterator) {
        // `Buffer` keeps a leading U+FEFF, a `TextDecoder` would drop it.
        const key = Buffer.from(
          encodedKey.buffer,
          encodedKey.byteOffset,
          encodedKey.byteLength
        ).toString('utf8')
        const value = unsealOr(key, stored, range.onDamaged)
        if (value !== undefined) yield [key, value]
      }
    } catch (error) {
      throw explain(error)
    } finally {
      await iterator.close()
    }
  }

  sub(prefix: string): Store {
    return createSubStore(this, prefix)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /**
   * After a failed write nobody knows what the disk holds, so LevelDB takes no more: only opening finds
   * out, as after a crash. But a store that cannot be opened cannot be read: the disk is tried first.
   */
  #tryReopening(): Promise<void> {
    if (this.#closing !== undefined || this.#reopening !== undefined) {
      return this.#reopening ?? Promise.resolve()
    }
    const now = performance.now()
    this.#nextReopenAt ??= now + this.#reopenMs
    if (now < this.#nextReopenAt) {
      return Promise.resolve()
    }
    this.#reopening = this.#reopen()
      .then(
        () => {
          this.#reopenMs = reopenMs.first
          this.#nextReopenAt = undefined
        },
        () => {
          // Whoever writes is told of the write that failed first.
          this.#reopenMs = Math.min(reopenMs.longest, this.#reopenMs * 2)
          this.#nextReopenAt = performance.now() + this.#reopenMs
        }
      )
      .finally(() => {
        this.#reopening = undefined
      })
    return this.#reopening
  }

  async #reopen(): Promise<void> {
    await probeDisk(this.#path, probeBytes)
    await this.#database.close()
    this.#database = await openDatabase(this.#path, 'log')
    this.#writer.recovered()
  }

  async #close(): Promise<void> {
    await this.#reopening
    await this.#writer.close()
    try {
      await this.#database.close()
      this.#onClose()
    } catch (error) {
      throw explain(error)
    }
  }

  #open(): void {
    if (this.#closing !== undefined) {
      throw new StorageError('the store is closed')
    }
  }
}

async function commit(
  database: Database,
  operations: readonly EncodedOperation[],
  sync: boolean
): Promise<void> {
  await database.batch(
    operations.map(({ key, value }) =>
      value === undefined ? { type: 'del', key } : { type: 'put', key, value }
    ),
    { sync }
  )
}

/** Bounds as bytes: the text after all texts with a prefix need not be a text itself. */
function iteratorOptions(range: StoreRange): AbstractIteratorOptions<Uint8Array, Uint8Array> {
  const { prefix = '', after, limit, reverse = false } = range
  const start = Buffer.from(prefix, 'utf8')
  const options: AbstractIteratorOptions<Uint8Array, Uint8Array> = {
    keyEncoding: 'view',
    valueEncoding: 'view',
    reverse,
    ...(limit === undefined ? {} : { limit })
  }
  if (after !== undefined && compareKeys(after, prefix) >= 0) {
    options.gt = Buffer.from(after, 'utf8')
  } else {
    options.gte = start
  }
  const last = start.at(-1)
  if (last !== undefined) {
    // No byte of UTF-8 is 255, so the last one can always be raised.
    const end = Buffer.from(start)
    end[end.length - 1] = last + 1
    options.lt = end
  }
  return options
}

/** A value with the checksum of its key and itself before it. */
function seal(key: string, value: Uint8Array): Uint8Array {
  const stored = new Uint8Array(checksumSize + value.length)
  new DataView(stored.buffer).setUint32(0, crc32(value, crc32(key)))
  stored.set(value, checksumSize)
  return stored
}

function unseal(key: string, stored: Uint8Array): Uint8Array {
  if (stored.length >= checksumSize) {
    const value = stored.subarray(checksumSize)
    const view = new DataView(stored.buffer, stored.byteOffset, checksumSize)
    if (view.getUint32(0) === crc32(value, crc32(key))) {
      // A copy, because `stored` may be a part of a larger block of memory.
      return new Uint8Array(value)
    }
  }
  throw new CorruptDataError(`the value of ${key} does not match its checksum`)
}

/** The value, or nothing where somebody is told that it is damaged. */
function unsealOr(
  key: string,
  stored: Uint8Array,
  onDamaged: StoreRange['onDamaged']
): Uint8Array | undefined {
  if (onDamaged === undefined) return unseal(key, stored)
  try {
    return unseal(key, stored)
  } catch {
    onDamaged(key, new Uint8Array(stored))
    return undefined
  }
}

/** The code of an error of LevelDB; those of opening are wrapped in another error. */
function codeOf(error: unknown): unknown {
  if (!(error instanceof Error)) {
    return undefined
  }
  return error.cause instanceof Error && 'code' in error.cause
    ? error.cause.code
    : 'code' in error && error.code
}

function explain(error: unknown): MurmurationError {
  if (error instanceof MurmurationError) {
    return error
  }
  if (codeOf(error) === 'LEVEL_CORRUPTION') {
    return new CorruptDataError('the store is damaged', { cause: error })
  }
  return new StorageError('the store could not be read or closed', { cause: error })
}

function openAlready(path: string, cause?: unknown): StorageError {
  return new StorageError(`the store at ${path} is open already, here or in another process`, {
    cause
  })
}

function explainOpening(error: unknown, path: string): MurmurationError {
  if (error instanceof MurmurationError) {
    return error
  }
  switch (codeOf(error)) {
    case 'LEVEL_LOCKED':
      return openAlready(path, error)
    case 'LEVEL_CORRUPTION':
      return new CorruptDataError(`the store at ${path} is damaged`, { cause: error })
    default:
      return new StorageError(`the store at ${path} could not be opened`, { cause: error })
  }
}
