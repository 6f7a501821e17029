import type { Document } from '@murmuration/crdt'
import type { Base } from './base.ts'
import { ownDotsOf } from './entry.ts'
import type { Entry, Void } from './entry.ts'
import type { EntrySet } from './entry-set.ts'

/** Makes the live document of base and standing entries, or a part of it. */
export class Deriving {
  readonly #base: Base
  readonly #entries: EntrySet

  constructor(base: Base, entries: EntrySet) {
    this.#base = base
    this.#entries = entries
  }

  live(): Document {
    const live = this.#base.decode()
    for (const entry of this.#entries.values()) {
      this.apply(live, entry)
    }
    return live
  }

  /** The base with these entries in it. */
  folded(entries: readonly Entry[]): Document {
    const base = this.#base.decode()
    for (const entry of entries) {
      this.apply(base, entry)
      this.applyVoids(base, entry)
    }
    return base
  }

  /**
   * Takes the own dots of an entry only. What it removes of writers that were taken out is gone
   * already; what standing entries void of it counts as seen, without effect.
   */
  apply(document: Document, entry: Entry): void {
    if (entry.count === 0) {
      return
    }
    const own = ownDotsOf(entry)
    const { closings, isCollected } = this.#base
    document.apply(entry.delta, isCollected ? { ...own, gone: closings } : own)
    for (const one of this.#entries.voidsOn(entry.key)) {
      forget(document, entry, one)
    }
  }

  applyVoids(document: Document, entry: Entry): void {
    for (const one of entry.voids) {
      const target = this.#entries.get(one.key)
      if (target !== undefined) {
        forget(document, target, one)
      }
    }
  }
}

/**
 * Removes what a void names of the entry that stands there. For the execution that was seen, the
 * removal is in the delta. Another execution of the same operations has its dots in the same order;
 * one of other operations is left alone, as if it came after the removal.
 */
export function forget(document: Document, target: Entry, { mark, count, offsets }: Void): void {
  if (target.mark !== mark && target.count === count) {
    const dots = offsets.map((offset) => ({
      writer: target.writer,
      counter: target.first + offset
    }))
    document.forget(dots)
  }
}
