import type { Dot } from '@murmuration/crdt'
import type { Floor } from './copy-state.ts'
import { combine, digestText, emptyDigest } from './digest.ts'
import type { Digest } from './digest.ts'
import type { Entry, EntryKey, Void } from './entry.ts'
import { compareSince, isForgettable, never } from './sessions.ts'
import type { Since } from './sessions.ts'

interface Session {
  floor: number
  /** When it was opened, for the base here; undefined until something tells. */
  since: Since | undefined
  /** Undefined where there are none: of most sessions only the floor is left. */
  entries: Map<number, Entry> | undefined
  /** Entries that tell of another opening. */
  others: number
}

const noEntries: ReadonlyMap<number, Entry> = new Map()
const noVoids: readonly Void[] = []

/**
 * The floors of a document and the entries above them, with what is found by looking at all of
 * them kept up to date: their number, size and digest, who voids whom, and whose dots are whose.
 */
export class EntrySet {
  readonly #sessions = new Map<string, Session>()
  #voided: Map<EntryKey, Void[]> | undefined
  #byDot: Map<string, Map<number, Entry>> | undefined
  #count = 0
  #bytes = 0
  #digest: Digest = emptyDigest

  get size(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Of the entries alone. */
  get digest(): Digest {
    return this.#digest
  }

  get(key: EntryKey): Entry | undefined {
    const at = key.indexOf('/')
    return this.#sessions.get(key.slice(at + 1))?.entries?.get(Number(key.slice(0, at)))
  }

  floorOf(session: string): number {
    return this.#sessions.get(session)?.floor ?? 0
  }

  setFloor(name: string, floor: number, since: Since): void {
    const session = this.#session(name)
    session.floor = floor
    session.since ??= since
    this.open(name, since)
  }

  /** The session was opened then. True if {@link floors} changed by that. */
  open(name: string, since: Since): boolean {
    if (compareSince(this.sinceOf(name) ?? never, since) === 0) return false
    const session = this.#session(name)
    const wasListed = isListed(session)
    session.since = since
    session.others = 0
    for (const entry of session.entries?.values() ?? []) {
      session.others += tellsOther(session, entry)
    }
    return wasListed || isListed(session)
  }

  /** The same, where it was not opened later. */
  raise(name: string, since: Since): boolean {
    return compareSince(this.sinceOf(name) ?? never, since) < 0 && this.open(name, since)
  }

  /** Undefined where nothing is known of the session. */
  sinceOf(name: string): Since | undefined {
    const session = this.#sessions.get(name)
    return session === undefined || isEmpty(session) ? undefined : session.since
  }

  /** Names of sessions, and how many there are at most. */
  sessions(): IterableIterator<string> {
    return this.#sessions.keys()
  }

  get sessionCount(): number {
    return this.#sessions.size
  }

  /** Instead of all floors that were there. */
  replaceFloors(floors: readonly Floor[]): void {
    for (const name of this.sessions()) this.dropFloor(name)
    for (const [name, floor, since = never] of floors) this.setFloor(name, floor, since)
  }

  /** Only its entries stay, if there are any. */
  dropFloor(name: string): void {
    const session = this.#sessions.get(name)
    if (session === undefined) return
    session.floor = 0
    if (session.entries === undefined) this.#sessions.delete(name)
  }

  floors(): Floor[] {
    const floors: Floor[] = []
    for (const [name, session] of this.#sessions) {
      const { floor, since = never } = session
      if (isListed(session)) floors.push(since.length > 0 ? [name, floor, since] : [name, floor])
    }
    return floors
  }

  get floorsDigest(): Digest {
    let digest = emptyDigest
    for (const [name, floor, since] of this.floors()) {
      const opened = since === undefined ? '' : since.join('.') + '|'
      digest = combine(digest, digestText(opened + floor + '|' + name))
    }
    return digest
  }

  /**
   * What these sessions have, and which others of clients there are: a copy that forgets them without
   * having heard of another one would take that one for forgotten too. Empty where none of them goes.
   */
  digestOfRest(leaving: readonly string[]): Digest {
    if (leaving.length === 0) return emptyDigest
    const names = new Set(leaving)
    let digest = emptyDigest
    for (const [name, { entries, since = never }] of this.#sessions) {
      if (names.has(name)) {
        for (const entry of entries?.values() ?? []) digest = combine(digest, entry.digest)
      } else if (isForgettable(name)) {
        digest = combine(digest, digestText(`${since.join('.')}|${name}`))
      }
    }
    return digest
  }

  *values(): IterableIterator<Entry> {
    for (const { entries } of this.#sessions.values()) {
      if (entries !== undefined) yield* entries.values()
    }
  }

  /** All as they are now, whatever changes meanwhile. */
  list(): Entry[] {
    return [...this.values()]
  }

  /** Sessions with entries above their floor. */
  *openSessions(): IterableIterator<readonly [string, number, ReadonlyMap<number, Entry>]> {
    for (const [name, { floor, entries }] of this.#sessions) {
      if (entries !== undefined) {
        yield [name, floor, entries]
      }
    }
  }

  /** Entries of a session that a floor at `to` would leave below. */
  below(session: string, to: number): Entry[] {
    const found: Entry[] = []
    for (const [sequence, entry] of this.#sessions.get(session)?.entries ?? noEntries) {
      if (sequence < to) {
        found.push(entry)
      }
    }
    return found
  }

  /** Puts an entry in its place, instead of the one there. True if {@link floors} changed by that. */
  place(entry: Entry): boolean {
    const session = this.#session(entry.session)
    const wasListed = isListed(session)
    const present = session.entries?.get(entry.sequence)
    if (present !== undefined) this.#remove(session, present)
    session.since ??= entry.since
    session.entries ??= new Map()
    session.entries.set(entry.sequence, entry)
    session.others += tellsOther(session, entry)
    this.#count++
    this.#bytes += entry.bytes.length
    this.#digest = combine(this.#digest, entry.digest)
    for (const one of entry.voids) {
      this.#voided ??= new Map()
      const others = this.#voided.get(one.key)
      if (others === undefined) {
        this.#voided.set(one.key, [one])
      } else {
        others.push(one)
      }
    }
    this.#indexDots(entry)
    return wasListed !== isListed(session)
  }

  /** True if {@link floors} changed by that. */
  displace(entry: Entry): boolean {
    const session = this.#session(entry.session)
    const wasListed = isListed(session)
    this.#remove(session, entry)
    if (session.entries?.size === 0) session.entries = undefined
    if (isEmpty(session)) this.#sessions.delete(entry.session)
    return wasListed !== isListed(session)
  }

  #remove(session: Session, entry: Entry): void {
    session.entries?.delete(entry.sequence)
    session.others -= tellsOther(session, entry)
    this.#count--
    this.#bytes -= entry.bytes.length
    this.#digest = combine(this.#digest, entry.digest)
    for (const one of entry.voids) {
      const others = this.voidsOn(one.key).filter((other) => other !== one)
      if (others.length > 0) {
        this.#voided?.set(one.key, others)
      } else {
        this.#voided?.delete(one.key)
      }
    }
    const byCounter = this.#byDot?.get(entry.writer)
    for (let at = 0; byCounter !== undefined && at < entry.count; at++) {
      byCounter.delete(entry.first + at)
    }
  }

  /** What standing entries void of the entry under a key. */
  voidsOn(key: EntryKey): readonly Void[] {
    return this.#voided?.get(key) ?? noVoids
  }

  /** Whose dots these were; dots below the floors need no key any more. */
  voidsOf(dots: readonly Dot[]): Void[] {
    if (dots.length === 0) {
      return []
    }
    if (this.#byDot === undefined) {
      this.#byDot = new Map()
      for (const entry of this.values()) {
        this.#indexDots(entry)
      }
    }
    const offsets = new Map<Entry, number[]>()
    for (const { writer, counter } of dots) {
      const entry = this.#byDot.get(writer)?.get(counter)
      if (entry !== undefined) {
        const known = offsets.get(entry) ?? []
        known.push(counter - entry.first)
        offsets.set(entry, known)
      }
    }
    return [...offsets].map(([{ key, mark, count }, gone]) => ({
      key,
      mark,
      count,
      offsets: gone
    }))
  }

  #session(name: string): Session {
    let session = this.#sessions.get(name)
    if (session === undefined) {
      session = { floor: 0, since: undefined, entries: undefined, others: 0 }
      this.#sessions.set(name, session)
    }
    return session
  }

  /** Only owners ask whose dots are whose, so the index is made when it is first needed. */
  #indexDots(entry: Entry): void {
    if (this.#byDot === undefined || entry.count === 0) {
      return
    }
    let byCounter = this.#byDot.get(entry.writer)
    if (byCounter === undefined) {
      byCounter = new Map()
      this.#byDot.set(entry.writer, byCounter)
    }
    for (let at = 0; at < entry.count; at++) {
      byCounter.set(entry.first + at, entry)
    }
  }
}

function isEmpty({ floor, since = never, entries }: Session): boolean {
  return floor === 0 && since.length === 0 && entries === undefined
}

/** Whether its entries alone do not tell all of it. */
function isListed({ floor, since = never, entries, others }: Session): boolean {
  return floor > 0 || (entries === undefined ? since.length > 0 : others > 0)
}

function tellsOther({ since = never }: Session, entry: Entry): number {
  return compareSince(since, entry.since) === 0 ? 0 : 1
}
