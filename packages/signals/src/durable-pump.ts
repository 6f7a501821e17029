import type { Clock, Signal, SignalHandler } from '@murmuration/interface'
import type { OpenedBatch } from './batches.ts'
import { textOf } from './codes.ts'
import { assignee } from './core/assignment.ts'
import type { Mutants } from './core/mutants.ts'
import { typeSegments } from './core/pattern.ts'
import type { LoggedStream } from './core/log-index.ts'
import { streamKey } from './core/streams.ts'
import type { StreamName } from './core/streams.ts'
import { PatternTrie } from './core/trie.ts'
import type { Counters } from './counters.ts'
import { pause } from './deadline.ts'
import * as defaults from './defaults.ts'
import type { SignalLog } from './log.ts'
import type { Progress } from './progress.ts'

/** A signal whose attempts are used up. */
export interface Failed {
  readonly signal: Signal
  readonly author: string
  readonly channel: string
  readonly attempts: number
  readonly reason: string
}

export interface DurablePumpInit {
  /** Of the subscription, as members know it. */
  readonly id: string
  readonly self: string
  /** Channel of signals for this peer alone. */
  readonly own: string
  readonly pattern: readonly string[]
  readonly handler: SignalHandler
  readonly filter: ((signal: Signal) => boolean) | undefined
  readonly attemptsMax: number
  readonly handlerTimeoutMs: number
  /** The peers that share its signals; undefined: this peer handles all. */
  readonly consumers: (() => readonly string[]) | undefined
  readonly log: SignalLog
  readonly progress: Progress
  readonly clock: Clock
  readonly counters: Counters
  readonly mutants: Mutants
  /** Something is missing in a stream. */
  readonly onHole: (name: StreamName) => void
  /** Keeps a dead letter durably. */
  readonly onFailed: (failed: Failed) => Promise<void>
  readonly report: (what: string, error: unknown) => void
}

/**
 * Brings the signals of the log to one durable subscription: those of a stream one after the other,
 * by sequence, each until its handler has returned or its attempts are used up. What is missing in
 * the log is waited for.
 */
export class DurablePump {
  readonly #init: DurablePumpInit
  readonly #trie = new PatternTrie<true>()
  /** Streams that are being read; true: look again when done. */
  readonly #running = new Map<string, boolean>()
  /** Where a group goes on; what others have to handle is left behind it. */
  readonly #read = new Map<string, number>()
  readonly #stop = new AbortController()

  constructor(init: DurablePumpInit) {
    this.#init = init
    this.#trie.add(init.pattern, true)
  }

  /** Something of a stream has come, or is known to be lost, or was handled by others. */
  kick(name: StreamName): void {
    const key = streamKey(name)
    if (this.#stop.signal.aborted) {
      return
    }
    if (this.#running.has(key)) {
      this.#running.set(key, true)
      return
    }
    this.#running.set(key, false)
    void this.#run(key, name)
  }

  /** What is whose has changed: looks at everything again that nobody has handled. */
  reassign(): void {
    this.#read.clear()
    for (const { name } of this.#init.log.index.streams()) {
      this.kick(name)
    }
  }

  close(): void {
    this.#stop.abort()
  }

  /** The lowest sequences that are missing for this subscription. */
  hole(name: StreamName): { readonly from: number; readonly to: number } | undefined {
    const { id, log, progress } = this.#init
    const stream = log.index.find(name)
    if (stream === undefined) {
      return undefined
    }
    const handled = progress.find(id, name)
    for (let next = handled.nextMissing(1); next <= stream.head;) {
      if (stream.held.has(next)) {
        next = stream.held.nextMissing(next)
      } else if (stream.lost.has(next)) {
        next = stream.lost.nextMissing(next)
      } else if (handled.has(next)) {
        next = handled.nextMissing(next)
      } else {
        const ends = [stream.held, stream.lost, handled].map(
          (ranges) => ranges.nextPresent(next) ?? Infinity
        )
        return { from: next, to: Math.min(stream.head, ...ends.map((end) => end - 1)) }
      }
    }
    return undefined
  }

  /** Tries a signal again, out of its order; throws what the handler throws. */
  async redrive(signal: Signal, author: string): Promise<void> {
    await this.#attempt(signal, author, 1)
    this.#init.progress.remember(this.#init.id, idOf(signal))
  }

  async #run(key: string, name: StreamName): Promise<void> {
    try {
      do {
        this.#running.set(key, false)
        // Again for what came while the last look was under way.
        // oxlint-disable-next-line no-await-in-loop
        await this.#drain(name)
      } while (this.#running.get(key) === true && !this.#stop.signal.aborted)
    } catch (error) {
      this.#init.report(`the durable subscription ${this.#init.id} could not go on`, error)
    } finally {
      this.#running.delete(key)
    }
  }

  async #drain(name: StreamName): Promise<void> {
    const { consumers, id, log, mutants, progress } = this.#init
    const handled = progress.of(id, name)
    const key = streamKey(name)
    // Clocks may differ by that much; what is older was not for this subscription.
    const since = progress.beganAt(id) - defaults.ageMsMax
    if (mutants.orderByArrival === true) {
      this.#read.delete(key)
    }
    while (!this.#stop.signal.aborted) {
      const stream = log.index.find(name)
      if (stream === undefined) {
        return
      }
      let next = handled.nextMissing(this.#read.get(key) ?? 1)
      if (consumers !== undefined && next - handled.nextMissing(1) > defaults.groupWindow) {
        return
      }
      if (stream.lost.has(next)) {
        progress.pass(id, name, next, stream.lost.nextMissing(next) - 1)
        continue
      }
      const ahead = stream.held.nextPresent(next)
      const row = ahead === undefined ? undefined : log.index.rowOf(name, ahead)
      const older = row !== undefined && row.time < since ? endOfOlder(stream, since) : 0
      if (next <= older) {
        progress.pass(id, name, next, older)
        continue
      }
      // The next one only when this one is done: that is the order.
      // oxlint-disable-next-line no-await-in-loop
      const found = await log.read(name, next)
      if (found === undefined) {
        if (next > stream.head) {
          return
        }
        if ((mutants.skipGaps === true || mutants.orderByArrival === true) && ahead !== undefined) {
          if (mutants.skipGaps === true) {
            progress.pass(id, name, next, ahead - 1)
          } else {
            this.#init.onHole(name)
            this.#read.set(key, ahead)
          }
          continue
        }
        this.#init.onHole(name)
        return
      }
      // oxlint-disable-next-line no-await-in-loop
      await this.#batch(name, found.batch, next)
      if (consumers !== undefined || mutants.orderByArrival === true) {
        next = found.row.first + found.row.count
        this.#read.set(key, next)
      }
    }
  }

  async #batch(name: StreamName, batch: OpenedBatch, from: number): Promise<void> {
    const { id, progress } = this.#init
    const handled = progress.of(id, name)
    for (const [index, signal] of batch.signals.entries()) {
      const sequence = batch.first + index
      if (sequence < from || handled.has(sequence)) {
        continue
      }
      if (this.#stop.signal.aborted) {
        return
      }
      if (this.#trie.match(typeSegments(signal.type)).size === 0) {
        progress.pass(id, name, sequence, sequence)
      } else if (!this.#wants(signal)) {
        progress.add(id, name, sequence, sequence)
      } else if (name.channel === this.#init.own || this.#isMine(signal)) {
        // oxlint-disable-next-line no-await-in-loop
        await this.#handle(name, sequence, signal, batch)
      }
    }
  }

  async #handle(
    name: StreamName,
    sequence: number,
    signal: Signal,
    { author, channel }: OpenedBatch
  ): Promise<void> {
    const { attemptsMax, counters, id, mutants, onFailed, progress } = this.#init
    if (mutants.noDeduplication !== true && progress.hasId(id, idOf(signal))) {
      counters.count('deduplicated')
      progress.add(id, name, sequence, sequence)
      return
    }
    if (mutants.acknowledgeBeforeHandler === true) {
      progress.add(id, name, sequence, sequence, idOf(signal))
      await progress.flush()
    }
    const reason = await this.#attempts(signal, author)
    if (reason === 'closed') {
      return
    }
    if (reason === undefined) {
      progress.add(id, name, sequence, sequence, idOf(signal))
      counters.count('handled')
      return
    }
    if (mutants.noDeadLetter !== true) {
      await onFailed({ signal, author, channel, attempts: attemptsMax, reason })
    }
    // Without its id: what is published again under it is another chance.
    progress.add(id, name, sequence, sequence)
  }

  /** Undefined once the handler has returned; otherwise why not. */
  async #attempts(signal: Signal, author: string): Promise<string | undefined> {
    const { attemptsMax, clock, counters } = this.#init
    const stop = this.#stop.signal
    let reason = ''
    let pauseMs = defaults.retryPauseMs
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      try {
        // oxlint-disable-next-line no-await-in-loop
        await this.#attempt(signal, author, attempt)
        return undefined
      } catch (error) {
        counters.count('handler-error')
        reason = textOf(error)
      }
      if (attempt < attemptsMax) {
        // oxlint-disable-next-line no-await-in-loop
        await pause(clock, pauseMs, stop)
        pauseMs = Math.min(pauseMs * 2, defaults.retryPauseMsMax)
      }
      if (stop.aborted) {
        return 'closed'
      }
    }
    return reason
  }

  async #attempt(signal: Signal, author: string, attempt: number): Promise<void> {
    const { clock, handler, handlerTimeoutMs } = this.#init
    const late = new AbortController()
    const timeout = Promise.withResolvers<never>()
    const cancel = clock.schedule(handlerTimeoutMs, () => {
      late.abort()
      timeout.reject(new Error(`the handler did not return within ${handlerTimeoutMs} ms`))
    })
    const ended = AbortSignal.any([late.signal, this.#stop.signal])
    try {
      // A handler that never returns is left behind: nothing can end it but itself.
      await Promise.race([handler(signal, { author, attempt, signal: ended }), timeout.promise])
    } finally {
      cancel()
    }
  }

  #wants(signal: Signal): boolean {
    try {
      return this.#init.filter === undefined || this.#init.filter(signal)
    } catch (error) {
      this.#init.report(`the filter of ${this.#init.id} failed`, error)
      return false
    }
  }

  /** Signals of one subject go to the same peer, so that they stay in their order. */
  #isMine(signal: Signal): boolean {
    const { consumers, mutants, self } = this.#init
    if (consumers === undefined || mutants.groupOfOne === true) {
      return true
    }
    return assignee(signal.subject ?? signal.id, consumers()) === self
  }
}

/** Unique by the rules of CloudEvents. */
function idOf({ id, source }: Signal): string {
  return `${source}\n${id}`
}

/**
 * The last sequence that was sent before a subscription has begun, and so is not for it. What follows one
 * that was sent since is for it, whatever the clock of its author says: that may be set back.
 */
function endOfOlder({ rows }: LoggedStream, since: number): number {
  const at = rows.findIndex(({ time }) => time >= since)
  const last = at === -1 ? rows.at(-1) : rows[at - 1]
  return last === undefined ? 0 : last.first + last.count - 1
}
