import type { Reachability, View } from '@murmuration/interface'
import {
  accusationsMax,
  accusationTtlMs,
  fullMeshMax,
  removeAfterMs,
  suspectAfterMs
} from '../defaults.ts'
import { edgesOf } from './edges.ts'
import type { Edges } from './edges.ts'
import type { Accusation } from './messages.ts'

/** What a probe of a peer found. `refused`: its machine answers, and nothing listens there. */
export type ProbeResult = 'alive' | 'refused' | 'unknown'

/** How long the walk through the graph of watchers is remembered, in milliseconds. */
const reachableTtlMs = 100

/** What this peer knows of one that it watches. */
interface Watched {
  heardAt: number
  refused: boolean
}

interface Charge {
  readonly kind: Accusation['kind']
  readonly at: number
}

export interface ReachabilityChange {
  readonly peer: string
  readonly reachability: Reachability
}

/** What followed from the accusations that a member sent. */
export interface Learned {
  /** Watched peers that it found closed and this peer did not: they deserve a probe. */
  readonly doubtful: readonly string[]
  /** Where not all watch all: something that should be passed on without delay. */
  readonly isUrgent: boolean
}

/**
 * Judges which members of a view are gone: by silence, and by refused connections. It only counts
 * evidence; what follows from it is decided by a view.
 */
export class Detector {
  readonly #self: string
  #peers: readonly string[] = []
  #edges: Edges | undefined
  #watched = new Map<string, Watched>()
  /** When members that this one does not watch were heard: those that watch it, mostly. */
  readonly #visitors = new Map<string, number>()
  /** By accused, then by accuser. This peer's own charges are not among them. */
  readonly #charges = new Map<string, Map<string, Charge>>()
  #shown = new Map<string, Reachability>()
  /** Members heard since this view was adopted, at this view or a later one. */
  #confirmed = new Set<string>()
  /** What was not heard before is no evidence: the time of the start, or of the last stall. */
  #trustedSince: number
  /** Remembered for a moment where not all watch all, because it takes a walk through the graph. */
  #reachable: { readonly at: number; readonly peers: ReadonlySet<string> } | undefined

  constructor(self: string, now: number) {
    this.#self = self
    this.#trustedSince = now
  }

  /** The members to send heartbeats to. */
  get watched(): readonly string[] {
    return [...this.#watched.keys()]
  }

  /** This peer and the members that it heard at this view. */
  get confirmed(): ReadonlySet<string> {
    return this.#confirmed
  }

  /** Takes over a new view. What is known of those who stay, stays. */
  track(view: View, now: number): void {
    this.#reachable = undefined
    const before = this.#watched
    const edges = edgesOf(view)
    this.#peers = view.members.map(({ peer }) => peer).filter((peer) => peer !== this.#self)
    this.#edges = edges
    this.#watched = new Map()
    for (const peer of edges.watchedBy(this.#self)) {
      const member = view.members.find((other) => other.peer === peer)
      const known = member?.since === view.number ? undefined : before.get(peer)
      this.#watched.set(peer, known ?? { heardAt: now, refused: false })
    }
    const isGone = (peer: string): boolean => !this.#peers.includes(peer)
    for (const peer of this.#charges.keys()) {
      if (isGone(peer)) {
        this.#charges.delete(peer)
      }
    }
    for (const peer of this.#visitors.keys()) {
      if (isGone(peer) || this.#watched.has(peer)) {
        this.#visitors.delete(peer)
      }
    }
    this.#confirmed = new Set([this.#self])
  }

  /** A message of this member came. True if it was not known to be reachable. */
  heard(peer: string, isAtThisView: boolean, now: number): boolean {
    if (isAtThisView && this.#peers.includes(peer)) {
      this.#confirmed.add(peer)
    }
    const watched = this.#watched.get(peer)
    if (watched === undefined && this.#peers.includes(peer)) {
      this.#visitors.set(peer, now)
    } else if (watched !== undefined) {
      watched.heardAt = now
      watched.refused = false
    }
    return (this.#shown.get(peer) ?? 'reachable') !== 'reachable'
  }

  /**
   * This peer's own event loop stood still: the silence that it saw meanwhile was its own. All
   * verdicts start anew.
   */
  stalled(now: number): void {
    this.#trustedSince = now
    this.#reachable = undefined
    this.#charges.clear()
    for (const watched of this.#watched.values()) {
      watched.refused = false
    }
  }

  /** True if this is news that others should hear at once. */
  probed(peer: string, result: ProbeResult): boolean {
    const watched = this.#watched.get(peer)
    if (watched === undefined || result === 'unknown') {
      return false
    }
    const isNews = result === 'refused' && !watched.refused
    watched.refused = result === 'refused'
    this.#reachable = undefined
    return isNews
  }

  /** Watched members whose port is closed: to be probed again, for they may come back. */
  refused(): readonly string[] {
    return [...this.#watched].filter(([, { refused }]) => refused).map(([peer]) => peer)
  }

  /**
   * Takes the accusations that a member sent. Its own replace what it said before.
   */
  learn(from: string, accusations: readonly Accusation[], now: number): Learned {
    const before = this.#urgent(now)
    for (const charges of this.#charges.values()) {
      charges.delete(from)
    }
    const doubtful: string[] = []
    for (const { by, peer, kind, ageMs } of accusations) {
      const isRelayed = by !== from
      if (by === this.#self || peer === this.#self || !this.#peers.includes(peer)) {
        continue
      }
      if (isRelayed && (this.#peers.length < fullMeshMax || !this.#peers.includes(by))) {
        continue
      }
      const charges = this.#charges.get(peer) ?? new Map<string, Charge>()
      this.#charges.set(peer, charges)
      const at = now - ageMs
      if (at > (charges.get(by)?.at ?? Number.NEGATIVE_INFINITY)) {
        charges.set(by, { kind, at })
      }
      if (kind === 'refused' && this.#watched.get(peer)?.refused === false) {
        doubtful.push(peer)
      }
    }
    const isUrgent = this.#peers.length >= fullMeshMax && this.#urgent(now) > before
    return { doubtful, isUrgent }
  }

  /** What to tell others: the own accusations, and above full mesh those of others too. */
  accusations(now: number): readonly Accusation[] {
    const own: Accusation[] = []
    for (const peer of this.#watched.keys()) {
      const kind = this.#ownCharge(peer, now)
      if (kind !== undefined) {
        own.push({ by: this.#self, peer, kind, ageMs: 0 })
      }
    }
    if (this.#peers.length < fullMeshMax) {
      return own.slice(0, accusationsMax)
    }
    const relayed: Accusation[] = []
    for (const [peer, charges] of this.#charges) {
      for (const [by, { kind, at }] of charges) {
        if (now - at <= accusationTtlMs) {
          relayed.push({ by, peer, kind, ageMs: Math.max(0, Math.round(now - at)) })
        }
      }
    }
    return [...own, ...relayed].slice(0, accusationsMax)
  }

  /**
   * The members that should be removed: two observers (one, where there is no more) found the port
   * closed, or a majority of the observers that can be reached finds it silent.
   */
  removable(now: number): readonly string[] {
    return this.#peers.filter((peer) => {
      const observers = this.#edges?.observersOf(peer) ?? []
      const charges = observers.map((by) => ({ by, kind: this.#chargeBy(by, peer, now) }))
      const accusers = charges.filter(({ kind }) => kind !== undefined)
      if (accusers.length === 0) {
        return false
      }
      const refused = accusers.filter(({ kind }) => kind === 'refused')
      if (refused.length >= Math.min(2, observers.length)) {
        return true
      }
      const judges = observers.filter((by) => this.#isTrusted(by, now))
      const guilty = accusers.filter(({ by }) => judges.includes(by))
      return 2 * guilty.length > judges.length
    })
  }

  /**
   * Whether this peer vouches for a member that somebody wants to remove: it heard it just now and
   * did not find its port closed. What others found counts less than that.
   */
  vouchesFor(peer: string, now: number): boolean {
    const watched = this.#watched.get(peer)
    if (watched === undefined || watched.refused) {
      return false
    }
    return this.#silence(watched, now) < suspectAfterMs
  }

  /**
   * The members that can be reached, this peer included: those that it hears, and those that are
   * watched by one of them without an accusation.
   */
  reachablePeers(now: number): ReadonlySet<string> {
    const known = this.#reachable
    if (known !== undefined && now - known.at < reachableTtlMs) {
      return known.peers
    }
    const visitors = [...this.#visitors].filter(([, at]) => now - at < suspectAfterMs)
    const peers = new Set([this.#self, ...visitors.map(([peer]) => peer)])
    for (const by of peers) {
      // A set may grow while it is walked through: this visits each member once.
      for (const peer of this.#edges?.watchedBy(by) ?? []) {
        const isOwn = by === this.#self
        const isFine = isOwn ? this.#hears(peer, now) : !this.#chargeBy(by, peer, now)
        // What this peer watches itself, it judges itself.
        if (isFine && (isOwn || !this.#watched.has(peer))) {
          peers.add(peer)
        }
      }
    }
    this.#reachable = this.#peers.length < fullMeshMax ? undefined : { at: now, peers }
    return peers
  }

  reachability(peer: string, now: number): Reachability {
    if (peer === this.#self) {
      return 'reachable'
    }
    if (!this.#peers.includes(peer)) {
      return 'unreachable'
    }
    const watched = this.#watched.get(peer)
    if (watched === undefined) {
      return this.reachablePeers(now).has(peer) ? 'reachable' : 'unreachable'
    }
    const silence = this.#silence(watched, now)
    if (watched.refused || silence >= removeAfterMs) {
      return 'unreachable'
    }
    return silence >= suspectAfterMs ? 'suspected' : 'reachable'
  }

  /** What changed in the reachability of members since the last time. */
  changes(now: number): readonly ReachabilityChange[] {
    const shown = new Map<string, Reachability>()
    const changes: ReachabilityChange[] = []
    for (const peer of this.#peers) {
      const reachability = this.reachability(peer, now)
      shown.set(peer, reachability)
      if ((this.#shown.get(peer) ?? 'reachable') !== reachability) {
        changes.push({ peer, reachability })
      }
    }
    this.#shown = shown
    return changes
  }

  #hears(peer: string, now: number): boolean {
    const watched = this.#watched.get(peer)
    return watched !== undefined && !watched.refused && this.#silence(watched, now) < suspectAfterMs
  }

  /** How many accusations of closed ports there are, of which two per peer are enough. */
  #urgent(now: number): number {
    let count = 0
    for (const charges of this.#charges.values()) {
      const refused = [...charges.values()].filter(({ kind, at }) => {
        return kind === 'refused' && now - at <= accusationTtlMs
      })
      count += Math.min(2, refused.length)
    }
    return count
  }

  #isTrusted(observer: string, now: number): boolean {
    return this.reachability(observer, now) === 'reachable'
  }

  #chargeBy(by: string, peer: string, now: number): Accusation['kind'] | undefined {
    if (by === this.#self) {
      return this.#ownCharge(peer, now)
    }
    const charge = this.#charges.get(peer)?.get(by)
    return charge !== undefined && now - charge.at <= accusationTtlMs ? charge.kind : undefined
  }

  #ownCharge(peer: string, now: number): Accusation['kind'] | undefined {
    const watched = this.#watched.get(peer)
    if (watched === undefined) {
      return undefined
    }
    if (watched.refused) {
      return 'refused'
    }
    return this.#silence(watched, now) >= removeAfterMs ? 'silent' : undefined
  }

  #silence({ heardAt }: Watched, now: number): number {
    return now - Math.max(heardAt, this.#trustedSince)
  }
}
