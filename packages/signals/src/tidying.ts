import type { Clock } from '@murmuration/interface'
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
 * peer. A stream has ended when its author has begun two newer ones and no entry of it is in the log.
 */
export class Tidying {
  readonly #init: TidyingInit
  #last = 0

  constructor(init: TidyingInit) {
    this.#init = init
  }

  /** To be called often; does something now and then. */
  tick(): void {
    const now = this.#init.clock.monotonic()
    if (now - this.#last >= defaults.tidyMs) {
      this.#last = now
      this.#tidy()
    }
  }

  #tidy(): void {
    const { hole, log, logAgeMs, progress } = this.#init
    const boots = this.#newest()
    const isOld = ({ author, boot }: StreamName): boolean => boot < (boots.get(author)?.[1] ?? 0)
    for (const { head, name, rows, top } of log.index.streams()) {
      if (isOld(name) && rows.length === 0 && head <= top && hole(name) === undefined) {
        log.index.drop(name)
      }
    }
    // Longer than any log may have it: what came of it again would be handled again.
    const idleMs = Math.max(defaults.endedMs, 2 * logAgeMs)
    progress.forgetIdle(idleMs, (name) => isOld(name) && log.index.find(name) === undefined)
  }

  /** The two newest boots of each author, as far as something signed was seen of them. */
  #newest(): ReadonlyMap<string, readonly number[]> {
    const boots = new Map<string, readonly number[]>()
    for (const { name, top } of this.#init.log.index.streams()) {
      const before = boots.get(name.author) ?? []
      if (top > 0 && !before.includes(name.boot)) {
        boots.set(name.author, [...before, name.boot].toSorted((a, b) => b - a).slice(0, 2))
      }
    }
    return boots
  }
}
