import { firstContactWindow } from '../defaults.ts'

/** A run of sequence numbers, both ends included. */
interface Range {
  from: number
  to: number
}

interface Held<T> extends Range {
  readonly item: T
  readonly at: number
}

interface Stream<T> {
  readonly boot: number
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
  /** Whether signals may have been missed on purpose, so that the next gap means nothing. */
  resumed: boolean
}

export interface InboundOrderInit {
  /** 0: deliver at once and never wait for a missing batch. */
  readonly holdMs: number
  readonly holdBatchesMax: number
  readonly gapsMax: number
  readonly streamsMax: number
}

/** A batch that arrived: its author, where, and which sequences it holds. */
export interface Arrival<T> {
  readonly author: string
  readonly channel: string
  readonly boot: number
  readonly first: number
  readonly count: number
  /** Sequences from here on were sent a moment ago, so that they may still come; at most `first`. */
  readonly since: number
  readonly item: T
}

export interface Admission<T> {
  readonly admitted: boolean
  /** What can be delivered now, in order; may hold more than the item that arrived. */
  readonly ready: readonly T[]
  /** Sequences that are newly known to be missing. */
  readonly missing: number
  /** Sequences that fill a gap which was given up before. */
  readonly late: number
  /** Sequences that were given up now. */
  readonly lost: number
}

const refused: Admission<never> = { admitted: false, ready: [], missing: 0, late: 0, lost: 0 }

/**
 * Order and replay protection per author, boot and channel. A sequence is delivered at most once:
 * below the highest one seen only known gaps are open. What comes too early waits a moment for the
 * missing part.
 */
export class InboundOrder<T> {
  readonly #init: InboundOrderInit
  /** Two newest boots per author and channel; the least recently used pair goes first. */
  readonly #streams = new Map<string, Stream<T>[]>()
  /** The streams in which something waits. */
  readonly #waiting = new Set<Stream<T>>()

  constructor(init: InboundOrderInit) {
    this.#init = init
  }

  admit(arrival: Arrival<T>, now: number): Admission<T> {
    const stream = this.#stream(arrival)
    if (stream === undefined) {
      return refused
    }
    const range = { from: arrival.first, to: arrival.first + arrival.count - 1 }
    const skipped = range.from - stream.high - 1
    if (!this.#take(stream, range)) {
      return refused
    }
    const unheld = this.#init.holdMs === 0
    const resumed = stream.resumed || unheld
    stream.resumed = false
    if (range.to < stream.next) {
      // Its place in the order has passed; late is better than never.
      return { ...refused, admitted: true, ready: [arrival.item], late: arrival.count }
    }
    const ready: T[] = []
    let lost = 0
    if (skipped > 0 && resumed) {
      while (stream.held.length > 0) {
        lost += skipGap(stream, ready)
      }
      stream.next = unheld ? range.from : Math.max(stream.next, arrival.since)
      stream.known = range.from
    }
    insert(stream.held, { ...range, item: arrival.item, at: now })
    drain(stream, ready)
    while (stream.held.length > this.#init.holdBatchesMax) {
      lost += skipGap(stream, ready)
    }
    this.#note(stream)
    const missing = skipped > 0 && !resumed ? skipped : 0
    return { admitted: true, ready, missing, late: 0, lost }
  }

  /** Gives up what has been missing for too long and returns what waited for it. */
  expire(now: number): { readonly ready: readonly T[]; readonly lost: number } {
    const ready: T[] = []
    let lost = 0
    for (const stream of this.#waiting) {
      while (oldest(stream) + this.#init.holdMs <= now) {
        lost += skipGap(stream, ready)
      }
      this.#note(stream)
    }
    return { ready, lost }
  }

  /** When {@link expire} has something to do; undefined while nothing waits. */
  nextExpiry(): number | undefined {
    let earliest = Infinity
    for (const stream of this.#waiting) {
      earliest = Math.min(earliest, oldest(stream))
    }
    return earliest === Infinity ? undefined : earliest + this.#init.holdMs
  }

  /** This peer stops listening on a channel for a while: a gap that follows is no loss. */
  pause(channel: string): void {
    for (const [key, streams] of this.#streams) {
      if (key.endsWith(`\n${channel}`)) {
        for (const stream of streams) {
          stream.resumed = true
        }
      }
    }
  }

  #note(stream: Stream<T>): void {
    if (stream.held.length > 0) {
      this.#waiting.add(stream)
    } else {
      this.#waiting.delete(stream)
    }
  }

  #stream({ author, channel, boot, first, since }: Arrival<T>): Stream<T> | undefined {
    const key = `${author}\n${channel}`
    const streams = this.#streams.get(key) ?? []
    let stream = streams.find((candidate) => candidate.boot === boot)
    if (stream === undefined) {
      const newest = streams[0]
      if (newest !== undefined && boot < newest.boot) {
        // An older life of the author whose sequences are no longer known: a replay.
        return undefined
      }
      stream = {
        boot,
        high: first - 1,
        // Earlier signals may still be on their way; they are let in, each once.
        gaps: first > 1 ? [{ from: Math.max(1, first - firstContactWindow), to: first - 1 }] : [],
        next: this.#init.holdMs === 0 ? first : since,
        held: [],
        known: first,
        resumed: false
      }
      streams.unshift(stream)
      this.#trim(streams)
    }
    this.#streams.delete(key)
    this.#streams.set(key, streams)
    if (this.#streams.size > this.#init.streamsMax) {
      this.#evict()
    }
    return stream
  }

  /** Keeps two boots, and an older one as long as something of it waits to be delivered. */
  #trim(streams: Stream<T>[]): void {
    while (streams.length > 2 && streams.at(-1)?.held.length === 0) {
      streams.pop()
    }
  }

  #evict(): void {
    for (const [key, streams] of this.#streams) {
      if (streams.every((stream) => stream.held.length === 0)) {
        this.#streams.delete(key)
        return
      }
    }
  }

  /** Marks a range as seen; false where any part of it was seen before. */
  #take(stream: Stream<T>, { from, to }: Range): boolean {
    if (from > stream.high) {
      if (from > stream.high + 1) {
        stream.gaps.push({ from: stream.high + 1, to: from - 1 })
        if (stream.gaps.length > this.#init.gapsMax) {
          stream.gaps.shift()
        }
      }
      stream.high = to
      return true
    }
    const index = stream.gaps.findIndex((gap) => gap.from <= from && to <= gap.to)
    const gap = stream.gaps[index]
    if (gap === undefined) {
      return false
    }
    const left = { from: gap.from, to: from - 1 }
    const right = { from: to + 1, to: gap.to }
    stream.gaps.splice(index, 1, ...[left, right].filter((part) => part.from <= part.to))
    return true
  }
}

function insert<T>(held: Held<T>[], item: Held<T>): void {
  const index = held.findIndex((other) => other.from > item.from)
  held.splice(index === -1 ? held.length : index, 0, item)
}

/** Moves what has its turn from `held` to `ready`. */
function drain<T>(stream: Stream<T>, ready: T[]): void {
  let head = stream.held[0]
  while (head !== undefined && head.from <= stream.next) {
    stream.held.shift()
    ready.push(head.item)
    stream.next = head.to + 1
    head = stream.held[0]
  }
}

/** Gives up the sequences before the first batch that waits; returns how many. */
function skipGap<T>(stream: Stream<T>, ready: T[]): number {
  const head = stream.held[0]
  if (head === undefined) {
    return 0
  }
  const lost = Math.max(0, head.from - Math.max(stream.next, stream.known))
  stream.next = head.from
  drain(stream, ready)
  return lost
}

/** When the batch that has waited longest arrived. */
function oldest<T>(stream: Stream<T>): number {
  let earliest = Infinity
  for (const { at } of stream.held) {
    earliest = Math.min(earliest, at)
  }
  return earliest
}
