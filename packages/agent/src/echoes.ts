import type { Document } from '@murmuration/crdt'
import type { Clock, Epoch, VersionVector } from '@murmuration/interface'
import { defaults } from './defaults.ts'

interface Echo {
  readonly document: Document
  readonly epoch: Epoch
  readonly untilMs: number
}

/** Small documents that came back with updates, so that the next update soon after needs no read. */
export class Echoes {
  readonly #clock: Clock
  readonly #echoes = new Map<string, Echo>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get(id: string): Document | undefined {
    const echo = this.#echoes.get(id)
    if (echo === undefined) return undefined
    if (this.#clock.monotonic() < echo.untilMs) return echo.document
    this.#echoes.delete(id)
    return undefined
  }

  /** Answers may overtake each other: of one owner, the document with more in it stays. */
  set(id: string, document: Document, epoch: Epoch): void {
    const known = this.#echoes.get(id)
    if (known !== undefined && isSame(known.epoch, epoch)) {
      if (!includes(document.version, known.document.version)) return
    }
    this.#echoes.delete(id)
    this.#echoes.set(id, {
      document,
      epoch,
      untilMs: this.#clock.monotonic() + defaults.echoMs
    })
    if (this.#echoes.size <= defaults.echoesMax) return
    const oldest = this.#echoes.keys().next()
    if (oldest.done !== true) this.#echoes.delete(oldest.value)
  }

  /** Something was done to the agent that the document does not show. */
  forget(id: string): void {
    this.#echoes.delete(id)
  }
}

function isSame(a: Epoch, b: Epoch): boolean {
  return a.view === b.view && a.boot === b.boot && a.branch === b.branch
}

function includes(version: VersionVector, other: VersionVector): boolean {
  return Object.entries(other).every(([writer, counter]) => (version[writer] ?? 0) >= counter)
}
