import type { Entry, EntryKey } from './entry.ts'

/** Whoever waits for copies of an entry. */
export interface Waiter {
  /**
   * Copies on members of the home set; `needed`: W of whatever home set there is by then; `majority`: more
   * than half of that; `own`: the owner's disk, in the home set or not.
   */
  readonly copies: number | 'needed' | 'majority' | 'own'
  readonly confirmed: (copies: number) => void
}

/** An entry that not every replica has confirmed. */
export interface Track {
  readonly entry: Entry
  /** Bit i: member i of the home set holds it durably. */
  mask: number
  waiters: Waiter[]
}

/** Who is asked for copies: a bit for each, and which of them count. */
export interface TrackBits {
  /** Copies before an acknowledgement. */
  readonly needed: number
  /** Copies that count. */
  readonly counted: number
  /** The owner's own disk. */
  readonly self: number
  /** All that have to confirm before an entry is done with. */
  readonly all: number
}

/** Which entries of one document have which copies, and who waits for them. */
export class Tracks {
  readonly #tracks = new Map<EntryKey, Track>()
  #bits: TrackBits = { needed: 1, counted: 0, self: 0, all: 0 }
  /** Entries of earlier views that are not on W replicas of this view yet. */
  #unsafe: Set<EntryKey> | undefined
  #unacknowledged = 0

  get size(): number {
    return this.#tracks.size
  }

  /** Entries that are not on W replicas. */
  get unacknowledged(): number {
    return this.#unacknowledged
  }

  /** Of those, entries that were there when the view was adopted. */
  get unsafe(): number {
    return this.#unsafe?.size ?? 0
  }

  get(key: EntryKey): Track | undefined {
    return this.#tracks.get(key)
  }

  has(key: EntryKey): boolean {
    return this.#tracks.has(key)
  }

  values(): IterableIterator<Track> {
    return this.#tracks.values()
  }

  /** Takes all tracks out; they are put back one by one under new bits. */
  clear(bits?: TrackBits): Map<EntryKey, Track> {
    const former = new Map(this.#tracks)
    this.#tracks.clear()
    this.#unacknowledged = 0
    this.#bits = bits ?? this.#bits
    return former
  }

  add(track: Track): void {
    if (this.#done(track)) {
      return
    }
    this.#tracks.set(track.entry.key, track)
    if (this.count(track) < this.#bits.needed) {
      this.#unacknowledged++
    }
  }

  /** Whatever is short of copies now has to get them before the view can be settled. */
  markUnsafe(): void {
    this.#unsafe = undefined
    for (const track of this.#tracks.values()) {
      if (this.count(track) < this.#bits.needed) {
        this.#unsafe ??= new Set()
        this.#unsafe.add(track.entry.key)
      }
    }
  }

  /** Entries that are gone need no copies. */
  trimUnsafe(): void {
    for (const key of this.#unsafe ?? []) {
      if (!this.#tracks.has(key)) {
        this.#unsafe?.delete(key)
      }
    }
  }

  remove(track: Track): void {
    this.#tracks.delete(track.entry.key)
    if (this.count(track) < this.#bits.needed) {
      this.#unacknowledged--
    }
  }

  setMask(track: Track, mask: number): void {
    const before = this.count(track) >= this.#bits.needed
    track.mask = mask
    const after = this.count(track) >= this.#bits.needed
    this.#unacknowledged += Number(before) - Number(after)
  }

  /** Tells whoever has enough copies, and forgets what everybody has. */
  settle(track: Track): void {
    const count = this.count(track)
    if (count >= this.#bits.needed) {
      this.#unsafe?.delete(track.entry.key)
    }
    if (track.waiters.length > 0) {
      const own = (track.mask & this.#bits.self) !== 0
      const { counted, needed } = this.#bits
      const enough = { needed, majority: Math.floor(onesIn(counted) / 2) + 1 }
      const met = ({ copies }: Waiter): boolean =>
        copies === 'own' ? own : count >= (typeof copies === 'number' ? copies : enough[copies])
      const ready = track.waiters.filter(met)
      track.waiters = track.waiters.filter((waiter) => !met(waiter))
      for (const waiter of ready) {
        waiter.confirmed(Math.max(count, waiter.copies === 'own' ? 1 : 0))
      }
    }
    if (this.#done(track)) {
      this.#tracks.delete(track.entry.key)
    }
  }

  count({ mask }: Track): number {
    return onesIn(mask & this.#bits.counted)
  }

  #done({ mask, waiters }: Track): boolean {
    return (mask & this.#bits.all) === this.#bits.all && waiters.length === 0
  }
}

function onesIn(bits: number): number {
  let count = 0
  for (let rest = bits; rest !== 0; rest &= rest - 1) {
    count++
  }
  return count
}
