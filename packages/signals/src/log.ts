import type { Clock, Store, StoreOperation } from '@murmuration/interface'
import { CorruptDataError } from '@murmuration/interface'
import type { BatchSeal, OpenedBatch } from './batches.ts'
import { LogIndex } from './core/log-index.ts'
import type { LogRow } from './core/log-index.ts'
import type { Range } from './core/ranges.ts'
import { EntryRecord, openRecord, sealRecord } from './core/records.ts'
import { RecentIds } from './core/recent-ids.ts'
import { streamKey } from './core/streams.ts'
import type { StreamName } from './core/streams.ts'
import type { Counters } from './counters.ts'
import * as defaults from './defaults.ts'
import type { Snapshots } from './snapshots.ts'

export interface SignalLogInit {
  readonly store: Store
  readonly seal: BatchSeal
  readonly clock: Clock
  readonly counters: Counters
  readonly snapshots: Snapshots
  readonly bytesMax: number
  readonly ageMs: number
  readonly onCorrupt: (key: string, error: unknown) => void
  /** Told of each entry once it can be read. */
  readonly onAppend: (row: LogRow) => void
  /** Told before an entry leaves the log. */
  readonly onExpire: (row: LogRow) => Promise<Expired>
  readonly report: (what: string, error: unknown) => void
}

export interface AppendOptions {
  /** Resolve when the entry survives a loss of power. */
  readonly sync: boolean
  /** Whether this log is one of those that are counted for the acceptance. */
  readonly copy: boolean
  /** Whether it did not come by gossip, by which it may still come. @default false */
  readonly repaired?: boolean
  /** Whether the write may wait for others. @default false */
  readonly lazy?: boolean
  /** Changes of the store that belong to the entry. */
  readonly extra?: readonly StoreOperation[]
}

/** What becomes of an entry that leaves the log. */
export interface Expired {
  /** What has to be written with that. */
  readonly letters: readonly StoreOperation[]
  /** To be called when that is written. */
  readonly written: () => void
}

/** What of a run of sequences the log has, up to a number of bytes. */
export interface Found {
  readonly originals: readonly Uint8Array[]
  readonly absent: readonly Range[]
}

/**
 * The signed batches that this peer has seen or sent, in the store under `e/<number>`: bounded by
 * size and age, the oldest go first. An entry that is damaged is reported and counts as missing, so
 * that it is fetched again, never as something that was not there.
 */
export class SignalLog {
  readonly index = new LogIndex()
  readonly #init: SignalLogInit
  /** Opened lately, by number; reading one again would verify its signature again. */
  readonly #recent = new Map<number, OpenedBatch>()
  /** Entries on their way into the store, by number: as many as it takes before it refuses more. */
  readonly #writing = new Map<number, OpenedBatch>()
  /** What came by another way than gossip, lately. */
  readonly #repaired = new RecentIds({
    windowMs: defaults.ageMsMax,
    idsMax: defaults.repairedMax
  })
  #next = 1
  #trimming = false

  constructor(init: SignalLogInit) {
    this.#init = init
  }

  /** Number of the newest entry. */
  get last(): number {
    return this.#next - 1
  }

  async load(): Promise<void> {
    for await (const [key, sealed] of this.#init.store.entries({ prefix: 'e/' })) {
      const number = Number(key.slice(2))
      this.#next = Math.max(this.#next, number + 1)
      try {
        const { original: _, ...entry } = openRecord(key, sealed, EntryRecord)
        this.index.add({ ...entry, number, bytes: sealed.length })
      } catch (error) {
        this.#corrupt(key, error)
      }
    }
    // No number is given twice, though the newest entries may be lost or gone: cursors stay true.
    const free = Math.trunc(this.#init.clock.now()) * defaults.entriesPerMs
    this.#next = Math.max(this.#next, Math.min(free, defaults.entryNumberMax))
  }

  has({ author, boot, channel, first, count }: OpenedBatch): boolean {
    const stream = this.index.find({ author, boot, channel })
    return stream !== undefined && stream.held.covers(first, first + count - 1)
  }

  /** Whether it came before by another way than gossip, so that no replay is to be seen in it. */
  wasRepaired(batch: OpenedBatch): boolean {
    const now = this.#init.clock.monotonic()
    return this.#repaired.has(`${streamKey(batch)}\n${batch.first}`, now)
  }

  /** Somebody's log has the stream up to there. */
  noteHead(name: StreamName, head: number): void {
    const stream = this.index.stream(name)
    stream.head = Math.max(stream.head, head)
  }

  /** No log but this one is known to have more of the stream than up to there. */
  settleHead(name: StreamName, head: number): void {
    const stream = this.index.find(name)
    if (stream !== undefined) {
      stream.head = Math.max(stream.top, head)
      if (stream.head === 0) {
        this.index.drop(name)
      }
    }
  }

  /** Undefined where the log has any of it already. */
  async append(batch: OpenedBatch, options: AppendOptions): Promise<LogRow | undefined> {
    const { clock, snapshots, store } = this.#init
    const { author, boot, channel, durable, first, original, time } = batch
    const stream = { author, boot, channel }
    const count = batch.count
    const { copy, extra = [], lazy = false, repaired = false, sync } = options
    if (repaired) {
      this.#repaired.add(`${streamKey(stream)}\n${first}`, clock.monotonic())
    }
    const entry = { stream, first, count, time, loggedAt: clock.now(), durable, copy, original }
    const number = this.#next
    const key = entryKey(number)
    const value = sealRecord(EntryRecord.encode(entry))
    const { original: _, ...rest } = entry
    const row: LogRow = { ...rest, number, bytes: value.length }
    if (!this.index.add(row)) {
      // Known already; what goes with it is written all the same.
      await this.#promote(batch, options)
      return undefined
    }
    this.#next += 1
    this.#remember(number, batch)
    this.#writing.set(number, batch)
    try {
      const operations = [{ key, value }, ...snapshots.note(batch, row), ...extra]
      // What the newest of a type is, is read from the store.
      await store.write(operations, { sync, lazy: lazy && !durable && !batch.subjects })
    } catch (error) {
      this.index.remove(row)
      this.#recent.delete(number)
      throw error
    } finally {
      this.#writing.delete(number)
    }
    this.#init.counters.count('logged', count)
    this.#init.onAppend(row)
    void this.trim()
    return row
  }

  /** The entry that holds a sequence; undefined where there is none that can be read. */
  async read(
    name: StreamName,
    sequence: number
  ): Promise<{ readonly row: LogRow; readonly batch: OpenedBatch } | undefined> {
    const row = this.index.rowOf(name, sequence)
    const batch = row && (await this.open(row))
    return row && batch && { row, batch }
  }

  async open(row: LogRow): Promise<OpenedBatch | undefined> {
    const recent = this.#inMemory(row)
    if (recent !== undefined) {
      return recent
    }
    const original = await this.#original(row)
    if (original === undefined) {
      return undefined
    }
    const batch = await this.#init.seal.reopen(original)
    if (typeof batch === 'string' || batch.first !== row.first) {
      const reason = typeof batch === 'string' ? batch : 'another batch'
      this.#lose(row, new CorruptDataError(`the entry does not open: ${reason}`))
      return undefined
    }
    this.#remember(row.number, batch)
    return batch
  }

  /** Originals of these sequences, the lowest first, up to a number of bytes. */
  async originals({ from, to }: Range, name: StreamName, since = 0): Promise<Found> {
    const originals: Uint8Array[] = []
    const absent: Range[] = []
    let bytes = 0
    let next = from
    while (next <= to) {
      const row = this.index.rowOf(name, next)
      if (row === undefined) {
        const end = Math.min(to, (this.index.find(name)?.held.nextPresent(next) ?? to + 1) - 1)
        absent.push({ from: next, to: end })
        next = end + 1
        continue
      }
      next = row.first + row.count
      if (row.time < since) {
        continue
      }
      const full = bytes + row.bytes > defaults.pullBytesMax || originals.length >= 64
      if (originals.length > 0 && full) {
        break
      }
      // In their order, and no more than fit.
      // oxlint-disable-next-line no-await-in-loop
      const original = await this.#original(row)
      if (original === undefined) {
        absent.push({ from: row.first, to: row.first + row.count - 1 })
      } else {
        bytes += original.length
        originals.push(original)
      }
    }
    return { originals, absent: absent.slice(0, defaults.rangesMax) }
  }

  /** Drops what is too old or too much. */
  async trim(): Promise<void> {
    if (this.#trimming) {
      return
    }
    this.#trimming = true
    try {
      for (let rows = this.#due(); rows.length > 0; rows = this.#due()) {
        const operations: StoreOperation[] = []
        const expired: Expired[] = []
        for (const row of rows) {
          // One after the other: each may make dead letters, which have a bound.
          // oxlint-disable-next-line no-await-in-loop
          const each = await this.#init.onExpire(row)
          expired.push(each)
          operations.push(...each.letters, { key: entryKey(row.number), value: undefined })
        }
        const sync = expired.some(({ letters }) => letters.length > 0)
        // oxlint-disable-next-line no-await-in-loop
        await this.#init.store.write(operations, { sync })
        for (const { written } of expired) {
          written()
        }
        for (const row of rows) {
          this.index.remove(row)
          this.#recent.delete(row.number)
        }
      }
    } catch (error) {
      this.#init.report('the log could not be trimmed', error)
    } finally {
      this.#trimming = false
    }
  }

  /** Entries that have to go, at most 64 at a time. */
  #due(): readonly LogRow[] {
    const { ageMs, bytesMax, clock } = this.#init
    const rows: LogRow[] = []
    let bytes = this.index.bytes
    let size = this.index.size
    const before = clock.now() - ageMs
    for (const row of this.index.after(0)) {
      const over = bytes > bytesMax || size > defaults.logEntriesMax
      if (rows.length >= 64 || (!over && row.loggedAt > before)) {
        break
      }
      rows.push(row)
      bytes -= row.bytes
      size -= 1
    }
    return rows
  }

  /** An entry that came by itself and now is asked to be kept as a copy, or synced. */
  async #promote(batch: OpenedBatch, { copy, extra = [], sync }: AppendOptions): Promise<void> {
    const row = this.index.rowOf(batch, batch.first)
    const promoted = copy && row?.copy === false
    const operations: StoreOperation[] = [...extra]
    if (promoted && batch.first === row.first && batch.count === row.count) {
      row.copy = true
      const { number, bytes: _, ...rest } = row
      const value = sealRecord(EntryRecord.encode({ ...rest, original: batch.original }))
      operations.push({ key: entryKey(number), value })
    }
    if (operations.length > 0 || sync) {
      await this.#init.store.write(operations, { sync })
    }
  }

  async #original(row: LogRow): Promise<Uint8Array | undefined> {
    const recent = this.#inMemory(row)
    if (recent !== undefined) {
      return recent.original
    }
    const key = entryKey(row.number)
    try {
      const sealed = await this.#init.store.get(key)
      if (sealed === undefined) {
        throw new CorruptDataError('the entry is gone')
      }
      return openRecord(key, sealed, EntryRecord).original
    } catch (error) {
      // Reading failed for good only where the bytes are wrong.
      if (error instanceof Error && error.name === 'CorruptDataError') {
        this.#lose(row, error)
        return undefined
      }
      throw error
    }
  }

  #lose(row: LogRow, error: unknown): void {
    this.index.remove(row)
    this.#corrupt(entryKey(row.number), error)
  }

  /** Reported once: after this the sequences are missing, and repaired as any others. */
  #corrupt(key: string, error: unknown): void {
    this.#init.onCorrupt(key, error)
    this.#init.store
      .write([{ key, value: undefined }], { sync: false })
      .catch((failure: unknown) => {
        this.#init.report('a damaged entry could not be removed', failure)
      })
  }

  #inMemory({ number }: LogRow): OpenedBatch | undefined {
    return this.#writing.get(number) ?? this.#recent.get(number)
  }

  #remember(number: number, batch: OpenedBatch): void {
    this.#recent.set(number, batch)
    if (this.#recent.size > defaults.openBatchesMax) {
      for (const oldest of this.#recent.keys()) {
        this.#recent.delete(oldest)
        break
      }
    }
  }
}

/** Numbers in text order. */
function entryKey(number: number): string {
  return `e/${String(number).padStart(16, '0')}`
}
