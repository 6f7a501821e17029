import { firstContactWindow } from '../defaults.ts'
import { drain, insert, lose, oldest, skipGap } from './inbound-stream.ts'
import type { Loss, Stream } from './inbound-stream.ts'
import type { Range } from './ranges.ts'
import type { StreamName } from './streams.ts'

export type { Loss } from './inbound-stream.ts'

export interface InboundOrderInit {
  /** 0: deliver at once and never wait for a missing batch. */
  readonly holdMs: number
  /** The same where the missing batch is being asked for. @default holdMs */
  readonly repairMs?: number
  readonly holdBatchesMax: number
  /** Whether what is beyond `holdBatchesMax` can be had again. @default false: gaps are given up */
  readonly defer?: boolean
  readonly gapsMax: number
  readonly streamsMax: number
  /** What was seen of a stream is forgotten. */
  readonly onForget?: (name: StreamName) => void
}

/** A batch that arrived: its author, where, and which sequences it holds. */
export interface Arrival<T> extends StreamName {
  readonly first: number
  readonly count: number
  /** Sequences from here on were sent a moment ago, so that they may still come; at most `first`. */
  readonly since: number
  /** Whether it was brought from a log. */
  readonly repaired?: boolean
  /** When its author sent it, by the clock of that. @default it was sent just now */
  readonly time?: number
  readonly item: T
}

export interface Admission<T> {
  readonly admitted: boolean
  /** Not taken now, for too much waits; it has to be asked for again. */
  readonly deferred: boolean
  /** What can be delivered now, in order; may hold more than the item that arrived. */
  readonly ready: readonly T[]
  /** Sequences that are newly known to be missing. */
  readonly missing: number
  /** Sequences that fill a gap which was given up before. */
  readonly late: number
  readonly lost: readonly Loss[]
}

/** What becomes deliverable, and what is given up for it. */
export interface Release<T> {
  readonly ready: readonly T[]
  readonly lost: readonly Loss[]
}

/** What has to be remembered of a stream to refuse replays. */
export interface Mark {
  readonly high: number
  readonly gaps: readonly Range[]
  /** What was sent up to then may have been seen as well. */
  readonly until?: number | undefined
}

const refused: Admission<never> = {
  admitted: false,
  deferred: false,
  ready: [],
  missing: 0,
  late: 0,
  lost: []
}

/**
 * Order and replay protection per author, boot and channel. A sequence is delivered at most once:
 * below the highest one seen only known gaps are open. What comes too early waits for the missing
 * part, a moment, or as long as that is being asked for.
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
    const { time = Infinity } = arrival
    if (stream === undefined || (stream.until !== undefined && time <= stream.until)) {
      return refused
    }
    const range = { from: arrival.first, to: arrival.first + arrival.count - 1 }
    const full = stream.held.length >= this.#init.holdBatchesMax
    if (full && this.#init.defer === true && this.#defer(stream, range)) {
      return { ...refused, deferred: true }
    }
    const skipped = range.from - stream.high - 1
    if (!this.#take(stream, range)) {
      return refused
    }
    const unheld = this.#init.holdMs === 0
    const resumed = stream.resumed || unheld
    stream.resumed = false
    if (range.to < stream.next) {
      // Its place in the order has passed; late is better than never, but for what is only history.
      const history = arrival.repaired === true && range.to < stream.base
      return history
        ? { ...refused, admitted: true }
        : { ...refused, admitted: true, ready: [arrival.item], late: arrival.count }
    }
    const ready: T[] = []
    const lost: Loss[] = []
    if (skipped > 0 && resumed) {
      while (stream.held.length > 0) {
        skipGap(stream, ready, lost)
      }
      stream.next = unheld ? range.from : Math.max(stream.next, arrival.since)
      stream.known = range.from
      stream.base = stream.next
    }
    insert(stream.held, { ...range, item: arrival.item, at: now })
    drain(stream, ready)
    while (stream.held.length > this.#init.holdBatchesMax) {
      skipGap(stream, ready, lost)
    }
    this.#note(stream)
    const missing = skipped > 0 && !resumed ? skipped : 0
    return { admitted: true, deferred: false, ready, missing, late: 0, lost }
  }

  /** The first sequences that are missing, and before which something waits or was announced. */
  openGap(name: StreamName): Range | undefined {
    const stream = this.#find(name)
    if (stream === undefined) {
      return undefined
    }
    // Also what was sent a moment before this peer listened: it may come, and goes before the rest.
    const start = stream.next
    const end = (stream.held[0]?.from ?? stream.high + 1) - 1
    const gap = stream.gaps.find(({ to }) => to >= start)
    return gap === undefined || gap.from > end
      ? undefined
      : { from: Math.max(gap.from, start), to: Math.min(gap.to, end) }
  }

  /** Somebody has more of a stream than was seen here; whether that is new and wanted. */
  announce(name: StreamName, head: number): boolean {
    const stream = this.#find(name)
    if (stream === undefined || stream.resumed || head <= stream.high) {
      return false
    }
    this.#gap(stream, { from: stream.high + 1, to: head })
    stream.high = head
    return true
  }

  /** Where a stream stands; `fresh` says that what follows it was not waited for. */
  position(name: StreamName): { readonly high: number; readonly fresh: boolean } | undefined {
    const stream = this.#find(name)
    return stream && { high: stream.high, fresh: stream.resumed }
  }

  /** Gives up the missing sequences up to there. */
  giveUp(name: StreamName, to: number): Release<T> {
    const ready: T[] = []
    const lost: Loss[] = []
    const stream = this.#find(name)
    if (stream !== undefined && stream.next <= to) {
      lose(stream, to, lost)
      stream.next = to + 1
      drain(stream, ready)
      this.#note(stream)
    }
    return { ready, lost }
  }

  /** Part of what is missing has come: the rest is waited for anew. */
  extend(name: StreamName, now: number): void {
    for (const held of this.#find(name)?.held ?? []) {
      held.at = now
    }
  }

  /** Gives up what has been missing for too long and returns what waited for it. */
  expire(now: number): Release<T> {
    const ready: T[] = []
    const lost: Loss[] = []
    for (const stream of this.#waiting) {
      while (this.#expiry(stream) <= now) {
        skipGap(stream, ready, lost)
      }
      this.#note(stream)
    }
    return { ready, lost }
  }

  /** When {@link expire} has something to do; undefined while nothing waits. */
  nextExpiry(): number | undefined {
    let earliest = Infinity
    for (const stream of this.#waiting) {
      earliest = Math.min(earliest, this.#expiry(stream))
    }
    return earliest === Infinity ? undefined : earliest
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

  mark(name: StreamName): Mark | undefined {
    const stream = this.#find(name)
    return stream && { high: stream.high, gaps: stream.gaps }
  }

  /** Takes what an earlier process had seen: none of it is delivered again. */
  restore(name: StreamName, { high, gaps, until }: Mark): void {
    const key = `${name.author}\n${name.channel}`
    const streams = this.#streams.get(key) ?? []
    streams.push({
      name,
      high,
      gaps: [...gaps],
      next: high + 1,
      held: [],
      known: high + 1,
      base: high + 1,
      resumed: true,
      until
    })
    streams.sort((a, b) => b.name.boot - a.name.boot)
    this.#streams.set(key, streams)
    this.#trim(streams)
  }

  #find({ author, boot, channel }: StreamName): Stream<T> | undefined {
    return this.#streams
      .get(`${author}\n${channel}`)
      ?.find((candidate) => candidate.name.boot === boot)
  }

  #note(stream: Stream<T>): void {
    if (stream.held.length > 0) {
      this.#waiting.add(stream)
    } else {
      this.#waiting.delete(stream)
    }
  }

  #expiry(stream: Stream<T>): number {
    const { holdMs, repairMs = holdMs } = this.#init
    return oldest(stream) + repairMs
  }

  #stream({ author, channel, boot, first, since }: Arrival<T>): Stream<T> | undefined {
    const key = `${author}\n${channel}`
    const streams = this.#streams.get(key) ?? []
    let stream = streams.find((candidate) => candidate.name.boot === boot)
    if (stream === undefined) {
      const newest = streams[0]
      if (newest !== undefined && boot < newest.name.boot) {
        // An older life of the author whose sequences are no longer known: a replay.
        return undefined
      }
      const next = this.#init.holdMs === 0 ? first : since
      stream = {
        name: { author, boot, channel },
        high: first - 1,
        // Earlier signals may still be on their way; they are let in, each once.
        gaps: first > 1 ? [{ from: Math.max(1, first - firstContactWindow), to: first - 1 }] : [],
        next,
        held: [],
        known: first,
        base: next,
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
      this.#forget(streams.pop())
    }
  }

  #evict(): void {
    for (const [key, streams] of this.#streams) {
      if (streams.every((stream) => stream.held.length === 0)) {
        this.#streams.delete(key)
        for (const stream of streams) {
          this.#forget(stream)
        }
        return
      }
    }
  }

  #forget(stream: Stream<T> | undefined): void {
    if (stream !== undefined) {
      this.#init.onForget?.(stream.name)
    }
  }

  /** Leaves a batch for later where it would have to wait; false where it need not wait. */
  #defer(stream: Stream<T>, { from, to }: Range): boolean {
    if (from <= stream.next || (from <= stream.high && to > stream.high)) {
      return false
    }
    if (to > stream.high) {
      this.#gap(stream, { from: stream.high + 1, to })
      stream.high = to
      return true
    }
    return stream.gaps.some((gap) => gap.from <= from && to <= gap.to)
  }

  #gap(stream: Stream<T>, gap: Range): void {
    const last = stream.gaps.at(-1)
    if (last?.to === gap.from - 1) {
      stream.gaps[stream.gaps.length - 1] = { from: last.from, to: gap.to }
      return
    }
    stream.gaps.push(gap)
    if (stream.gaps.length > this.#init.gapsMax) {
      stream.gaps.shift()
    }
  }

  /** Marks a range as seen; false where any part of it was seen before. */
  #take(stream: Stream<T>, { from, to }: Range): boolean {
    if (from > stream.high) {
      if (from > stream.high + 1) {
        this.#gap(stream, { from: stream.high + 1, to: from - 1 })
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
