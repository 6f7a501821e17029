import type { Clock } from '@murmuration/interface'
import type { LoggedStream } from './core/log-index.ts'
import type { Range } from './core/ranges.ts'
import type { StreamName } from './core/streams.ts'
import * as defaults from './defaults.ts'
import type { SignalLog } from './log.ts'
import type { Progress } from './progress.ts'

export interface TidyingInit {
  readonly log: Pick<SignalLog, 'index'>
  readonly progress: Progress
  readonly clock: Clock
  readonly logAgeMs: number
  /** What of a stream durable subscriptions wait for. */
  readonly hole: (name: StreamName) => Range | undefined
}

/**
 * Forgets streams that have ended, so that what is known of them does not grow with each restart of each
 * peer. A stream has ended when its author has begun two newer ones and no entry of it is in the log. Of
 * those that may go on, too many without an entry are forgotten as well: anybody can make keys, and have
 * each of them say one thing. What is forgotten comes again with the next of it.
 */
export class Tidying {
  readonly #init: TidyingInit
  #last = 0
  /** What is under way, a part with each tick. */
  #pass: Generator<void, void> | undefined

  constructor(init: TidyingInit) {
    this.#init = init
  }

  /** To be called often; does something now and then. */
  tick(): void {
    this.#bound()
    const now = this.#init.clock.monotonic()
    if (this.#pass === undefined && now - this.#last >= defaults.tidyMs) {
      this.#last = now
      this.#pass = this.#tidy()
    }
    if (this.#pass?.next().done === true) {
      this.#pass = undefined
    }
  }

  /** Forgets those that were emptied first. */
  #bound(): void {
    const emptied = this.#init.log.index.emptied()
    let excess = emptied.size - defaults.emptiedStreamsMax
    for (const stream of emptied.values()) {
      if (excess <= 0) {
        return
      }
      if (this.#isOver(stream)) {
        this.#init.log.index.drop(stream.name)
      }
      excess -= 1
    }
  }

  /** Nothing of it is here, or is known to be anywhere and wanted. */
  #isOver({ head, name, rows, top }: LoggedStream): boolean {
    return rows.length === 0 && head <= top && this.#init.hole(name) === undefined
  }

  /** A part of the streams at a time: there may be as many as entries, and a turn must stay short. */
  *#tidy(): Generator<void, void> {
    const { log, logAgeMs, progress } = this.#init
    const second = new SecondNewest()
    let seen = 0
    for (const { name, top } of log.index.streams()) {
      seen += 1
      if (seen % defaults.tidyStreamsMax === 0) {
        yield
      }
      if (top > 0) {
        second.add(name)
      }
    }
    const isOld = ({ author, boot }: StreamName): boolean => boot < second.of(author)
    for (const stream of log.index.streams()) {
      seen += 1
      if (seen % defaults.tidyStreamsMax === 0) {
        yield
      }
      if (isOld(stream.name) && this.#isOver(stream)) {
        log.index.drop(stream.name)
      }
    }
    // Longer than any log may have it: what came of it again would be handled again.
    const idleMs = Math.max(defaults.endedMs, 2 * logAgeMs)
    progress.forgetIdle(idleMs, (name) => isOld(name) && log.index.find(name) === undefined)
  }
}

/** The second newest boot of each author. */
class SecondNewest {
  readonly #newest = new Map<string, number>()
  readonly #second = new Map<string, number>()

  add({ author, boot }: StreamName): void {
    const newest = this.#newest.get(author)
    if (newest === undefined || boot > newest) {
      this.#newest.set(author, boot)
    }
    if (newest !== undefined && boot !== newest) {
      this.#second.set(author, Math.max(this.of(author), Math.min(boot, newest)))
    }
  }

  /** 0 where there is none. */
  of(author: string): number {
    return this.#second.get(author) ?? 0
  }
}
