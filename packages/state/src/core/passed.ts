import type { Entry, EntryKey } from './entry.ts'
import type { Mutants } from './mutants.ts'

/**
 * Below which key the client of each session will ask for nothing again. A client may have been
 * answered by a later owner whose updates are unknown here, so what it says counts only when all
 * replicas have confirmed something that was sent after it was heard: until then none of them had
 * handed over to another owner, and all that had been acknowledged below is here.
 */
export class Passed {
  readonly #mutants: Mutants
  #sure: Map<string, number> | undefined
  /** What is to be asked about, with the next entry. */
  #heard: Map<string, number> | undefined
  #asked: { readonly entry: EntryKey; readonly lowest: ReadonlyMap<string, number> } | undefined

  constructor(mutants: Mutants = {}) {
    this.#mutants = mutants
  }

  hear(session: string, lowest: number): void {
    if (this.#mutants.foldUnasked === true) {
      this.#count(session, Math.max(this.of(session), lowest))
    }
    const asked = this.#asked?.lowest.get(session) ?? 0
    if (lowest > Math.max(this.of(session), asked, this.#heard?.get(session) ?? 0)) {
      this.#heard ??= new Map()
      this.#heard.set(session, lowest)
    }
  }

  /** This entry goes to all replicas from now on. */
  sending(entry: Entry): void {
    if (this.#asked === undefined && this.#heard !== undefined) {
      this.#asked = { entry: entry.key, lowest: this.#heard }
      this.#heard = undefined
    }
  }

  /** Counts what was asked if all replicas have confirmed the entry that asked. */
  answered(isConfirmed: (entry: EntryKey) => boolean): void {
    if (this.#asked === undefined || !isConfirmed(this.#asked.entry)) {
      return
    }
    for (const [session, lowest] of this.#asked.lowest) {
      this.#count(session, lowest)
    }
    this.#asked = undefined
  }

  /** The entry that asked may be gone, confirmed or not. */
  askAgain(): void {
    const { lowest = [] } = this.#asked ?? {}
    this.#asked = undefined
    for (const [session, one] of lowest) {
      this.hear(session, one)
    }
  }

  of(session: string): number {
    return this.#sure?.get(session) ?? 0
  }

  folded(session: string, to: number): void {
    if (this.of(session) <= to) {
      this.#sure?.delete(session)
    }
  }

  #count(session: string, lowest: number): void {
    this.#sure ??= new Map()
    this.#sure.set(session, lowest)
  }
}
