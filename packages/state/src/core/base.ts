import { createDocument, decodeDocument } from '@murmuration/crdt'
import type { Document } from '@murmuration/crdt'
import type { Epoch } from '@murmuration/interface'
import { Closings } from './closings.ts'
import type { Closing } from './closings.ts'
import { combine, digestBytes, digestText, equalDigests } from './digest.ts'
import type { Digest } from './digest.ts'
import { compareEpochs } from './epoch.ts'
import type { Mutants } from './mutants.ts'
import { never as neverForgotten } from './sessions.ts'
import type { Since } from './sessions.ts'

const emptyBase: Uint8Array = createDocument().encode()

/** Which collections a base has been through: how many, and in which tenure the last one was. */
export interface Lineage {
  readonly count: number
  readonly view: number
  readonly boot: number
}

/** The parts of a base, as they travel and are stored. */
export interface BaseState {
  readonly base: Uint8Array
  /** The tenure in which it was last changed by its owner. */
  readonly folded: Epoch
  readonly lineage: Lineage
  readonly closed: readonly Closing[]
  /** When sessions were forgotten last: those that are not known may be among them. */
  readonly forgotten: Since
}

/** Takes writers out of a base, and forgets sessions, with all that they have folded. */
export interface CollectStep {
  /** Of this very base, and of what {@link EntrySet.digestOfRest} tells: who differs must not follow it. */
  readonly from: Digest
  readonly by: Epoch
  readonly closings: readonly Closing[]
  readonly sessions: readonly string[]
}

const never: Epoch = { view: 0, boot: 0 }
const noClosings = new Closings()
const noLineage: Lineage = { count: 0, view: 0, boot: 0 }

/**
 * What all replicas had when it was folded, and so every owner since has. Bases of one lineage are
 * joined like any documents. A collection begins another: in such a base writers are gone that may
 * still be named in others, which cannot be joined with it. Nothing is lost if the base that an owner
 * changed last stands instead: that owner had all that is in older ones, there or as entries.
 */
export class Base {
  readonly #mutants: Mutants
  #bytes: Uint8Array = emptyBase
  #folded: Epoch = never
  #lineage: Lineage = noLineage
  #closings = noClosings
  #forgotten = neverForgotten
  #digest: Digest | undefined

  constructor(mutants: Mutants) {
    this.#mutants = mutants
  }

  static from(state: BaseState, mutants: Mutants): Base {
    const base = new Base(mutants)
    base.#bytes = state.base
    base.#folded = state.folded
    base.#lineage = state.lineage
    base.#closings = state.closed.length === 0 ? noClosings : new Closings(state.closed)
    base.#forgotten = state.forgotten
    return base
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }

  /** Nothing was ever in it. */
  get isEmpty(): boolean {
    return equalBytes(this.#bytes, emptyBase)
  }

  get folded(): Epoch {
    return this.#folded
  }

  get forgotten(): Since {
    return this.#forgotten
  }

  /** Whether writers were taken out. */
  get isCollected(): boolean {
    return this.#lineage.count > 0
  }

  /** The floor of an owner's session is part of this: nothing without a key comes late and counts. */
  isCovered(writer: string): boolean {
    return this.#closings.hasLater(writer)
  }

  get closings(): Closings {
    return this.#mutants.takeClosed === true ? noClosings : this.#closings
  }

  get state(): BaseState {
    return {
      base: this.#bytes,
      folded: this.#folded,
      lineage: this.#lineage,
      closed: this.#closings.list,
      forgotten: this.#forgotten
    }
  }

  get digest(): Digest {
    this.#digest ??= combine(
      combine(digestBytes(this.#bytes), this.#closings.digest),
      combine(digestText(`${this.#folded.view} ${this.#folded.boot}`), this.lineageDigest)
    )
    return this.#digest
  }

  get lineageDigest(): Digest {
    const { count, view, boot } = this.#lineage
    return digestText(`lineage ${count} ${view} ${boot}`)
  }

  isOfSameLineage({ lineageDigest }: Base): boolean {
    return equalDigests(lineageDigest, this.lineageDigest)
  }

  isBefore(other: Base): boolean {
    const byCount = this.#lineage.count - other.#lineage.count
    if (this.#mutants.moreCollectedStands === true) return byCount < 0
    const byFold = compareEpochs(this.#folded, other.#folded)
    return (byFold || byCount || compareEpochs(this.#lineage, other.#lineage)) < 0
  }

  decode(): Document {
    return decodeDocument(this.#bytes)
  }

  /** A fold of this tenure. */
  fold(document: Document, by: Epoch): void {
    this.#bytes = document.encode()
    this.#advance(by)
  }

  /** Joins another base of the same lineage. True if that brought something. */
  join(other: Base): boolean {
    const before = this.digest
    this.#advance(other.#folded)
    if (!equalBytes(other.#bytes, this.#bytes)) {
      const document = this.decode()
      if (document.merge(other.decode())) this.#bytes = document.encode()
      this.#digest = undefined
    }
    return !equalDigests(before, this.digest)
  }

  /** Another base stands here from now on. */
  become(other: Base): void {
    this.#bytes = other.#bytes
    this.#folded = other.#folded
    this.#lineage = other.#lineage
    this.#closings = other.#closings
    this.#forgotten = other.#forgotten
    this.#digest = undefined
  }

  /** Takes the writers out. The caller has compared. */
  collect(step: CollectStep): void {
    const document = this.decode()
    const closings = this.#closings.with(step.closings)
    collectFrom(document, closings)
    this.#bytes = document.encode()
    this.#closings = closings
    this.#lineage = { ...step.by, count: this.#lineage.count + 1 }
    if (step.sessions.length > 0) {
      this.#forgotten = [step.by.view, step.by.boot, this.#lineage.count]
    }
    this.#advance(step.by)
  }

  #advance(by: Epoch): void {
    const { view, boot } = by
    if (compareEpochs(by, this.#folded) > 0) this.#folded = { view, boot }
    this.#digest = undefined
  }
}

/**
 * Takes out the writers that are closed and of which nothing lives. What is missing of closed ones will
 * be refused when it comes, so the rest of them is whole as it is. Returns the names.
 */
export function collectFrom(document: Document, closings: Closings): string[] {
  const given = document.missing.flatMap(({ writer, from, to }) => {
    const dots: { writer: string; counter: number }[] = []
    for (let counter = from; counter <= to && closings.has(writer, counter); counter++) {
      dots.push({ writer, counter })
    }
    return dots
  })
  document.forget(given)
  const { retirable } = document.report()
  const writers = Object.fromEntries(
    Object.entries(retirable).filter(([writer, last]) => closings.has(writer, last))
  )
  document.collect({ floor: document.floor + 1, writers })
  return Object.keys(writers)
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && a.every((byte, at) => byte === b[at]))
}
