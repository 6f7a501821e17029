import type { Epoch, Member } from '@murmuration/interface'
import type { CollectStep } from './base.ts'
import type { FoldStep } from './copy-state.ts'
import { ownSessionPrefix } from './copy-state.ts'
import type { DocumentCopy } from './document-copy.ts'
import { sameExecution } from './entry.ts'
import type { Entry } from './entry.ts'
import { copiesNeeded, keyOf, memberKey } from './homes.ts'
import type { MemberKey } from './homes.ts'
import type { Mutants } from './mutants.ts'
import { Passed } from './passed.ts'
import { Tracks } from './tracks.ts'
import type { Track, Waiter } from './tracks.ts'

export type SendItem =
  | { readonly kind: 'entry'; readonly entry: Entry }
  | { readonly kind: 'fold'; readonly step: FoldStep }
  | { readonly kind: 'collect'; readonly step: CollectStep }

/**
 * How a replica is kept up to date. `full`: it needs the whole state; `putting`: that is under way;
 * `append`: it has it, and gets what is new.
 */
export interface Target {
  readonly key: MemberKey
  readonly peer: string
  readonly bit: number
  mode: 'full' | 'putting' | 'append'
  queue: SendItem[]
  /** The full state that is under way; the answer to an earlier one does not count. */
  sent: readonly Entry[] | undefined
}

export interface ReplicationInit {
  readonly copy: DocumentCopy
  /** This peer, which is one of the targets whether or not it is in the home set. */
  readonly self: { readonly key: MemberKey; readonly peer: string }
  readonly mutants?: Mutants
  /** Items that wait for one replica; more, and it gets the full state instead. */
  readonly queueMax: number
}

/**
 * What the owner of one document knows of its copies: who has which entry, who waits for it, and
 * what to send to whom. The owner's own disk is one of the replicas where the owner is in the home
 * set, and else counts for nothing.
 */
export class Replication {
  readonly #init: ReplicationInit
  readonly #tracks = new Tracks()
  readonly #passed: Passed
  #home: readonly Member[] = []
  #targets = new Map<MemberKey, Target>()

  constructor(init: ReplicationInit) {
    this.#init = init
    this.#passed = new Passed(init.mutants)
  }

  get home(): readonly Member[] {
    return this.#home
  }

  /** W of this home set. */
  get needed(): number {
    return copiesNeeded(this.#home.length)
  }

  /** Entries that not every replica has confirmed. */
  get unconfirmed(): number {
    return this.#tracks.size
  }

  /** Entries that are not on W replicas. */
  get unacknowledged(): number {
    return this.#tracks.unacknowledged
  }

  get targets(): IterableIterator<Target> {
    return this.#targets.values()
  }

  target(member: MemberKey): Target | undefined {
    return this.#targets.get(member)
  }

  /**
   * Takes up the home set of a new view. What a member has confirmed stays confirmed where the same
   * incarnation is still in the set: it stored the entry before it adopted any later view.
   */
  rebase(home: readonly Member[]): void {
    const { copy, mutants, self } = this.#init
    const former = this.#targets
    this.#home = home
    this.#targets = new Map()
    home.forEach((member, at) => this.#addTarget(keyOf(member), member.peer, 1 << at, former))
    if (!this.#targets.has(self.key)) {
      // Kept on disk for `ack: 'local'` and a quick restart, but not counted.
      this.#addTarget(self.key, self.peer, 1 << home.length, former)
    }
    const homeBits = (1 << home.length) - 1
    const selfBit = this.#targets.get(self.key)?.bit ?? 0
    const all = homeBits | selfBit
    const counted = mutants?.countOutsideHome === true ? all : homeBits
    const tracks = this.#tracks.clear({ needed: this.needed, counted, self: selfBit, all })
    for (const entry of copy.entries()) {
      const track = tracks.get(entry.key)
      const mask = this.#carriedMask(track, former)
      this.#tracks.add({ entry, mask, waiters: track?.waiters ?? [] })
    }
    this.#tracks.markUnsafe()
    for (const track of this.#tracks.values()) {
      this.#tracks.settle(track)
    }
  }

  /** A new entry, or one with a new stamp: to be sent to all. */
  added(entry: Entry): void {
    const former = this.#tracks.get(entry.key)
    if (former !== undefined) this.#tracks.remove(former)
    this.#tracks.add({ entry, mask: 0, waiters: former?.waiters ?? [] })
    this.#passed.sending(entry)
    for (const target of this.#targets.values()) {
      this.#enqueue(target, { kind: 'entry', entry })
    }
  }

  /** Calls back as soon as the entry has the copies. The returned function stops waiting. */
  wait(entry: Entry, waiter: Waiter): () => void {
    const track = this.#tracks.get(entry.key)
    if (track === undefined) {
      waiter.confirmed(this.#home.length)
      return () => {}
    }
    track.waiters.push(waiter)
    this.#tracks.settle(track)
    return () => {
      track.waiters = track.waiters.filter((other) => other !== waiter)
    }
  }

  /** Takes the next items for a replica out of its queue. */
  take(member: MemberKey, bytesMax: number, itemsMax: number): SendItem[] {
    const target = this.#targets.get(member)
    if (target?.mode !== 'append') {
      return []
    }
    let bytes = 0
    let count = 0
    for (const item of target.queue) {
      bytes += item.kind === 'entry' ? item.entry.bytes.length : 64
      if (count > 0 && (bytes > bytesMax || count >= itemsMax)) {
        break
      }
      count++
      // It is about the base as it was then: what comes later has to be later there too.
      if (item.kind === 'collect') {
        break
      }
    }
    const { queue } = target
    target.queue = queue.slice(count)
    return queue.length === count ? queue : queue.slice(0, count)
  }

  /** Items that did not arrive go back to the front, in their order. */
  putBack(member: MemberKey, items: readonly SendItem[]): void {
    const target = this.#targets.get(member)
    if (target?.mode === 'append') {
      target.queue.unshift(...items)
    }
  }

  /** The full state is about to be sent; returns the entries in it, to be given to the next two. */
  beginFull(member: MemberKey): readonly Entry[] {
    const entries = [...this.#init.copy.entries()]
    const target = this.#targets.get(member)
    if (target !== undefined) {
      target.mode = 'putting'
      target.queue = []
      target.sent = entries
    }
    return entries
  }

  /** It did not arrive, as far as is known. */
  failFull(member: MemberKey, entries: readonly Entry[]): void {
    const target = this.#targets.get(member)
    if (target?.sent === entries) {
      startOver(target)
    }
  }

  /** The member holds the full state, these entries included, durably. */
  endFull(member: MemberKey, entries: readonly Entry[]): void {
    const target = this.#targets.get(member)
    if (target?.sent === entries) {
      target.mode = 'append'
      target.sent = undefined
      this.confirm(member, entries)
    }
  }

  /**
   * The copy was joined with another one: entries may be new, replaced or folded, and every replica
   * needs the result as a whole. Whoever waits for an execution that does not stand any more is not
   * told that it does.
   */
  merged(): void {
    const former = this.#tracks.clear()
    for (const entry of this.#init.copy.entries()) {
      const track = former.get(entry.key)
      const waiters = track !== undefined && sameExecution(track.entry, entry) ? track.waiters : []
      this.#tracks.add({ entry, mask: 0, waiters })
    }
    this.#tracks.trimUnsafe()
    this.#passed.askAgain()
    this.#targets.forEach(startOver)
  }

  /** The member needs the full state: nothing that it confirmed before is relied on. */
  needsFull(member: MemberKey): void {
    const target = this.#targets.get(member)
    if (target === undefined) {
      return
    }
    startOver(target)
    for (const entry of this.#init.copy.entries()) {
      const track = this.#tracks.get(entry.key)
      const mask = (track?.mask ?? this.#allBits()) & ~target.bit
      if (track === undefined) this.#tracks.add({ entry, mask, waiters: [] })
      else this.#tracks.setMask(track, mask)
    }
  }

  /** The member holds these entries durably. Entries that were replaced meanwhile do not count. */
  confirm(member: MemberKey, entries: readonly Entry[]): void {
    const target = this.#targets.get(member)
    if (target === undefined) {
      return
    }
    for (const entry of entries) {
      const track = this.#tracks.get(entry.key)
      if (track?.entry === entry) {
        this.#tracks.setMask(track, track.mask | target.bit)
        this.#tracks.settle(track)
      }
    }
  }

  /** Every replica has it. */
  isConfirmed(entry: Entry): boolean {
    return !this.#tracks.has(entry.key)
  }

  /** Replicas that hold the full state. */
  synced(): number {
    return this.#home.reduce((count, member) => {
      const { mode } = this.#targets.get(memberKey(member)) ?? {}
      return mode === 'append' ? count + 1 : count
    }, 0)
  }

  get allSynced(): boolean {
    return this.synced() === this.#home.length
  }

  /** Everything of earlier views is on W replicas of this one. */
  get safe(): boolean {
    return this.synced() >= this.needed && this.#tracks.unsafe === 0
  }

  /** Entries and base are on W replicas, the newest ones included. */
  get durable(): boolean {
    return this.synced() >= this.needed && this.#tracks.unacknowledged === 0
  }

  /** The client has had confirmed everything of the session below `lowest`. */
  passed(session: string, lowest: number): void {
    this.#passed.hear(session, lowest)
  }

  /**
   * How far each session can be folded: only what all replicas have confirmed, and what nobody will
   * ask for again, as all replicas have confirmed since it was heard. The caller checks that only one
   * home set is unsettled.
   */
  foldable(by: Epoch): FoldStep[] {
    if (!this.allSynced) {
      return []
    }
    this.#passed.answered((entry) => !this.#tracks.has(entry))
    const { copy } = this.#init
    const steps: FoldStep[] = []
    for (const [session, floor, entries] of copy.openSessions()) {
      const limit = session.startsWith(ownSessionPrefix)
        ? this.#ownLimit(floor, entries)
        : this.#limit(this.#passed.of(session), entries)
      if (limit > floor) {
        steps.push(copy.planFold(session, limit, by))
      }
    }
    return steps
  }

  collected(step: CollectStep): void {
    for (const target of this.#targets.values()) {
      this.#enqueue(target, { kind: 'collect', step })
    }
    for (const name of step.sessions) this.#passed.folded(name, Number.POSITIVE_INFINITY)
  }

  folded(steps: readonly FoldStep[]): void {
    for (const target of this.#targets.values()) {
      for (const step of steps) {
        this.#enqueue(target, { kind: 'fold', step })
      }
    }
    for (const { session, to } of steps) {
      this.#passed.folded(session, to)
    }
  }

  /** Forgets everything, for the end of a tenure. */
  end(): void {
    this.#tracks.clear()
    this.#targets.clear()
  }

  #addTarget(
    key: MemberKey,
    peer: string,
    bit: number,
    former: ReadonlyMap<MemberKey, Target>
  ): void {
    const old = former.get(key)
    // A full state that is under way was sent with an older set of entries; it is sent again.
    const mode = old?.mode === 'append' ? 'append' : 'full'
    const queue = mode === 'append' ? (old?.queue ?? []) : []
    this.#targets.set(key, { key, peer, bit, mode, queue, sent: undefined })
  }

  #carriedMask(track: Track | undefined, former: ReadonlyMap<MemberKey, Target>): number {
    let mask = 0
    for (const target of this.#targets.values()) {
      const old = former.get(target.key)
      if (old?.mode === 'append' && (track === undefined || (track.mask & old.bit) !== 0)) {
        mask |= target.bit
      }
    }
    return mask
  }

  #enqueue(target: Target, item: SendItem): void {
    if (target.mode === 'full') return
    target.queue.push(item)
    if (target.queue.length > this.#init.queueMax) {
      startOver(target)
    }
  }

  /** All replicas, and the owner's disk, which has to see folds too. */
  #allBits(): number {
    let bits = 0
    for (const { bit } of this.#targets.values()) {
      bits |= bit
    }
    return bits
  }

  /** Nobody asks for these keys again, but a former owner may still bring some that are missing. */
  #ownLimit(floor: number, entries: ReadonlyMap<number, Entry>): number {
    const first = Math.max(floor, 1)
    let to = first
    for (let entry = entries.get(to); entry !== undefined; entry = entries.get(to)) {
      if (this.#tracks.has(entry.key)) {
        break
      }
      to++
    }
    return to === first ? floor : to
  }

  #limit(lowest: number, entries: ReadonlyMap<number, Entry>): number {
    let to = lowest
    for (const [sequence, entry] of entries) {
      if (sequence < to && this.#tracks.has(entry.key)) {
        to = sequence
      }
    }
    return to
  }
}

/** The full state has to be sent (again). */
function startOver(target: Target): void {
  target.mode = 'full'
  target.queue = []
  target.sent = undefined
}
