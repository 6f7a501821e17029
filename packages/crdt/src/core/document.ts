import type { Operation, VersionVector } from '@murmuration/interface'
import {
  BelowFloorError,
  InvalidParametersError,
  InvalidSignatureError,
  MalformedMessageError
} from '@murmuration/interface'
import { limits } from '../defaults.ts'
import type { Collection } from './collection.ts'
import { collectState, floorOf, retirableWriters } from './collection.ts'
import type { Conflict } from './conflicts.ts'
import { conflictsAfter, conflictsOf, noConflicts } from './conflicts.ts'
import type { Run } from './context.ts'
import { counterOf, dotOf, writerOf } from './context.ts'
import type { Recording } from './draft.ts'
import { createRecording } from './draft.ts'
import type { ExecuteOptions } from './execute.ts'
import { applyPlanned, checkWriter, planUpdate } from './execute.ts'
import { hasGapBelow, judgeFloor, writerName } from './judging.ts'
import type { GoneWriters } from './judging.ts'
import { mergeStates } from './merge.ts'
import { readDocument, readPlain } from './read.ts'
import type { Schema, Value } from './schema.ts'
import { decodeState, encodeState } from './snapshot.ts'
import type { CollectionReport } from './stability.ts'
import { applyUpdate, forgetDots, State } from './state.ts'
import { decodeDelta } from './wire.ts'

/** The name of one change: the counter-th of its writer in this document. */
export interface Dot {
  readonly writer: string
  /** From 1, without gaps at the writer. */
  readonly counter: number
}

/** What an execution did. */
export interface Execution {
  /** What other replicas apply. */
  readonly delta: Uint8Array
  /** The dots that were minted, in order; at least one for each operation. */
  readonly dots: readonly Dot[]
  /** Dots of other updates whose writes this one removed or overwrote. */
  readonly removed: readonly Dot[]
}

/** What applying a delta did. */
export interface Application {
  /**
   * `applied`: it is in. `gap`: it is in, and updates that came before it are not here yet, so that
   * the version stays behind: see `missing`. `duplicate`: all of it was seen (or forgotten) before,
   * nothing changed. `below-floor`: it names writers that are new or gone, and was made before the
   * document's floor, so that nobody can tell which; nothing changed.
   */
  readonly status: 'applied' | 'gap' | 'duplicate' | 'below-floor'
  /** Updates that are known to exist and have not arrived: holes, ends included. */
  readonly missing: readonly Run[]
  /** Fields of which this delta has left more than one concurrent value. */
  readonly conflicts: readonly Conflict[]
}

/** What is known of where a delta comes from. */
export interface ApplyOptions {
  /**
   * Whether its signer may write under a name, and these dots: `count` of them from `first` on.
   * InvalidSignatureError for a delta of another writer: a peer that could mint dots of others could
   * make their true ones count as seen.
   */
  readonly isWriter?: (writer: string, first: number, count: number) => boolean
  /**
   * Which updates belong to writers that collections have taken out, where that is known: the names
   * are enough where nothing of them comes later. With it a late delta can be told from a new one,
   * and is taken.
   */
  readonly gone?: GoneWriters
}

/**
 * A set of self-describing replicated fields. Its state is a function of the set of updates in it:
 * whatever their order, repetition or grouping, equal sets are equal bytes.
 */
export interface Document {
  /** The contiguous part of what was seen, per writer. */
  readonly version: VersionVector
  /** Whether it contains updates of a writer without some that came before them. */
  readonly hasHoles: boolean
  /** The highest update of each writer that is here, also where others before it are missing. */
  readonly heads: VersionVector
  /** Updates that are known to exist and are not here: holes, ends included. */
  readonly missing: readonly Run[]
  /**
   * Executes operations under new dots and applies them. InvalidParametersError for operations
   * that are wrong, do not fit or need too much space; then nothing is changed.
   */
  execute(operations: readonly Operation[], options: ExecuteOptions): Execution
  /** Applies a delta, in any order, any number of times. MalformedMessageError changes nothing. */
  apply(delta: Uint8Array, options?: ApplyOptions): Application
  /**
   * Takes in all that another document has. True if this one changed. BelowFloorError unless both
   * have the same floor: bring the lower one up by `collect`, or give it up for the higher one.
   */
  merge(other: Document): boolean
  /** Fields that hold concurrent values now: last-writer-wins, multi-value and opaque ones. */
  conflicts(): readonly Conflict[]
  /** How many collections of writers this document has been through. */
  readonly floor: number
  /** What this copy says when a collection is prepared. */
  report(): CollectionReport
  /**
   * Takes writers that are gone out of the version and out of all counters. `gap`: something of them
   * is missing or lives here, or collections before this one are; nothing changed, and this replica
   * needs the full state of another one.
   */
  collect(collection: Collection): 'collected' | 'duplicate' | 'gap'
  /**
   * Removes what these dots wrote, and counts them as seen, also if they arrive later. Increments
   * that are in already stay. For dots that are superseded or whose removal is decided elsewhere.
   */
  forget(dots: readonly Dot[]): void
  /** Canonical bytes. */
  encode(): Uint8Array
  /** An independent copy. */
  clone(): Document
  /** A fresh, unconnected value; fields that were never written have the zero of their type. */
  value<const S extends Schema>(schema: S): Value<S>
  /** All fields without a schema, safe for JSON: bigints as text, bytes as arrays. */
  toJSON(): unknown
  /** Records changes on a typed overlay; the document stays as it is. */
  draft<const S extends Schema>(schema: S): Recording<S>
}

const noRuns: readonly Run[] = Object.freeze([])

class ReplicatedDocument implements Document {
  #state: State
  /** An upper bound of the encoded size, exact after it was measured. */
  #bytes: number
  #isExact = true

  constructor(state: State, bytes: number) {
    this.#state = state
    this.#bytes = bytes
  }

  /** The state behind a document, which must be one of this package. */
  static stateOf(document: Document): State {
    if (document instanceof ReplicatedDocument) return document.#state
    // Another copy of this package: its bytes are the common language.
    return decodeState(document.encode())
  }

  get hasHoles(): boolean {
    return this.#state.context.runCount > 0
  }

  get version(): VersionVector {
    return this.#counters((place) => this.#state.context.prefix(place))
  }

  get heads(): VersionVector {
    return this.#counters((place) => this.#state.context.highest(place))
  }

  get missing(): readonly Run[] {
    const { context, pending } = this.#state
    if (context.runCount === 0 && pending.size === 0) return noRuns
    const known = context.writers.map((_, place) => context.highest(place))
    for (const key of pending) {
      for (const dot of this.#state.get(key)?.pending ?? []) {
        const place = writerOf(dot)
        known[place] = Math.max(known[place] ?? 0, counterOf(dot))
      }
    }
    const missing: Run[] = []
    for (const [place, highest] of known.entries()) context.missing(place, highest, missing)
    return missing
  }

  execute(operations: readonly Operation[], options: ExecuteOptions): Execution {
    const planned = planUpdate(this.#state, operations, options)
    const refusal = this.#refusal(planned.delta, operations.length)
    if (refusal !== undefined) throw new InvalidParametersError(refusal)
    applyPlanned(planned)
    this.#grow(planned.delta)
    const dots: Dot[] = []
    const { writer } = options
    for (let i = 0; i < planned.count; i++) dots.push({ writer, counter: planned.first + i })
    return { delta: planned.delta, dots, removed: planned.removed.map((dot) => this.#name(dot)) }
  }

  apply(delta: Uint8Array, options: ApplyOptions = {}): Application {
    const state = this.#state
    const decoded = decodeDelta(delta, state)
    const { isWriter } = options
    const { first, count } = decoded
    if (isWriter !== undefined && !isWriter(writerName(decoded, state), first, count)) {
      throw new InvalidSignatureError('the delta has dots of a writer that is not its signer')
    }
    const judged = judgeFloor(decoded, state, options.gone)
    if (typeof judged === 'string') {
      return { status: judged, missing: this.missing, conflicts: noConflicts }
    }
    const update = judged
    const refusal = this.#refusal(delta, update.effects.length)
    if (refusal !== undefined) throw new MalformedMessageError(refusal)
    for (const writer of update.newcomers) state.context.intern(writer)
    const applied = applyUpdate(state, update)
    if (applied) this.#grow(delta)
    const { missing } = this
    if (!applied) return { status: 'duplicate', missing, conflicts: noConflicts }
    const conflicts = conflictsAfter(state, update.effects)
    return { status: hasGapBelow(update, state) ? 'gap' : 'applied', missing, conflicts }
  }

  merge(other: Document): boolean {
    if (other.floor !== this.floor) {
      throw new BelowFloorError(`floors differ: ${this.floor} here, ${other.floor} there`)
    }
    const before = this.encode()
    const merged = this.#state.clone()
    mergeStates(merged, ReplicatedDocument.stateOf(other))
    const after = encodeState(merged)
    if (
      after.length > limits.documentBytesMax ||
      merged.fields.size > limits.fieldsMax ||
      merged.context.writers.length > limits.writersMax ||
      merged.context.runCount > limits.holesMax
    ) {
      throw new InvalidParametersError('the merged document would exceed its limits')
    }
    this.#state = merged
    this.#bytes = after.length
    this.#isExact = true
    return before.length !== after.length || after.some((byte, i) => byte !== before[i])
  }

  forget(dots: readonly Dot[]): void {
    for (const { writer, counter } of dots) {
      checkWriter(writer)
      if (!Number.isSafeInteger(counter) || counter < 1 || counter > limits.counterMax) {
        throw new InvalidParametersError('a dot needs a counter from 1')
      }
    }
    const { context } = this.#state
    const writers = new Set(dots.map(({ writer }) => writer))
    const newcomers = [...writers].filter((writer) => context.place(writer) === undefined).length
    if (context.writers.length + newcomers > limits.writersMax) {
      throw new InvalidParametersError('too many writers')
    }
    if (context.runCount + dots.length > limits.holesMax) {
      throw new InvalidParametersError('too many holes')
    }
    forgetDots(
      this.#state,
      dots.map(({ writer, counter }) => dotOf(context.intern(writer), counter))
    )
    this.#isExact = false
  }

  conflicts(): readonly Conflict[] {
    return conflictsOf(this.#state)
  }

  get floor(): number {
    return floorOf(this.#state.context)
  }

  report(): CollectionReport {
    return {
      floor: this.floor,
      version: this.version,
      retirable: retirableWriters(this.#state)
    }
  }

  collect(collection: Collection): 'collected' | 'duplicate' | 'gap' {
    const { floor, writers } = collection
    if (!Number.isSafeInteger(floor) || floor < 1 || floor > limits.counterMax) {
      throw new InvalidParametersError('a collection needs a floor from 1')
    }
    for (const writer of Object.keys(writers)) checkWriter(writer)
    const result = collectState(this.#state, collection)
    // Read back, the table of writers is as small as what is left.
    if (result === 'collected') this.#state = decodeState(this.encode())
    return result
  }

  encode(): Uint8Array {
    const bytes = encodeState(this.#state)
    this.#bytes = bytes.length
    this.#isExact = true
    return bytes
  }

  clone(): Document {
    return new ReplicatedDocument(this.#state.clone(), this.#bytes)
  }

  value<const S extends Schema>(schema: S): Value<S> {
    // Built by name from the same schema that the type is computed from.
    return readDocument(this.#state, schema) as Value<S>
  }

  toJSON(): unknown {
    return readPlain(this.#state)
  }

  draft<const S extends Schema>(schema: S): Recording<S> {
    return createRecording(this.#state, schema)
  }

  #name(dot: number): Dot {
    const writer = this.#state.context.writers[writerOf(dot)] ?? ''
    return { writer, counter: counterOf(dot) }
  }

  #counters(of: (place: number) => number): VersionVector {
    const counters: Record<string, number> = {}
    for (const [place, writer] of this.#state.context.writers.entries()) {
      const counter = of(place)
      if (counter > 0) counters[writer] = counter
    }
    return counters
  }

  /** Why the document has no room for a delta, if it has none. */
  #refusal(delta: Uint8Array, fields: number): string | undefined {
    if (this.#state.fields.size + fields > limits.fieldsMax)
      return 'the document has too many fields'
    if (this.#state.context.runCount >= limits.holesMax) return 'the document has too many holes'
    // A delta at most doubles when it becomes part of a document with a larger writer table.
    const growth = delta.length * 2
    if (this.#bytes + growth > limits.documentBytesMax && !this.#isExact) this.encode()
    if (this.#bytes + growth <= limits.documentBytesMax) return undefined
    return `the document would exceed ${limits.documentBytesMax} bytes`
  }

  #grow(delta: Uint8Array): void {
    this.#bytes += delta.length * 2
    this.#isExact = false
  }
}

/** An empty document. */
export function createDocument(): Document {
  return new ReplicatedDocument(new State(), 3)
}

/**
 * A document from its bytes, which are decoded and checked completely. MalformedMessageError if
 * they are damaged, too large, or not in canonical form.
 */
export function decodeDocument(bytes: Uint8Array): Document {
  return new ReplicatedDocument(decodeState(bytes), bytes.length)
}
