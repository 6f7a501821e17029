import type { AgentRecord } from '@murmuration/interface'
import type { Base } from './base.ts'
import type { Closings } from './closings.ts'
import type { Entry, EntryKey } from './entry.ts'
import type { EntrySet } from './entry-set.ts'
import { isForgettable, never, sessionsToForget } from './sessions.ts'
import type { Since } from './sessions.ts'

/** What can be asked of the base and the entries of a copy. */
export class CopyView {
  readonly record: AgentRecord
  readonly #base: Base
  readonly #entries: EntrySet

  constructor(record: AgentRecord, base: Base, entries: EntrySet) {
    this.record = record
    this.#base = base
    this.#entries = entries
  }

  get entryCount(): number {
    return this.#entries.size
  }

  get entryBytes(): number {
    return this.#entries.bytes
  }

  get baseBytes(): number {
    return this.#base.bytes.length
  }

  /** Writers that have left its version. */
  get closings(): Closings {
    return this.#base.closings
  }

  get(key: EntryKey): Entry | undefined {
    return this.#entries.get(key)
  }

  /** Since when the session is open here; where it is not known, since when it can be. */
  sinceOf(session: string): Since {
    return this.#entries.sinceOf(session) ?? this.opening(session)
  }

  /** Since when a session is open that is not known yet. */
  opening(session: string): Since {
    return isForgettable(session) ? this.#base.forgotten : never
  }

  get forgotten(): Since {
    return this.#base.forgotten
  }

  get sessionCount(): number {
    return this.#entries.sessionCount
  }

  /** Sessions that have to make room. */
  sessionsToForget(max: number, isConfirmed: (entry: Entry) => boolean): string[] {
    return sessionsToForget(this.#entries, max, isConfirmed)
  }

  floorOf(session: string): number {
    return this.#entries.floorOf(session)
  }

  entries(): IterableIterator<Entry> {
    return this.#entries.values()
  }

  /** Sessions with entries above their floor. */
  openSessions(): IterableIterator<readonly [string, number, ReadonlyMap<number, Entry>]> {
    return this.#entries.openSessions()
  }
}
