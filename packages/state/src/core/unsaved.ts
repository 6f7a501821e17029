import type { Changes } from './copy-state.ts'
import type { Entry, EntryKey } from './entry.ts'

/** What of a copy is not on disk yet. */
export class Unsaved {
  #base = true
  // Mostly there are none: a map of each document would be much of what it takes.
  #entries: Map<EntryKey, Entry | undefined> | undefined

  base(): void {
    this.#base = true
  }

  /** The entry under a key; undefined where there is none any more. */
  entry(key: EntryKey, entry: Entry | undefined): void {
    this.#entries ??= new Map()
    this.#entries.set(key, entry)
  }

  take(): Changes {
    const entries: Entry[] = []
    const removed: EntryKey[] = []
    for (const [key, entry] of this.#entries ?? []) {
      if (entry === undefined) {
        removed.push(key)
      } else {
        entries.push(entry)
      }
    }
    const changes = { base: this.#base, entries, removed }
    this.#entries = undefined
    this.#base = false
    return changes
  }

  /** Writing failed: what stands under these keys by now has to be written. */
  putBack(changes: Changes, get: (key: EntryKey) => Entry | undefined): void {
    this.#base ||= changes.base
    for (const key of [...changes.removed, ...changes.entries.map((entry) => entry.key)]) {
      this.entry(key, get(key))
    }
  }
}
