import type { Document } from '@murmuration/crdt'
import type { Clock, Epoch, VersionVector } from '@murmuration/interface'
import { defaults } from './defaults.ts'
import { Recent } from './recent.ts'

interface Echo {
  readonly document: Document
  readonly epoch: Epoch
}

/** Small documents that came back with updates, so that the next update soon after needs no read. */
export class Echoes {
  readonly #echoes: Recent<Echo>

  constructor(clock: Clock) {
    this.#echoes = new Recent(clock, { keptMs: defaults.echoMs, max: defaults.echoesMax })
  }

  get(id: string): Document | undefined {
    return this.#echoes.get(id)?.document
  }

  /** Answers may overtake each other: of one owner, the document with more in it stays. */
  set(id: string, document: Document, epoch: Epoch): void {
    const known = this.#echoes.get(id)
    if (known !== undefined && isSame(known.epoch, epoch)) {
      if (!includes(document.version, known.document.version)) return
    }
    this.#echoes.set(id, { document, epoch })
  }

  /** Something was done to the agent that the document does not show. */
  forget(id: string): void {
    this.#echoes.forget(id)
  }
}

function isSame(a: Epoch, b: Epoch): boolean {
  return a.view === b.view && a.boot === b.boot && a.branch === b.branch
}

function includes(version: VersionVector, other: VersionVector): boolean {
  return Object.entries(other).every(([writer, counter]) => (version[writer] ?? 0) >= counter)
}
