import type { ObservedConnection } from './duplicates.ts'

/** All that is known of one peer. */
export interface PeerEntry {
  readonly peer: string
  kept: boolean
  /** What `keep()` said. */
  addresses: readonly string[]
  /** What anybody else said, newest first. Never mixed with `addresses`. */
  hints: readonly string[]
  connections: readonly ObservedConnection[]
  connectedAt: number
  /** Whether this side dialled the last connection. */
  dialledLast: boolean
  /** Whether there was a connection before the present state. */
  wasMet: boolean
  dialling: boolean
  dialEndedAt: number
  /** Failed dials since the last lasting connection. */
  failures: number
  /** No dial on behalf of a hint before this time. */
  notBefore: number
  /** Until then the first dial may be left to the other side. */
  patientUntil: number
  dialAt: number | undefined
  resolveAt: number | undefined
}

/** The peers by id, the one heard of longest ago first; bounded. */
export class PeerBook {
  readonly #entries = new Map<string, PeerEntry>()
  readonly #kept = new Set<PeerEntry>()
  readonly #foundMax: number
  readonly #addressesMax: number
  readonly #forgotten: (entry: PeerEntry) => void

  constructor(foundMax: number, addressesMax: number, forgotten: (entry: PeerEntry) => void) {
    this.#foundMax = foundMax
    this.#addressesMax = addressesMax
    this.#forgotten = forgotten
  }

  get size(): number {
    return this.#entries.size
  }

  get(peer: string): PeerEntry | undefined {
    return this.#entries.get(peer)
  }

  /** The entry of a peer, made where there was none. */
  entry(peer: string): PeerEntry {
    let entry = this.#entries.get(peer)
    if (entry === undefined) {
      entry = emptyEntry(peer)
      this.#entries.set(peer, entry)
      this.trim(entry)
    }
    return entry
  }

  all(): Iterable<PeerEntry> {
    return this.#entries.values()
  }

  kept(): readonly PeerEntry[] {
    return [...this.#kept]
  }

  /** True where the addresses of a peer changed. */
  keep(peer: string, addresses: readonly string[]): boolean {
    const entry = this.entry(peer)
    const next = [...new Set(addresses)].slice(0, this.#addressesMax)
    const moved = next.length !== entry.addresses.length || !next.every(isIn(entry.addresses))
    entry.addresses = next
    entry.kept = true
    this.#kept.add(entry)
    return moved
  }

  /** A kept peer becomes a found one. */
  release(entry: PeerEntry): void {
    entry.kept = false
    this.#kept.delete(entry)
    entry.hints = [...new Set([...entry.addresses, ...entry.hints])].slice(0, this.#addressesMax)
    entry.addresses = []
    this.trim()
  }

  /** True where the peer or one of the addresses is new. */
  hint(peer: string, addresses: readonly string[]): boolean {
    const isNew = !this.#entries.has(peer)
    const entry = this.entry(peer)
    // Moved to the end: the order of the map is the order of hearing.
    this.#entries.delete(peer)
    this.#entries.set(peer, entry)
    const isNews = addresses.some((one) => !isIn(entry.hints)(one) && !isIn(entry.addresses)(one))
    entry.hints = [...new Set([...addresses, ...entry.hints])].slice(0, this.#addressesMax)
    return isNew || isNews
  }

  /**
   * The addresses for the next dial. What `keep()` said and hints take turns, because libp2p sorts
   * what it is given in one dial: a forged hint could otherwise delay the true address for ever.
   */
  addresses(entry: PeerEntry): readonly string[] {
    const sources = [entry.addresses, entry.hints].filter(({ length }) => length > 0)
    return sources[entry.failures % Math.max(1, sources.length)] ?? []
  }

  /** Forgets the oldest hints above the bound; never what is kept, connected or being dialled. */
  trim(spare?: PeerEntry): void {
    if (this.#entries.size <= this.#foundMax + this.#kept.size) {
      return
    }
    for (const entry of this.#entries.values()) {
      if (isIdle(entry) && entry !== spare) {
        this.#entries.delete(entry.peer)
        this.#forgotten(entry)
        if (this.#entries.size <= this.#foundMax + this.#kept.size) {
          return
        }
      }
    }
  }
}

function emptyEntry(peer: string): PeerEntry {
  return {
    peer,
    kept: false,
    addresses: [],
    hints: [],
    connections: [],
    connectedAt: 0,
    dialledLast: false,
    wasMet: false,
    dialling: false,
    dialEndedAt: Number.NEGATIVE_INFINITY,
    failures: 0,
    notBefore: Number.NEGATIVE_INFINITY,
    patientUntil: Number.NEGATIVE_INFINITY,
    dialAt: undefined,
    resolveAt: undefined
  }
}

function isIn(list: readonly string[]): (text: string) => boolean {
  return (text) => list.includes(text)
}

function isIdle(entry: PeerEntry): boolean {
  return !entry.kept && entry.connections.length === 0 && !entry.dialling
}
