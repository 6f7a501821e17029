import type { Member } from '@murmuration/interface'
import type { DocumentCopy, FoldStep } from './document-copy.ts'
import { ownSessionPrefix } from './document-copy.ts'
import { sameExecution } from './entry.ts'
import type { Entry, EntryKey } from './entry.ts'
import { copiesNeeded, memberKey } from './homes.ts'
import type { MemberKey } from './homes.ts'
import type { Mutants } from './mutants.ts'

/** Whoever waits for copies of an entry. */
export interface Waiter {
  /** Copies on members of the home set; `own` waits for the owner's disk, in the home set or not. */
  readonly copies: number | 'own'
  readonly confirmed: (copies: number) => void
}

/** An entry that not every replica has confirmed. */
interface Track {
  entry: Entry
  /** Bit i: member i of the home set holds it durably. */
  mask: number
  waiters: Waiter[]
}

export type SendItem =
  | { readonly kind: 'entry'; readonly entry: Entry }
  | { readonly kind: 'fold'; readonly step: FoldStep }

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
  readonly self: MemberKey
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
  readonly #mutants: Mutants
  readonly #tracks = new Map<EntryKey, Track>()
  #home: readonly Member[] = []
  #targets = new Map<MemberKey, Target>()
  #homeBits = 0
  #selfBit = 0
  /** Entries of earlier views that are not on W replicas of this view yet. */
  #unsafe = new Set<EntryKey>()
  #lowest = new Map<string, number>()
  #unacknowledged = 0

  constructor(init: ReplicationInit) {
    this.#init = init
    this.#mutants = init.mutants ?? {}
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
    return this.#unacknowledged
  }

  get targets(): IterableIterator<Target> {
    return this.#targets.values()
  }

  /**
   * Takes up the home set of a new view. What a member has confirmed stays confirmed where the same
   * incarnation is still in the set: it stored the entry before it adopted any later view.
   */
  rebase(home: readonly Member[]): void {
    const former = this.#targets
    const formerTracks = new Map(this.#tracks)
    this.#home = home
    this.#targets = new Map()
    this.#homeBits = 0
    this.#selfBit = 0
    home.forEach((member, at) => this.#addTarget(memberKey(member), member.peer, 1 << at, former))
    this.#homeBits = (1 << home.length) - 1
    if (!this.#targets.has(this.#init.self)) {
      // Kept on disk for `ack: 'local'` and a quick restart, but not counted.
      this.#addTarget(this.#init.self, selfPeer(this.#init.self), 1 << home.length, former)
    }
    this.#selfBit = this.#targets.get(this.#init.self)?.bit ?? 0
    this.#tracks.clear()
    this.#unsafe.clear()
    this.#unacknowledged = 0
    for (const entry of this.#init.copy.entries()) {
      const track = formerTracks.get(entry.key)
      const mask = this.#carriedMask(track, former)
      this.#track({ entry, mask, waiters: track?.waiters ?? [] })
    }
    for (const track of this.#tracks.values()) {
      if (this.#count(track) < this.needed) {
        this.#unsafe.add(track.entry.key)
      }
    }
    for (const track of [...this.#tracks.values()]) {
      this.#settleTrack(track)
    }
  }

  /** A new entry, or one with a new stamp: to be sent to all. */
  added(entry: Entry): void {
    const former = this.#tracks.get(entry.key)
    if (former !== undefined) {
      this.#forgetTrack(former)
    }
    this.#track({ entry, mask: 0, waiters: former?.waiters ?? [] })
    for (const target of this.#targets.values()) {
      this.#enqueue(target, { kind: 'entry', entry })
    }
  }

  /** Calls back as soon as the entry has the copies. */
  wait(entry: Entry, waiter: Waiter): () => void {
    const track = this.#tracks.get(entry.key)
    if (track === undefined) {
      waiter.confirmed(this.#home.length)
      return () => {}
    }
    track.waiters.push(waiter)
    this.#settleTrack(track)
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
    }
    return target.queue.splice(0, count)
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
      target.mode = 'full'
      target.queue = []
      target.sent = undefined
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
    const former = new Map(this.#tracks)
    this.#tracks.clear()
    this.#unacknowledged = 0
    for (const entry of this.#init.copy.entries()) {
      const track = former.get(entry.key)
      const waiters = track !== undefined && sameExecution(track.entry, entry) ? track.waiters : []
      this.#track({ entry, mask: 0, waiters })
    }
    for (const key of this.#unsafe) {
      if (!this.#tracks.has(key)) {
        this.#unsafe.delete(key)
      }
    }
    for (const target of this.#targets.values()) {
      target.mode = 'full'
      target.queue = []
      target.sent = undefined
    }
  }

  /** The member needs the full state: nothing that it confirmed before is relied on. */
  needsFull(member: MemberKey): void {
    const target = this.#targets.get(member)
    if (target === undefined) {
      return
    }
    target.mode = 'full'
    target.queue = []
    target.sent = undefined
    for (const entry of this.#init.copy.entries()) {
      const track = this.#tracks.get(entry.key)
      if (track === undefined) {
        this.#track({ entry, mask: this.#allBits() & ~target.bit, waiters: [] })
      } else if (track.mask & target.bit) {
        const before = this.#count(track)
        track.mask &= ~target.bit
        if (before >= this.needed && this.#count(track) < this.needed) {
          this.#unacknowledged++
        }
      }
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
      if (track?.entry === entry && (track.mask & target.bit) === 0) {
        const before = this.#count(track)
        track.mask |= target.bit
        if (before < this.needed && this.#count(track) >= this.needed) {
          this.#unacknowledged--
        }
        this.#settleTrack(track)
      }
    }
  }

  /** Replicas that hold the full state. */
  synced(): number {
    let count = 0
    for (const target of this.#targets.values()) {
      if (target.mode === 'append' && (target.bit & this.#homeBits) !== 0) {
        count++
      }
    }
    return count
  }

  get allSynced(): boolean {
    return this.synced() === this.#home.length
  }

  /** Everything of earlier views is on W replicas of this one. */
  get safe(): boolean {
    return this.synced() >= this.needed && this.#unsafe.size === 0
  }

  /** Entries and base are on W replicas, the newest ones included. */
  get durable(): boolean {
    return this.synced() >= this.needed && this.#unacknowledged === 0
  }

  /** The client has had confirmed everything of the session below `lowest`. */
  passed(session: string, lowest: number): void {
    if (lowest > (this.#lowest.get(session) ?? 0)) {
      this.#lowest.set(session, lowest)
    }
  }

  /**
   * How far each session can be folded: only what all replicas have confirmed, and what nobody will
   * ask for again. The caller checks that only one home set is unsettled.
   */
  foldable(): FoldStep[] {
    const steps: FoldStep[] = []
    if (!this.allSynced) {
      return steps
    }
    const { copy } = this.#init
    for (const [session, floor, entries] of copy.openSessions()) {
      const limit = this.#limitOf(session, floor, entries)
      if (limit > floor) {
        steps.push(copy.planFold(session, limit))
      }
    }
    return steps
  }

  folded(steps: readonly FoldStep[]): void {
    for (const target of this.#targets.values()) {
      for (const step of steps) {
        this.#enqueue(target, { kind: 'fold', step })
      }
    }
    for (const { session, to } of steps) {
      if ((this.#lowest.get(session) ?? 0) <= to) {
        this.#lowest.delete(session)
      }
    }
  }

  /** Gives all waiters back, for the end of a tenure. */
  end(): Waiter[] {
    const waiters = [...this.#tracks.values()].flatMap((track) => track.waiters)
    this.#tracks.clear()
    this.#targets.clear()
    return waiters
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

  #track(track: Track): void {
    if ((track.mask & this.#allBits()) === this.#allBits() && track.waiters.length === 0) {
      return
    }
    this.#tracks.set(track.entry.key, track)
    if (this.#count(track) < this.needed) {
      this.#unacknowledged++
    }
  }

  #forgetTrack(track: Track): void {
    this.#tracks.delete(track.entry.key)
    if (this.#count(track) < this.needed) {
      this.#unacknowledged--
    }
  }

  #settleTrack(track: Track): void {
    const count = this.#count(track)
    if (count >= this.needed) {
      this.#unsafe.delete(track.entry.key)
    }
    if (track.waiters.length > 0) {
      const own = (track.mask & this.#selfBit) !== 0
      const met = ({ copies }: Waiter): boolean => (copies === 'own' ? own : count >= copies)
      const ready = track.waiters.filter(met)
      track.waiters = track.waiters.filter((waiter) => !met(waiter))
      for (const waiter of ready) {
        waiter.confirmed(Math.max(count, waiter.copies === 'own' ? 1 : 0))
      }
    }
    if ((track.mask & this.#allBits()) === this.#allBits() && track.waiters.length === 0) {
      this.#tracks.delete(track.entry.key)
    }
  }

  #enqueue(target: Target, item: SendItem): void {
    if (target.mode === 'full') {
      return
    }
    target.queue.push(item)
    if (target.queue.length > this.#init.queueMax) {
      target.mode = 'full'
      target.queue = []
      target.sent = undefined
    }
  }

  /** All replicas, and the owner's disk, which has to see folds too. */
  #allBits(): number {
    return this.#homeBits | this.#selfBit
  }

  #count({ mask }: Track): number {
    const bits = this.#mutants.countOutsideHome === true ? mask : mask & this.#homeBits
    let count = 0
    for (let rest = bits; rest !== 0; rest &= rest - 1) {
      count++
    }
    return count
  }

  #limitOf(session: string, floor: number, entries: ReadonlyMap<number, Entry>): number {
    if (session.startsWith(ownSessionPrefix)) {
      // Nobody asks for these keys again, but a former owner may still bring some that are missing.
      let to = Math.max(floor, 1)
      for (let entry = entries.get(to); entry !== undefined; entry = entries.get(to)) {
        if (this.#tracks.has(entry.key)) {
          break
        }
        to++
      }
      return to === 1 ? floor : to
    }
    let to = this.#lowest.get(session) ?? 0
    for (const [sequence, entry] of entries) {
      if (sequence < to && this.#tracks.has(entry.key)) {
        to = sequence
      }
    }
    return to
  }
}

function selfPeer(key: MemberKey): string {
  return key.slice(0, key.indexOf('#'))
}
