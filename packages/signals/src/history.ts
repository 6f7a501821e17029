import type { Cause, LoggedSignal, ReplayFrom, ReplayOptions, Signal } from '@murmuration/interface'
import { AbortedError } from '@murmuration/interface'
import type { Delivered, Replaying } from './core/dispatcher.ts'
import { isForAnother, patternSegments, typeSegments } from './core/pattern.ts'
import { PatternTrie } from './core/trie.ts'
import { decodeOwnSignal } from './core/wire.ts'
import { checkFrom, checkPlace, cursorOf } from './cursors.ts'
import type { Place } from './cursors.ts'
import * as defaults from './defaults.ts'
import type { SignalLog } from './log.ts'

export interface HistoryInit {
  readonly self: string
  /** Channel of signals for this peer alone. */
  readonly own: string
  readonly log: SignalLog
  /** Signals that this peer has published and that are not in the log yet. */
  readonly unlogged: () => readonly Uint8Array[]
  /** Resolves when the log can be read. */
  readonly loaded: Promise<void>
  readonly report: (what: string, error: unknown) => void
}

/** Reads the log of this peer: replay, and what caused what. */
export class History {
  readonly #init: HistoryInit

  constructor(init: HistoryInit) {
    this.#init = init
  }

  replay(options: ReplayOptions = {}): AsyncIterable<LoggedSignal> {
    const trie = new PatternTrie<true>()
    trie.add(patternSegments(options.pattern ?? '**'), true)
    const from = checkFrom(options.from ?? 'start')
    return this.#replay(trie, from, options.signal)
  }

  /** Feeds a subscription from the log until it has caught up, then lets it have what comes. */
  feed(from: ReplayFrom, subscription: Replaying): void {
    const start = checkFrom(from)
    this.#feed(start, subscription).catch((error: unknown) =>
      this.#init.report('a replay failed', error)
    )
  }

  /** The chain of causes that the log knows, the direct one first. */
  async causes(id: string): Promise<readonly Cause[]> {
    const byId = new Map<string, Signal>()
    for await (const { signal } of this.replay()) {
      byId.set(signal.id, signal)
    }
    const causes: Cause[] = []
    const seen = new Set([id])
    let next = byId.get(id)?.causationid
    while (next !== undefined && !seen.has(next) && causes.length < defaults.causalityMax) {
      seen.add(next)
      const signal = byId.get(next)
      causes.push(signal === undefined ? { id: next } : { id: next, signal })
      next = signal?.causationid
    }
    return causes
  }

  /** The signals that name this one as their cause, then those that name these, and so on. */
  async effects(id: string): Promise<readonly Signal[]> {
    const byCause = new Map<string, Signal[]>()
    for await (const { signal } of this.replay()) {
      if (signal.causationid !== undefined) {
        const list = byCause.get(signal.causationid) ?? []
        list.push(signal)
        byCause.set(signal.causationid, list)
      }
    }
    const effects: Signal[] = []
    const seen = new Set([id])
    let wave = [id]
    while (wave.length > 0 && effects.length < defaults.causalityMax) {
      const next = wave
        .flatMap((cause) => byCause.get(cause) ?? [])
        .filter((signal) => !seen.has(signal.id))
      for (const signal of next) {
        seen.add(signal.id)
        effects.push(signal)
      }
      wave = next.map((signal) => signal.id)
    }
    return effects.slice(0, defaults.causalityMax)
  }

  async *#replay(
    trie: PatternTrie<true>,
    from: Place,
    signal: AbortSignal | undefined
  ): AsyncGenerator<LoggedSignal> {
    const { loaded, log, own } = this.#init
    await loaded
    const { last } = log
    checkPlace(from, last)
    for (const row of log.index.after(from.number - 1)) {
      if (row.number > last) {
        return
      }
      // Signals for others are kept for them only.
      if (row.loggedAt < from.time || isForAnother(row.stream.channel, own)) {
        continue
      }
      if (signal?.aborted === true) {
        throw new AbortedError('the replay was aborted')
      }
      // One entry at a time: a reader that stops has read no more than it wanted.
      // oxlint-disable-next-line no-await-in-loop
      const batch = await log.open(row)
      for (const [index, each] of (batch?.signals ?? []).entries()) {
        const seen = row.number === from.number && index < from.skip
        if (batch !== undefined && !seen && trie.match(typeSegments(each.type)).size > 0) {
          const cursor = cursorOf(row.number, index)
          yield { signal: each, author: batch.author, cursor, time: row.loggedAt }
        }
      }
    }
  }

  async #feed(from: Place, subscription: Replaying): Promise<void> {
    const { loaded, log, own } = this.#init
    await loaded
    // Where it was asked for before the log was read, its end may be before that place.
    let done = Math.min(from.number - 1, log.last)
    try {
      for (const row of log.index.after(done)) {
        done = row.number
        if (row.loggedAt < from.time || isForAnother(row.stream.channel, own)) {
          continue
        }
        // Each signal waits for room in the queue.
        // oxlint-disable-next-line no-await-in-loop
        const batch = await log.open(row)
        for (const [index, signal] of (batch?.signals ?? []).entries()) {
          if (subscription.closed) {
            return
          }
          const seen = row.number === from.number && index < from.skip
          if (batch !== undefined && !seen) {
            // oxlint-disable-next-line no-await-in-loop
            await subscription.offer(signal, { author: batch.author })
          }
        }
      }
    } finally {
      // In one turn with the end of the log: what is logged from here on comes by itself.
      subscription.goLive(done, this.#unlogged())
    }
  }

  #unlogged(): readonly Delivered[] {
    const { self, unlogged } = this.#init
    return unlogged().map((bytes) => ({
      signal: decodeOwnSignal(bytes),
      context: { author: self }
    }))
  }
}
