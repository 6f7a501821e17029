import type { Range } from './ranges.ts'
import type { StreamName } from './streams.ts'

/** A batch that waits for an earlier one. */
export interface Held<T> extends Range {
  readonly item: T
  at: number
}

/** What one peer has seen of one stream, and what of it waits for its turn. */
export interface Stream<T> {
  readonly name: StreamName
  /** The highest sequence seen. */
  high: number
  /** Sequences at or below `high` that were not seen, rising. */
  gaps: Range[]
  /** The sequence that is to be delivered next. */
  next: number
  /** Batches that wait for an earlier one, rising. */
  held: Held<T>[]
  /** Below this, missing something is no loss: it was sent before this peer listened. */
  known: number
  /** Below this, what others bring from their logs is no news for who listens now. */
  base: number
  /** Whether signals may have been missed on purpose, so that the next gap means nothing. */
  resumed: boolean
  /** What was sent up to then, by the clock of its author, an earlier process may have handed on. */
  readonly until?: number | undefined
}

/** Sequences that were given up. */
export interface Loss extends StreamName, Range {}

/** Puts a batch where its sequence belongs. */
export function insert<T>(held: Held<T>[], item: Held<T>): void {
  const index = held.findIndex((other) => other.from > item.from)
  held.splice(index === -1 ? held.length : index, 0, item)
}

/** Moves what has its turn from `held` to `ready`. */
export function drain<T>(stream: Stream<T>, ready: T[]): void {
  let head = stream.held[0]
  while (head !== undefined && head.from <= stream.next) {
    stream.held.shift()
    ready.push(head.item)
    stream.next = head.to + 1
    head = stream.held[0]
  }
}

/** Gives up the sequences before the first batch that waits. */
export function skipGap<T>(stream: Stream<T>, ready: T[], lost: Loss[]): void {
  const head = stream.held[0]
  if (head !== undefined) {
    lose(stream, head.from - 1, lost)
    stream.next = head.from
    drain(stream, ready)
  }
}

/** Notes what is missing up to there and was not sent before this peer listened. */
export function lose<T>(stream: Stream<T>, to: number, lost: Loss[]): void {
  const from = Math.max(stream.next, stream.known)
  if (from <= to) {
    lost.push({ ...stream.name, from, to })
  }
}

/** When the batch that has waited longest arrived. */
export function oldest<T>(stream: Stream<T>): number {
  let earliest = Infinity
  for (const { at } of stream.held) {
    earliest = Math.min(earliest, at)
  }
  return earliest
}
