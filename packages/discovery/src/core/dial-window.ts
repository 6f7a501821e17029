/** Bounds of a {@link DialWindow}. */
export interface DialWindowSettings {
  readonly parallelDialsStart: number
  readonly parallelDialsMax: number
  readonly slowHandshakeMs: number
}

/** A peer that may be dialled, as far as the window is concerned. */
export interface Dialled {
  readonly kept: boolean
  readonly failures: number
}

/** Failed dials after which a peer is taken for absent. */
const PATIENCE = 3

/** Below two, one peer that never answers would hold up all others. */
const WINDOW_MIN = 2

/**
 * How many dials may be in flight. Handshakes cost CPU on both sides: when a whole cluster starts on
 * a busy machine, all of them at once take so long that each runs into its timeout, and their
 * repetition keeps it so. So the window works as TCP's does: each connection widens it by one, a
 * handshake that was accepted and then ran out of time halves it, at most once in `slowHandshakeMs`.
 *
 * Peers that failed often, and hints, get half a window of their own: addresses that swallow
 * packets cannot hold up the dial of a peer that was lost a moment ago.
 */
export class DialWindow {
  readonly #settings: DialWindowSettings
  readonly #dials = new Map<Dialled, { readonly isPatient: boolean; readonly since: number }>()
  #size: number
  #shrunkAt = Number.NEGATIVE_INFINITY

  constructor(settings: DialWindowSettings) {
    this.#settings = settings
    this.#size = Math.min(settings.parallelDialsStart, settings.parallelDialsMax)
  }

  get size(): number {
    return this.#size
  }

  hasRoom(peer: Dialled): boolean {
    const isPatient = isPatientFor(peer)
    let inFlight = 0
    for (const dial of this.#dials.values()) {
      inFlight += dial.isPatient === isPatient ? 1 : 0
    }
    return inFlight < (isPatient ? Math.max(1, Math.floor(this.#size / 2)) : this.#size)
  }

  began(peer: Dialled, now: number): void {
    this.#dials.set(peer, { isPatient: isPatientFor(peer), since: now })
  }

  /** `broken`: it was accepted and failed then; `failed`: it was not accepted. */
  ended(peer: Dialled, now: number, result: 'connected' | 'broken' | 'failed'): void {
    const dial = this.#dials.get(peer)
    this.#dials.delete(peer)
    const { slowHandshakeMs, parallelDialsMax } = this.#settings
    if (result === 'connected') {
      this.#size = Math.min(parallelDialsMax, this.#size + 1)
    } else if (
      result === 'broken' &&
      dial !== undefined &&
      now - dial.since >= slowHandshakeMs &&
      now - this.#shrunkAt >= slowHandshakeMs
    ) {
      this.#shrunkAt = now
      this.#size = Math.min(this.#size, Math.max(WINDOW_MIN, Math.floor(this.#size / 2)))
    }
  }

  clear(): void {
    this.#dials.clear()
  }
}

function isPatientFor({ kept, failures }: Dialled): boolean {
  return !kept || failures >= PATIENCE
}
