import type { AbortOptions } from '@libp2p/interface'
import type { Clock, Random } from '@murmuration/interface'
import { Watchdog } from './core/watchdog.ts'
import type { Counters } from './counters.ts'
import * as defaults from './defaults.ts'
import type { Gossip } from './gossip.ts'

export interface ReconnectsInit {
  readonly gossip: Gossip
  readonly reconnect: (peer: string, options: AbortOptions) => Promise<void>
  readonly clock: Clock
  readonly random: Random
  readonly counters: Counters
  readonly report: (what: string, error: unknown) => void
}

/** Looks for peers that gossip cannot reach though they are connected, and connects them anew. */
export class Reconnects {
  readonly #init: ReconnectsInit
  #watchdog = newWatchdog()
  #cancel: (() => void) | undefined
  #stop = new AbortController()

  constructor(init: ReconnectsInit) {
    this.#init = init
  }

  start(): void {
    this.#watchdog = newWatchdog()
    this.#stop = new AbortController()
    this.#schedule()
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#stop.abort()
  }

  #schedule(): void {
    const { clock, random } = this.#init
    // Both sides of a connection may see the same: they should not act in the same moment.
    const delayMs = defaults.watchdogIntervalMs * (0.75 + random.next() / 2)
    this.#cancel = clock.schedule(delayMs, () => {
      this.#look()
      this.#schedule()
    })
  }

  #look(): void {
    const { clock, gossip, report } = this.#init
    for (const peer of this.#watchdog.observe(gossip.silent(), clock.monotonic())) {
      this.#reconnect(peer).catch((error: unknown) =>
        report(`peer ${peer} could not be connected anew`, error)
      )
    }
  }

  async #reconnect(peer: string): Promise<void> {
    const { clock, counters, reconnect } = this.#init
    counters.count('reconnect')
    const timeout = new AbortController()
    const cancel = clock.schedule(defaults.reconnectTimeoutMs, () => timeout.abort())
    try {
      await reconnect(peer, { signal: AbortSignal.any([timeout.signal, this.#stop.signal]) })
    } finally {
      cancel()
    }
  }
}

function newWatchdog(): Watchdog {
  return new Watchdog({
    silentMsMax: defaults.silentMsMax,
    pauseMs: defaults.reconnectPauseMs,
    pauseMsMax: defaults.reconnectPauseMsMax
  })
}
