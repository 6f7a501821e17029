import type { Member, View } from '@murmuration/interface'
import type { DocumentCopy } from './core/document-copy.ts'
import type { Homes } from './core/homes.ts'

/** What the rest of the package needs of the tenure of a held document. */
export interface HeldTenure {
  /** The copy was joined with another one: replicas have to hear of it. */
  merged(): void
  /** Everything that the document holds is durable on W replicas. */
  readonly durable: boolean
}

interface Location {
  readonly view: View
  readonly owner: string | undefined
  readonly home: readonly Member[]
}

/** One document of this peer: its copy and where it belongs. */
export class Held<T extends HeldTenure = HeldTenure> {
  readonly copy: DocumentCopy
  /** Part of what was on disk could not be read; the copy does not count until it was replaced. */
  damaged = false
  /** It was forgotten, and its keys are (being) deleted. */
  dropped = false
  /** Monotonic time of the last change. */
  changedAt = 0
  tenure: T | undefined
  #location: Location | undefined

  constructor(copy: DocumentCopy) {
    this.copy = copy
  }

  get id(): string {
    return this.copy.record.id
  }

  /** Where the document belongs under a view; kept until another view is asked for. */
  locate(view: View, homes: Homes): Location {
    if (this.#location?.view !== view) {
      const { record } = this.copy
      this.#location = {
        view,
        owner: homes.ownerOf(record)?.peer,
        home: homes.homeOf(record)
      }
    }
    return this.#location
  }
}
