import type { Reachability, View } from '@murmuration/interface'
import { accusationsMax, fullMeshMax } from '../defaults.ts'
import { cutOf } from './cut.ts'
import { edgesOf } from './edges.ts'
import type { Edges } from './edges.ts'
import type { Accusation } from './messages.ts'
import { paceOf } from './pace.ts'
import type { Pace } from './pace.ts'

/** What a probe of a peer found. `refused`: its machine answers, and nothing listens there. */
export type ProbeResult = 'alive' | 'refused' | 'unknown'

/** How long the walk through the graph of watchers is remembered, in milliseconds. */
const reachableTtlMs = 100

/** What this peer knows of one that it hears from. */
interface Known {
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
  /** Peers that it found closed and this peer heard just now: they deserve a probe. */
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
  #members: ReadonlySet<string> = new Set()
  #edges: Edges | undefined
  #pace: Pace = paceOf(1)
  #watched = new Map<string, Known>()
  /** Members that this one does not watch: those that watch it, and acceptors. */
  #visitors = new Map<string, Known>()
  /** By accused, then by accuser. This peer's own charges are not among them. */
  readonly #charges = new Map<string, Map<string, Charge>>()
  /** Those that were last shown as anything but reachable. */
  #shown = new Map<string, Reachability>()
  /** Members heard since this view was adopted, at this view or a later one. */
  #confirmed = new Set<string>()
  /** Members that stood still lately, by when they said so. This peer may be among them. */
  readonly #lagging = new Map<string, number>()
  /** Since when a member stands between the low and the high mark. */
  #unstable = new Map<string, number>()
  #stableSince = Number.POSITIVE_INFINITY
  /** Remembered for a moment where not all watch all, because it takes a walk through the graph. */
  #reachable: { readonly at: number; readonly peers: ReadonlySet<string> } | undefined

  constructor(self: string) {
    this.#self = self
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
    const before = new Map([...this.#visitors, ...this.#watched])
    const edges = edgesOf(view)
    this.#members = new Set(view.members.map(({ peer }) => peer))
    this.#peers = [...this.#members].filter((peer) => peer !== this.#self)
    this.#edges = edges
    this.#pace = paceOf(view.members.length)
    const isNew = new Set(
      view.members.filter(({ since }) => since === view.number).map(({ peer }) => peer)
    )
    this.#watched = new Map(
      edges.watchedBy(this.#self).map((peer) => {
        const known = isNew.has(peer) ? undefined : before.get(peer)
        return [peer, known ?? { heardAt: now, refused: false }]
      })
    )
    this.#visitors = new Map(
      [...before].filter(([peer]) => this.#members.has(peer) && !this.#watched.has(peer))
    )
    for (const map of [this.#charges, this.#lagging, this.#unstable]) {
      for (const peer of map.keys()) {
        if (!this.#members.has(peer)) {
          map.delete(peer)
        }
      }
    }
    this.#confirmed = new Set([this.#self])
  }

  /** A message of this member came. True if it was not known to be reachable. */
  heard(peer: string, isAtThisView: boolean, now: number): boolean {
    if (!this.#members.has(peer) || peer === this.#self) {
      return false
    }
    if (isAtThisView) {
      this.#confirmed.add(peer)
    }
    const known = this.#watched.get(peer)
    if (known === undefined) {
      this.#visitors.set(peer, { heardAt: now, refused: false })
    } else {
      known.heardAt = now
      known.refused = false
    }
    return (this.#shown.get(peer) ?? 'reachable') !== 'reachable'
  }

  /**
   * This peer's own event loop stood still for so long: what it did not hear meanwhile is no
   * evidence, and for a while it accuses nobody of silence (Lifeguard's local health: who is slow
   * doubts itself first). A closed port was no silence, and it is probed again at each beat.
   */
  stalled(now: number, lagMs: number): void {
    this.#reachable = undefined
    this.#lagging.set(this.#self, now)
    for (const known of [...this.#watched.values(), ...this.#visitors.values()]) {
      known.heardAt = Math.min(now, known.heardAt + lagMs)
    }
  }

  /** Whether this peer stood still so lately that its silence about others says nothing. */
  isLagging(now: number): boolean {
    return this.#isLagging(this.#self, now)
  }

  /** True if this is news that others should hear at once. */
  probed(peer: string, result: ProbeResult): boolean {
    const watched = this.#watched.get(peer)
    const known = watched ?? this.#visitors.get(peer)
    if (known === undefined || result === 'unknown') {
      return false
    }
    const isNews = result === 'refused' && !known.refused && watched !== undefined
    known.refused = result === 'refused'
    this.#reachable = undefined
    return isNews
  }

  /** Watched members whose port is closed: to be probed again, for they may come back. */
  refused(): readonly string[] {
    return [...this.#watched].filter(([, { refused }]) => refused).map(([peer]) => peer)
  }

  /**
   * Takes the accusations that a member sent, and whether it stood still lately. Its own replace
   * what it said before.
   */
  learn(
    from: string,
    accusations: readonly Accusation[],
    isLagging: boolean,
    now: number
  ): Learned {
    const before = this.#urgent(now)
    if (isLagging) {
      this.#lagging.set(from, now)
    } else {
      this.#lagging.delete(from)
    }
    for (const [peer, charges] of this.#charges) {
      charges.delete(from)
      if ([...charges.values()].every(({ at }) => now - at > this.#pace.accusationMs)) {
        this.#charges.delete(peer)
      }
    }
    const doubtful: string[] = []
    for (const { by, peer, kind, ageMs } of accusations) {
      const isRelayed = by !== from
      if (by === this.#self || peer === this.#self || !this.#members.has(peer)) {
        continue
      }
      if (isRelayed && (this.#isMesh || !this.#members.has(by))) {
        continue
      }
      const charges = this.#charges.get(peer) ?? new Map<string, Charge>()
      this.#charges.set(peer, charges)
      const at = now - ageMs
      if (at > (charges.get(by)?.at ?? Number.NEGATIVE_INFINITY)) {
        charges.set(by, { kind, at })
      }
      if (kind === 'refused' && this.vouchesFor(peer, now)) {
        doubtful.push(peer)
      }
    }
    return { doubtful, isUrgent: !this.#isMesh && this.#urgent(now) > before }
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
    if (this.#isMesh) {
      return own.slice(0, accusationsMax)
    }
    const relayed: Accusation[] = []
    for (const [peer, charges] of this.#charges) {
      for (const [by, { kind, at }] of charges) {
        if (now - at <= this.#pace.accusationMs) {
          relayed.push({ by, peer, kind, ageMs: Math.max(0, Math.round(now - at)) })
        }
      }
    }
    return [...own, ...relayed].slice(0, accusationsMax)
  }

  /**
   * The members that should be removed, together. Above full mesh others are waited for that may
   * have to go too, but for none of them longer than reports take to come in.
   */
  removable(now: number): readonly string[] {
    const { stable, unstable } = cutOf({
      members: this.#members.size,
      accused: this.#accused(now),
      observersOf: (peer) => this.#edges?.observersOf(peer) ?? [],
      accuses: (by, peer) => this.#chargeBy(by, peer, now) !== undefined,
      refusals: (peer) => this.#refusals(peer, now),
      isLagging: (observer) => this.#isLagging(observer, now)
    })
    const since = new Map(unstable.map((peer) => [peer, this.#unstable.get(peer) ?? now]))
    this.#unstable = since
    this.#stableSince =
      stable.length === 0 ? Number.POSITIVE_INFINITY : Math.min(now, this.#stableSince)
    const waitMs = 2 * this.#pace.beatMs
    // Not for ever either, where one after the other comes into doubt and out of it again.
    const isWaiting = now - this.#stableSince < 2 * waitMs
    return isWaiting && [...since.values()].some((at) => now - at < waitMs) ? [] : stable
  }

  /**
   * Whether this peer vouches for a member that somebody wants to remove: it heard it just now and
   * did not find its port closed. What others found counts less than that.
   */
  vouchesFor(peer: string, now: number): boolean {
    const known = this.#watched.get(peer) ?? this.#visitors.get(peer)
    return known !== undefined && this.#isHeard(known, now)
  }

  /**
   * The members that can be reached, this peer included: those that it hears, and those that are
   * watched by one of them without an accusation.
   */
  reachablePeers(now: number): ReadonlySet<string> {
    const remembered = this.#reachable
    if (remembered !== undefined && now - remembered.at < reachableTtlMs) {
      return remembered.peers
    }
    if (!this.#isMesh && this.#isCalm(now)) {
      return this.#members
    }
    const visitors = [...this.#visitors].filter(([, known]) => this.#isHeard(known, now))
    const peers = new Set([this.#self, ...visitors.map(([peer]) => peer)])
    for (const by of peers) {
      // A set may grow while it is walked through: this visits each member once.
      for (const peer of this.#edges?.watchedBy(by) ?? []) {
        const isOwn = by === this.#self
        const isFine = isOwn ? this.vouchesFor(peer, now) : !this.#chargeBy(by, peer, now)
        // What this peer watches itself, it judges itself.
        if (isFine && (isOwn || !this.#watched.has(peer))) {
          peers.add(peer)
        }
      }
    }
    this.#reachable = this.#isMesh ? undefined : { at: now, peers }
    return peers
  }

  reachability(peer: string, now: number): Reachability {
    if (peer === this.#self) {
      return 'reachable'
    }
    if (!this.#members.has(peer)) {
      return 'unreachable'
    }
    const watched = this.#watched.get(peer)
    if (watched === undefined) {
      return this.reachablePeers(now).has(peer) ? 'reachable' : 'unreachable'
    }
    const silence = now - watched.heardAt
    if (watched.refused || silence >= this.#pace.removeMs) {
      return 'unreachable'
    }
    return silence >= this.#pace.suspectMs ? 'suspected' : 'reachable'
  }

  /** What changed in the reachability of members since the last time. */
  changes(now: number): readonly ReachabilityChange[] {
    const changes: ReachabilityChange[] = []
    if (this.#shown.size === 0 && !this.#isMesh && this.#isCalm(now)) {
      return changes
    }
    const shown = new Map<string, Reachability>()
    for (const peer of this.#peers) {
      const reachability = this.reachability(peer, now)
      if (reachability !== 'reachable') {
        shown.set(peer, reachability)
      }
      if ((this.#shown.get(peer) ?? 'reachable') !== reachability) {
        changes.push({ peer, reachability })
      }
    }
    this.#shown = shown
    return changes
  }

  get #isMesh(): boolean {
    return this.#members.size <= fullMeshMax
  }

  #isHeard({ heardAt, refused }: Known, now: number): boolean {
    return !refused && now - heardAt < this.#pace.suspectMs
  }

  #isLagging(peer: string, now: number): boolean {
    return now - (this.#lagging.get(peer) ?? Number.NEGATIVE_INFINITY) < this.#pace.suspectMs
  }

  #accused(now: number): readonly string[] {
    const own = this.watched.filter((peer) => this.#ownCharge(peer, now) !== undefined)
    return [...new Set([...own, ...this.#charges.keys()])]
  }

  /** Nobody is accused, and all that should be heard were: then all can be reached. */
  #isCalm(now: number): boolean {
    return this.#charges.size === 0 && this.watched.every((peer) => this.vouchesFor(peer, now))
  }

  #refusals(peer: string, now: number): number {
    const observers = [...new Set(this.#edges?.observersOf(peer))]
    return observers.filter((by) => this.#chargeBy(by, peer, now) === 'refused').length
  }

  /** How many accusations of closed ports there are, of which two per peer are enough. */
  #urgent(now: number): number {
    let count = 0
    for (const charges of this.#isMesh ? [] : this.#charges.values()) {
      const refused = [...charges.values()].filter(({ kind, at }) => {
        return kind === 'refused' && now - at <= this.#pace.accusationMs
      })
      count += Math.min(2, refused.length)
    }
    return count
  }

  #chargeBy(by: string, peer: string, now: number): Accusation['kind'] | undefined {
    if (by === this.#self) {
      return this.#ownCharge(peer, now)
    }
    const charge = this.#charges.get(peer)?.get(by)
    const isFresh = charge !== undefined && now - charge.at <= this.#pace.accusationMs
    return isFresh ? charge.kind : undefined
  }

  #ownCharge(peer: string, now: number): Accusation['kind'] | undefined {
    const watched = this.#watched.get(peer)
    if (watched === undefined) {
      return undefined
    }
    if (watched.refused) {
      return 'refused'
    }
    const isSilent = now - watched.heardAt >= this.#pace.removeMs
    return isSilent && !this.isLagging(now) ? 'silent' : undefined
  }
}
