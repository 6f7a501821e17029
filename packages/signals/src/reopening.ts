import type { Clock } from '@murmuration/interface'
import type { Counters } from './counters.ts'
import { reopenIntervalMs } from './defaults.ts'
import type { Gossip } from './gossip.ts'

export interface ReopeningInit {
  readonly gossip: Gossip
  readonly clock: Clock
  readonly counters: Counters
}

/** Looks again and again for connected peers that gossip cannot reach, and has that mended. */
export class Reopening {
  readonly #init: ReopeningInit
  #cancel: (() => void) | undefined

  constructor(init: ReopeningInit) {
    this.#init = init
  }

  start(): void {
    const { clock, counters, gossip } = this.#init
    this.#cancel = clock.schedule(reopenIntervalMs, () => {
      this.start()
      counters.count('reopened', gossip.mend?.().length ?? 0)
    })
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }
}
