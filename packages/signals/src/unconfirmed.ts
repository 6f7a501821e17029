import type { Clock } from '@murmuration/interface'
import type { Copies } from './copies.ts'
import { pause } from './deadline.ts'
import * as defaults from './defaults.ts'

export interface UnconfirmedInit {
  readonly peer: string
  readonly copies: Copies
  readonly clock: Clock
  /** Fires when the bus stops. */
  readonly stopped: () => AbortSignal
}

/** Batches that are promised to a peer which has not confirmed them, the oldest first. */
export class Unconfirmed {
  readonly #init: UnconfirmedInit
  readonly #originals: Uint8Array[] = []
  #flushing: Promise<string> | undefined
  #nudging = false

  constructor(init: UnconfirmedInit) {
    this.#init = init
  }

  get idle(): boolean {
    return !this.#nudging && this.#originals.length === 0
  }

  /** What is too much here, the peer will ask for. */
  add(original: Uint8Array): void {
    if (this.#originals.length < defaults.unconfirmedMax) {
      this.#originals.push(original)
    }
  }

  remove(original: Uint8Array): void {
    const index = this.#originals.indexOf(original)
    if (index !== -1) {
      this.#originals.splice(index, 1)
    }
  }

  /** Hands all of them over, in order: `logged`, or why one of them could not be. */
  flush(deadline: number): Promise<string> {
    this.#flushing ??= this.#flush(deadline).finally(() => {
      this.#flushing = undefined
    })
    return this.#flushing
  }

  /** Tries again until the peer has them. */
  nudge(): void {
    if (!this.#nudging) {
      this.#nudging = true
      void this.#nudge()
    }
  }

  async #flush(deadline: number): Promise<string> {
    const { clock, copies, peer } = this.#init
    for (;;) {
      const [original] = this.#originals
      if (original === undefined) {
        return 'logged'
      }
      const timeoutMs = Math.min(deadline - clock.monotonic(), defaults.askTimeoutMs)
      if (timeoutMs <= 0) {
        return 'ERR_DEADLINE_EXCEEDED'
      }
      // Each comes before the next.
      // oxlint-disable-next-line no-await-in-loop
      const word = await copies.push(peer, original, true, timeoutMs)
      if (word !== 'logged') {
        return word
      }
      this.remove(original)
    }
  }

  async #nudge(): Promise<void> {
    const { clock } = this.#init
    const stopped = this.#init.stopped()
    let pauseMs = defaults.repairPauseMs
    while (this.#originals.length > 0 && !stopped.aborted) {
      // oxlint-disable no-await-in-loop
      await pause(clock, pauseMs, stopped)
      await this.flush(clock.monotonic() + defaults.askTimeoutMs)
      // oxlint-enable no-await-in-loop
      pauseMs = Math.min(pauseMs * 2, defaults.repairPauseMsMax)
    }
    this.#nudging = false
  }
}
