import type { FoundPeer, Random } from '@murmuration/interface'
import { backoffMs } from './backoff.ts'
import { isLower, losersOf, survivorOf } from './duplicates.ts'
import type { ObservedConnection } from './duplicates.ts'
import { DialWindow } from './dial-window.ts'
import { PeerBook } from './peer-book.ts'
import type { PeerEntry } from './peer-book.ts'

/** Times and bounds of a {@link ConnectionKeeper}; all times in milliseconds. */
export interface KeeperSettings {
  readonly backoffBaseMs: number
  readonly backoffMaxMs: number
  readonly graceMs: number
  readonly firstGraceMs: number
  readonly settleMs: number
  readonly stableMs: number
  readonly hintDialIntervalMs: number
  readonly parallelDialsStart: number
  readonly parallelDialsMax: number
  readonly slowHandshakeMs: number
  readonly foundPeersMax: number
  readonly foundConnectionsMax: number
  readonly addressesMax: number
}

/** What the shell has to do now. */
export type KeeperAction =
  /** Dial, then report with `dialEnded`. No addresses: use what libp2p knows of the peer. */
  | { readonly type: 'dial'; readonly peer: string; readonly addresses: readonly string[] }
  /** Prove the survivor alive, then close the losers; if it is dead, abort it instead. */
  | {
      readonly type: 'resolve'
      readonly peer: string
      readonly survivor: string
      readonly losers: readonly string[]
    }

/** Which peers came and went between two observations. */
export interface ConnectionChange {
  readonly connected: readonly string[]
  readonly disconnected: readonly string[]
}

/**
 * Decides who dials whom and when. It does nothing itself: it is told what there is (`keep`,
 * `found`, `observe`, `dialEnded`), each time with the present monotonic time, and asked what to do
 * (`step`) and when to ask again (`nextAt`).
 *
 * For each kept peer: the side with the lower PeerId dials, the other waits a grace and then dials
 * too, because the lower one may be unable to. Failed dials back off with full jitter and never
 * end. Of two connections that simultaneous dials made, both sides choose the same one to stay.
 */
export class ConnectionKeeper {
  readonly #self: string
  readonly #random: Random
  readonly #settings: KeeperSettings
  readonly #book: PeerBook
  /** Entries with a time to wait for, so that a large book costs nothing. */
  readonly #pending = new Set<PeerEntry>()
  readonly #connected = new Set<string>()
  readonly #window: DialWindow
  /** When a peer was connected last. */
  #movedAt = Number.NEGATIVE_INFINITY

  constructor(self: string, random: Random, settings: KeeperSettings) {
    this.#self = self
    this.#random = random
    this.#settings = settings
    this.#window = new DialWindow(settings)
    this.#book = new PeerBook(settings.foundPeersMax, settings.addressesMax, (entry) =>
      this.#pending.delete(entry)
    )
  }

  /** Replaces the set of kept peers. Connections of peers that left it stay. */
  keep(peers: readonly FoundPeer[], now: number): void {
    const wanted = new Map(peers.map((peer) => [peer.peer, peer]))
    wanted.delete(this.#self)
    for (const entry of this.#book.kept()) {
      if (!wanted.has(entry.peer)) {
        this.#book.release(entry)
        this.#plan(entry, { dialAt: undefined, resolveAt: undefined })
      }
    }
    for (const { peer, addresses } of wanted.values()) {
      const known = this.#book.get(peer)
      const wasKept = known?.kept === true
      const moved = this.#book.keep(peer, addresses)
      const entry = this.#book.entry(peer)
      if (!wasKept || moved) {
        entry.failures = 0
        this.#planDial(entry, now, wasKept ? 0 : undefined)
      }
      this.#planResolve(entry, now)
    }
  }

  /** Takes a hint. True where it tells a new peer or new addresses. */
  found(hint: FoundPeer, now: number): boolean {
    if (hint.peer === this.#self) {
      return false
    }
    const isNews = this.#book.hint(hint.peer, hint.addresses)
    const entry = this.#book.entry(hint.peer)
    if (entry.connections.length > 0 || entry.dialling) {
      return isNews
    }
    if (!entry.kept) {
      if (entry.dialAt === undefined) {
        this.#plan(entry, { dialAt: Math.max(entry.notBefore, now + this.#graceOf(entry)) })
      }
    } else if (isNews && entry.dialAt !== undefined) {
      const soon = Math.max(now, entry.dialEndedAt + this.#settings.hintDialIntervalMs)
      this.#plan(entry, { dialAt: Math.min(entry.dialAt, soon) })
    }
    return isNews
  }

  /** Takes all open connections, by peer. */
  observe(
    connections: ReadonlyMap<string, readonly ObservedConnection[]>,
    now: number
  ): ConnectionChange {
    const connected: string[] = []
    const disconnected: string[] = []
    for (const peer of this.#connected) {
      if (!connections.has(peer)) {
        disconnected.push(peer)
        this.#lost(this.#book.entry(peer), now)
      }
    }
    for (const [peer, open] of connections) {
      const entry = this.#book.entry(peer)
      entry.connections = open
      entry.dialledLast = survivorOf(this.#self, peer, open)?.outbound ?? false
      if (!this.#connected.has(peer)) {
        this.#connected.add(peer)
        entry.connectedAt = now
        this.#movedAt = now
        this.#plan(entry, { dialAt: undefined })
        connected.push(peer)
      }
      this.#planResolve(entry, now)
    }
    return { connected, disconnected }
  }

  /**
   * Reports the end of a dial; call `observe` first, so that its connection is known.
   * `isHandshake`: it failed after the other side had accepted it.
   */
  dialEnded(peer: string, now: number, isHandshake = false): void {
    const entry = this.#book.get(peer)
    if (entry === undefined || !entry.dialling) {
      return
    }
    entry.dialling = false
    entry.dialEndedAt = now
    const isConnected = entry.connections.length > 0
    this.#window.ended(entry, now, isConnected ? 'connected' : isHandshake ? 'broken' : 'failed')
    if (!isConnected) {
      entry.failures++
      entry.notBefore = now + this.#backoff(entry)
      this.#plan(entry, { dialAt: entry.kept ? entry.notBefore : undefined })
    }
  }

  /** What is due at `now`. */
  step(now: number): readonly KeeperAction[] {
    const actions: KeeperAction[] = []
    const due = [...this.#pending].filter(({ dialAt }) => dialAt !== undefined && dialAt <= now)
    due.sort((a, b) => this.#rank(a) - this.#rank(b) || (a.dialAt ?? 0) - (b.dialAt ?? 0))
    for (const entry of due) {
      const isWanted = entry.kept || this.#connected.size < this.#settings.foundConnectionsMax
      if (!isWanted) {
        this.#plan(entry, { dialAt: undefined })
      } else if (this.#isEarly(entry, now)) {
        const later = this.#movedAt + this.#graceOf(entry)
        this.#plan(entry, { dialAt: Math.min(later, entry.patientUntil) })
      } else if (this.#window.hasRoom(entry)) {
        this.#plan(entry, { dialAt: undefined })
        entry.dialling = true
        this.#window.began(entry, now)
        actions.push({ type: 'dial', peer: entry.peer, addresses: this.#book.addresses(entry) })
      }
    }
    for (const entry of this.#pending) {
      if (entry.resolveAt !== undefined && entry.resolveAt <= now) {
        this.#resolve(entry, now, actions)
      }
    }
    return actions
  }

  /** When `step` has something to do again; undefined: only after another input. */
  nextAt(): number | undefined {
    let next: number | undefined
    for (const entry of this.#pending) {
      const { dialAt, resolveAt } = entry
      for (const at of [this.#window.hasRoom(entry) ? dialAt : undefined, resolveAt]) {
        if (at !== undefined && (next === undefined || at < next)) {
          next = at
        }
      }
    }
    return next
  }

  /** All peers with an open connection. */
  connected(): readonly string[] {
    return [...this.#connected]
  }

  isConnected(peer: string): boolean {
    return this.#connected.has(peer)
  }

  kept(): readonly string[] {
    return this.#book.kept().map(({ peer }) => peer)
  }

  /** Peers remembered, hints included. */
  get size(): number {
    return this.#book.size
  }

  /** Where a peer can be dialled: what `keep()` said, else hints. */
  addressesOf(peer: string): { readonly addresses: readonly string[]; readonly kept: boolean } {
    const entry = this.#book.get(peer)
    const kept = entry !== undefined && entry.addresses.length > 0
    return { addresses: kept ? entry.addresses : (entry?.hints ?? []), kept }
  }

  /** Forgets the dials in flight, for a shell that stopped and starts again. */
  reset(now: number): void {
    this.#window.clear()
    for (const entry of this.#book.all()) {
      entry.dialling = false
      if (entry.kept && entry.dialAt === undefined) {
        this.#planDial(entry, now)
      }
    }
  }

  #lost(entry: PeerEntry, now: number): void {
    this.#connected.delete(entry.peer)
    entry.connections = []
    entry.failures = now - entry.connectedAt >= this.#settings.stableMs ? 0 : entry.failures + 1
    entry.wasMet = true
    this.#plan(entry, { resolveAt: undefined })
    if (entry.kept) {
      this.#planDial(entry, now)
    } else {
      entry.notBefore = now + this.#backoff(entry)
    }
    this.#book.trim()
  }

  /** Plans the next dial of a kept peer, unless it is connected or being dialled. */
  #planDial(entry: PeerEntry, now: number, delayMs?: number): void {
    if (entry.connections.length > 0 || entry.dialling) {
      return
    }
    entry.patientUntil = now + this.#settings.backoffMaxMs
    const delay = delayMs ?? this.#graceOf(entry) + (entry.wasMet ? this.#backoff(entry) : 0)
    this.#plan(entry, { dialAt: now + delay })
  }

  /**
   * While connections come in one after the other, a cluster is starting and the lower side is
   * probably working through its list: a dial from here would only make a second connection.
   */
  #isEarly(entry: PeerEntry, now: number): boolean {
    const isTurnOfOther = entry.kept && !isLower(this.#self, entry.peer) && entry.failures === 0
    const isMoving = now - this.#movedAt < this.#settings.firstGraceMs
    return isTurnOfOther && isMoving && now < entry.patientUntil
  }

  /** How long this side leaves the dialling to the other; nothing where this is the lower one. */
  #graceOf(entry: PeerEntry): number {
    if (isLower(this.#self, entry.peer)) {
      return 0
    }
    const { graceMs, firstGraceMs } = this.#settings
    const grace = entry.wasMet && !entry.dialledLast ? graceMs : firstGraceMs
    return grace * (1 + this.#random.next() / 2)
  }

  /** Own duties first, then what the other side may still do by itself, then hints. */
  #rank(entry: PeerEntry): number {
    return entry.kept ? (isLower(this.#self, entry.peer) ? 0 : 1) : 2
  }

  #backoff(entry: PeerEntry): number {
    const { backoffBaseMs, backoffMaxMs } = this.#settings
    return backoffMs(entry.failures, { baseMs: backoffBaseMs, maxMs: backoffMaxMs }, this.#random)
  }

  #planResolve(entry: PeerEntry, now: number): void {
    if (!entry.kept || entry.connections.length < 2) {
      this.#plan(entry, { resolveAt: undefined })
    } else if (entry.resolveAt === undefined) {
      // The dialler of the loser goes first, so that normally only one side has work with it.
      const lower = isLower(this.#self, entry.peer)
      this.#plan(entry, { resolveAt: now + this.#settings.settleMs * (lower ? 2 : 1) })
    }
  }

  #resolve(entry: PeerEntry, now: number, actions: KeeperAction[]): void {
    const survivor = survivorOf(this.#self, entry.peer, entry.connections)
    const losers = survivor === undefined ? [] : losersOf(entry.connections, survivor)
    if (survivor !== undefined && losers.length > 0) {
      actions.push({
        type: 'resolve',
        peer: entry.peer,
        survivor: survivor.id,
        losers: losers.map(({ id }) => id)
      })
    }
    // Looked at again until one is left: a close may fail, and the other side may dial once more.
    this.#plan(entry, { resolveAt: now + this.#settings.settleMs * 2 })
  }

  #plan(entry: PeerEntry, times: Partial<Pick<PeerEntry, 'dialAt' | 'resolveAt'>>): void {
    Object.assign(entry, times)
    if (entry.dialAt === undefined && entry.resolveAt === undefined) {
      this.#pending.delete(entry)
    } else {
      this.#pending.add(entry)
    }
  }
}
