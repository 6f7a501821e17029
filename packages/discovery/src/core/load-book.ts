import type { Random } from '@murmuration/interface'

/** Bounds of a {@link LoadBook}. */
export interface LoadSettings {
  /** How long a report is used, in ms. */
  readonly freshMs: number
  /** Latencies well below this, in ms, do not matter beside the work itself. */
  readonly latencyBaseMs: number
  /** Load that a pick stands for until the next report. */
  readonly pickLoad: number
  readonly peersMax: number
}

interface Entry {
  load: number
  /** Moving average, in ms. */
  latencyMs: number
  at: number
  /** Picks since the last report. */
  picks: number
}

/** Share of a new measurement in the moving average: the last five count for two thirds. */
const SMOOTHING = 0.2

/**
 * How busy and how far away peers are. A peer's score is (1 + load) · (base + latency): the time
 * that work waits there, as far as it can be known from outside. What was picked since the last
 * report counts as load, so that nobody sends everything to one peer for the life of a report.
 */
export class LoadBook {
  readonly #settings: LoadSettings
  /** The one heard of longest ago first. */
  readonly #entries = new Map<string, Entry>()
  /** Since when peers do not answer, the one noted longest ago first. */
  readonly #silent = new Map<string, number>()

  constructor(settings: LoadSettings) {
    this.#settings = settings
  }

  /** Takes a report and how long it took to come. */
  observe(peer: string, load: number, latencyMs: number, now: number): void {
    const known = this.#entries.get(peer)
    const average =
      known === undefined ? latencyMs : known.latencyMs + SMOOTHING * (latencyMs - known.latencyMs)
    this.#silent.delete(peer)
    this.#entries.delete(peer)
    this.#entries.set(peer, { load, latencyMs: average, at: now, picks: 0 })
    trim(this.#entries, this.#settings.peersMax)
  }

  /** Notes that a peer did not answer in time; until it does, or for the life of a report. */
  silent(peer: string, now: number): void {
    this.#silent.delete(peer)
    this.#silent.set(peer, now)
    trim(this.#silent, this.#settings.peersMax)
  }

  isSilent(peer: string, now: number): boolean {
    const since = this.#silent.get(peer)
    return since !== undefined && now - since <= this.#settings.freshMs
  }

  isFresh(peer: string, now: number): boolean {
    const entry = this.#entries.get(peer)
    return entry !== undefined && now - entry.at <= this.#settings.freshMs
  }

  picked(peer: string): void {
    const entry = this.#entries.get(peer)
    if (entry !== undefined) {
      entry.picks++
    }
  }

  /** Lower is better; of a peer that nothing is known of, the worst. */
  score(peer: string): number {
    const entry = this.#entries.get(peer)
    if (entry === undefined) {
      return Number.POSITIVE_INFINITY
    }
    const { latencyBaseMs, pickLoad } = this.#settings
    return (1 + entry.load + pickLoad * entry.picks) * (latencyBaseMs + entry.latencyMs)
  }
}

function trim(map: Map<string, unknown>, max: number): void {
  const oldest = map.keys().next()
  if (map.size > max && oldest.done !== true) {
    map.delete(oldest.value)
  }
}

/**
 * Two different ones at random, or the only one. The better of two random choices keeps the fullest
 * peer near the average, where the better of all makes everybody choose the same one (Mitzenmacher,
 * "The Power of Two Choices in Randomized Load Balancing", 2001).
 */
export function twoOf(candidates: readonly string[], random: Random): readonly string[] {
  if (candidates.length <= 2) {
    return candidates
  }
  const first = Math.floor(random.next() * candidates.length)
  const other = Math.floor(random.next() * (candidates.length - 1))
  const second = other >= first ? other + 1 : other
  return [candidates[first] ?? '', candidates[second] ?? '']
}
