export interface WatchdogInit {
  readonly silentMsMax: number
  readonly pauseMs: number
  readonly pauseMsMax: number
}

interface Watched {
  since: number
  /** Not before this time again. */
  notBefore: number
  pauseMs: number
}

/**
 * Finds peers that stay connected while nothing can be sent to them. That state does not heal by
 * itself: when of two connections the one with the gossip stream closes, no stream is opened on
 * the other one, and everything for that peer is lost without an error.
 */
export class Watchdog {
  readonly #init: WatchdogInit
  readonly #watched = new Map<string, Watched>()

  constructor(init: WatchdogInit) {
    this.#init = init
  }

  /** Takes the peers that are silent now; returns those that should be connected anew. */
  observe(silent: readonly string[], now: number): readonly string[] {
    const { silentMsMax, pauseMs, pauseMsMax } = this.#init
    const current = new Set(silent)
    for (const [peer, watched] of this.#watched) {
      if (!current.has(peer)) {
        watched.since = Infinity
        if (watched.notBefore + pauseMsMax <= now) {
          this.#watched.delete(peer)
        }
      }
    }
    const due: string[] = []
    for (const peer of current) {
      const watched = this.#watched.get(peer) ?? { since: now, notBefore: -Infinity, pauseMs }
      this.#watched.set(peer, watched)
      watched.since = Math.min(watched.since, now)
      if (watched.since + silentMsMax <= now && watched.notBefore <= now) {
        due.push(peer)
        watched.since = Infinity
        watched.notBefore = now + watched.pauseMs
        watched.pauseMs = Math.min(watched.pauseMs * 2, pauseMsMax)
      }
    }
    return due
  }
}
