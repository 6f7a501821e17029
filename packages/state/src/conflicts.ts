import type { Conflict } from '@murmuration/crdt'
import type { Clock } from '@murmuration/interface'
import type { HeldDocument } from './context.ts'

/** Documents that are looked through before others have their turn. */
const atOnceMax = 32

interface ConflictsInit {
  readonly clock: Pick<Clock, 'schedule'>
  /** Looking costs reading the document: not done for nobody. */
  readonly isHeard: () => boolean
  readonly tell: (held: HeldDocument, conflicts: readonly Conflict[]) => void
}

/**
 * Finds values that exclude each other in the documents that this peer owns: when it begins to serve
 * one, and whenever another copy was joined with it. An owner alone makes none, as it has seen what it
 * overwrites.
 */
export class Conflicts {
  readonly #init: ConflictsInit
  readonly #waiting = new Set<HeldDocument>()
  /** What was told of a document and still stands. */
  readonly #told = new WeakMap<HeldDocument, ReadonlySet<string>>()
  #cancel: (() => void) | undefined

  constructor(init: ConflictsInit) {
    this.#init = init
  }

  look(held: HeldDocument): void {
    if (!this.#init.isHeard()) return
    this.#waiting.add(held)
    this.#cancel ??= this.#init.clock.schedule(0, () => this.#work())
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#waiting.clear()
  }

  #work(): void {
    this.#cancel = undefined
    let count = 0
    for (const held of this.#waiting) {
      if (count++ === atOnceMax) break
      this.#waiting.delete(held)
      const fresh = held.tenure === undefined ? [] : this.#fresh(held)
      if (fresh.length > 0) this.#init.tell(held, fresh)
    }
    if (this.#waiting.size > 0) {
      this.#cancel ??= this.#init.clock.schedule(0, () => this.#work())
    }
  }

  #fresh(held: HeldDocument): readonly Conflict[] {
    const standing = held.copy.live.conflicts()
    const told = this.#told.get(held)
    this.#told.set(held, new Set(standing.map(nameOf)))
    return standing.filter((one) => told?.has(nameOf(one)) !== true)
  }
}

/** Another one as soon as another update takes part in it. */
function nameOf({ dots, field }: Conflict): string {
  return JSON.stringify([field, ...dots.map(({ writer, counter }) => [writer, counter])])
}
