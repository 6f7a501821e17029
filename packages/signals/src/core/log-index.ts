import { Ranges } from './ranges.ts'
import type { Range } from './ranges.ts'
import { streamKey } from './streams.ts'
import type { StreamName } from './streams.ts'

/** One entry of the log: where it stands, and what is in it. */
export interface LogRow {
  /** Rising in the order of logging. */
  readonly number: number
  readonly stream: StreamName
  readonly first: number
  readonly count: number
  /** What it takes in the store. */
  readonly bytes: number
  readonly loggedAt: number
  /** The author's clock. */
  readonly time: number
  readonly durable: boolean
  copy: boolean
}

/** What the log knows of one stream. */
export interface LoggedStream {
  readonly name: StreamName
  /** By their first sequence, rising. */
  readonly rows: LogRow[]
  readonly held: Ranges
  /** What nobody has any more. */
  readonly lost: Ranges
  /** The highest sequence that was in this log. */
  top: number
  /** The highest sequence that is in some log, as far as peers are to be believed. */
  head: number
}

/** The entries of the log by stream and by age. Knows no bytes. */
export class LogIndex {
  readonly #streams = new Map<string, LoggedStream>()
  /** Those that had entries and have none any more, by key, the first of them first. */
  readonly #emptied = new Map<string, LoggedStream>()
  /** By number, rising. */
  readonly #rows = new Map<number, LogRow>()
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  get size(): number {
    return this.#rows.size
  }

  streams(): Iterable<LoggedStream> {
    return this.#streams.values()
  }

  /** Streams of which entries were here, and none is left; those that ended first come first. */
  emptied(): ReadonlyMap<string, LoggedStream> {
    return this.#emptied
  }

  /** The stream, which comes to be where it is not known. */
  stream(name: StreamName): LoggedStream {
    const key = streamKey(name)
    let stream = this.#streams.get(key)
    if (stream === undefined) {
      stream = { name, rows: [], held: new Ranges(), lost: new Ranges(), top: 0, head: 0 }
      this.#streams.set(key, stream)
    }
    return stream
  }

  find(name: StreamName): LoggedStream | undefined {
    return this.#streams.get(streamKey(name))
  }

  /** False where any of its sequences is there already. */
  add(row: LogRow): boolean {
    const stream = this.stream(row.stream)
    const last = row.first + row.count - 1
    const [hole] = stream.held.holes(row.first, last)
    if (hole?.from !== row.first || hole.to !== last) {
      return false
    }
    stream.held.add(row.first, last)
    stream.top = Math.max(stream.top, last)
    stream.head = Math.max(stream.head, last)
    stream.rows.splice(placeOf(stream.rows, row.first), 0, row)
    this.#emptied.delete(streamKey(row.stream))
    this.#rows.set(row.number, row)
    this.#bytes += row.bytes
    return true
  }

  remove(row: LogRow): void {
    if (!this.#rows.delete(row.number)) {
      return
    }
    this.#bytes -= row.bytes
    const stream = this.stream(row.stream)
    stream.held.remove(row.first, row.first + row.count - 1)
    stream.rows.splice(stream.rows.indexOf(row), 1)
    if (stream.rows.length === 0) {
      this.#emptied.set(streamKey(row.stream), stream)
    }
  }

  /** Forgets a stream of which nothing is left. */
  drop(name: StreamName): void {
    if (this.find(name)?.rows.length === 0) {
      this.#streams.delete(streamKey(name))
      this.#emptied.delete(streamKey(name))
    }
  }

  rowOf(name: StreamName, sequence: number): LogRow | undefined {
    const rows = this.find(name)?.rows
    const row = rows?.[placeOf(rows, sequence + 1) - 1]
    return row !== undefined && sequence < row.first + row.count ? row : undefined
  }

  row(number: number): LogRow | undefined {
    return this.#rows.get(number)
  }

  /** Entries after a number, the oldest first. */
  *after(number: number): Iterable<LogRow> {
    for (const row of this.#rows.values()) {
      if (row.number > number) {
        yield row
      }
    }
  }

  oldest(): LogRow | undefined {
    for (const row of this.#rows.values()) {
      return row
    }
    return undefined
  }

  /** What of a run of sequences is not held. */
  holes(name: StreamName, from: number, to: number): readonly Range[] {
    return this.find(name)?.held.holes(from, to) ?? [{ from, to }]
  }
}

/** Index of the first row that begins at or after a sequence. */
function placeOf(rows: readonly LogRow[], sequence: number): number {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((rows[middle]?.first ?? Infinity) < sequence) {
      low = middle + 1
    } else {
      high = middle
    }
  }
  return low
}
