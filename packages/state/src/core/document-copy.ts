import { createDocument, decodeDocument } from '@murmuration/crdt'
import type { Document, Stamp } from '@murmuration/crdt'
import { InvalidSignatureError, MessageTooLargeError } from '@murmuration/interface'
import type { AgentRecord, Epoch } from '@murmuration/interface'
import { ownSessionPrefix } from './copy-state.ts'
import type { Changes, CopyState, Execution, FoldStep } from './copy-state.ts'
import { combine, digestBytes, digestToText, emptyDigest, equalDigests } from './digest.ts'
import type { Digest } from './digest.ts'
import { checkSameEffect, compareEntries, createEntry, ownDotsOf, sameExecution } from './entry.ts'
import type { Entry, EntryKey, Void } from './entry.ts'
import { EntrySet } from './entry-set.ts'
import { compareEpochs } from './epoch.ts'
import type { Mutants } from './mutants.ts'

const emptyBase = createDocument().encode()

/**
 * One peer's copy of a document: the base, in which everything below the floors is folded, and the
 * entries above them. Under one key one entry stands, the greatest; the live document is derived
 * from base and standing entries and from nothing else, so an update counts once, whichever
 * executions of it arrive, in whichever order.
 *
 * `merge` of two copies is commutative, associative and idempotent. Folding is no merge: the owner
 * does it when all replicas hold the same entries, and the floor then replaces other verdicts.
 */
export class DocumentCopy {
  readonly record: AgentRecord
  readonly #mutants: Mutants
  readonly #entries = new EntrySet()
  #base: Uint8Array = emptyBase
  #live: Document | undefined
  #baseDigest: Digest | undefined
  #executions = 0
  #time: Stamp = { time: 0, tick: 0 }
  #writer: string | undefined
  #baseChanged = true
  readonly #changed = new Map<EntryKey, Entry | undefined>()

  constructor(record: AgentRecord, mutants: Mutants = {}) {
    this.record = record
    this.#mutants = mutants
  }

  /** The parts are checked when they are first needed; `verify` does that now. */
  static from(state: CopyState, mutants: Mutants = {}): DocumentCopy {
    const copy = new DocumentCopy(state.record, mutants)
    copy.#base = state.base
    copy.#time = state.time
    for (const [session, floor] of state.floors) {
      copy.#entries.setFloor(session, floor)
    }
    for (const entry of state.entries) {
      copy.#place(entry)
    }
    return copy
  }

  /** Base and standing entries. Only {@link execute} and merges change it; callers read. */
  get live(): Document {
    this.#live ??= this.#rebuild()
    return this.#live
  }

  /** The latest clock reading of its updates. */
  get time(): Stamp {
    return this.#time
  }

  get entryCount(): number {
    return this.#entries.size
  }

  get entryBytes(): number {
    return this.#entries.bytes
  }

  get baseBytes(): number {
    return this.#base.length
  }

  /** Nothing was ever written to it. */
  get empty(): boolean {
    return this.#entries.size === 0 && equalBytes(this.#base, emptyBase)
  }

  /** Equal for copies that hold the same. */
  get digest(): Digest {
    this.#baseDigest ??= combine(digestBytes(this.#base), this.#entries.floorsDigest)
    return combine(this.#baseDigest, this.#entries.digest)
  }

  get digestAsText(): string {
    return digestToText(this.digest)
  }

  get(key: EntryKey): Entry | undefined {
    return this.#entries.get(key)
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

  state(): CopyState {
    return {
      record: this.record,
      base: this.#base,
      floors: this.#entries.floors(),
      entries: [...this.#entries.values()],
      time: this.#time
    }
  }

  /** What must be written, once; {@link markUnsaved} puts it back if writing failed. */
  takeChanges(): Changes {
    const entries: Entry[] = []
    const removed: EntryKey[] = []
    for (const [key, entry] of this.#changed) {
      if (entry === undefined) {
        removed.push(key)
      } else {
        entries.push(entry)
      }
    }
    const changes = { base: this.#baseChanged, entries, removed }
    this.#changed.clear()
    this.#baseChanged = false
    return changes
  }

  markUnsaved(changes: Changes): void {
    this.#baseChanged ||= changes.base
    for (const key of [...changes.removed, ...changes.entries.map((entry) => entry.key)]) {
      this.#changed.set(key, this.get(key))
    }
  }

  /** Everything has to be written, as after damage on disk. */
  markAllUnsaved(): void {
    this.#baseChanged = true
    for (const entry of this.#entries.values()) {
      this.#changed.set(entry.key, entry)
    }
  }

  /** The name under which this copy mints dots; a new one after each rebuild, so none twice. */
  writer(next: () => string): string {
    if (this.#writer === undefined) {
      this.#writer = next()
      this.#executions = 0
    }
    return this.#writer
  }

  /** Runs recorded operations and remembers what they did under their key. */
  execute(execution: Execution): Entry {
    const { operations, writer, time, epoch, key, result, deltaBytesMax } = execution
    const done = this.live.execute(operations, { writer, stamp: time })
    if (done.delta.length > deltaBytesMax) {
      // Not placed, so the next look at the document does not find it.
      this.#invalidate()
      throw new MessageTooLargeError(
        `an update of ${done.delta.length} bytes, ${deltaBytesMax} allowed`
      )
    }
    const number = ++this.#executions
    const entry = createEntry({
      session: key?.session ?? ownSessionPrefix + writer,
      sequence: key?.sequence ?? number,
      stamp: epoch,
      writer,
      execution: number,
      first: done.dots[0]?.counter ?? 0,
      count: done.dots.length,
      delta: done.dots.length === 0 ? new Uint8Array(0) : done.delta,
      result,
      time,
      voids: this.#entries.voidsOf(done.removed)
    })
    this.#place(entry)
    for (const one of this.#entries.voidsOn(entry.key)) {
      // A removal of this key stands already: it saw an execution that was lost since.
      forget(this.live, entry, one)
    }
    return entry
  }

  /** The same execution under a later epoch: it then beats what other owners did meanwhile. */
  restamp(entry: Entry, epoch: Epoch): Entry {
    if (compareEpochs(entry.stamp, epoch) >= 0) {
      return entry
    }
    const stamped = createEntry({ ...entry, stamp: epoch })
    this.#place(stamped)
    return stamped
  }

  /**
   * Takes one entry of another copy. Returns the one that stands under its key afterwards, or
   * undefined where the key is below the floor. Throws `MalformedMessageError` for a bad delta,
   * `InvalidSignatureError` for one with dots of others, and changes nothing then.
   */
  add(entry: Entry): Entry | undefined {
    if (entry.sequence < this.floorOf(entry.session)) {
      return undefined
    }
    if (entry.writer === this.#writer && entry.execution > this.#executions) {
      throw new InvalidSignatureError('an update under the name of this peer that it never made')
    }
    const present = this.get(entry.key)
    if (present === undefined) {
      const { live } = this
      this.#apply(live, entry)
      this.#place(entry)
      this.#applyVoids(live, entry)
      return entry
    }
    if (compareEntries(entry, present, this.#mutants) <= 0) {
      return present
    }
    if (sameExecution(entry, present)) {
      checkSameEffect(entry, present)
    } else {
      if (entry.count > 0) {
        // Only for its checks: a bad delta must be refused before anything changes.
        createDocument().apply(entry.delta, ownDotsOf(entry))
      }
      this.#invalidate()
    }
    this.#place(entry)
    return entry
  }

  /** The step that folds everything of a session below `to`. */
  planFold(session: string, to: number): FoldStep {
    const digest = this.#entries
      .below(session, to)
      .reduce((sum, entry) => combine(sum, entry.digest), emptyDigest)
    return { session, from: this.floorOf(session), to, digest }
  }

  /** False, and nothing is done, where this copy does not hold what the steps fold. */
  fold(steps: readonly FoldStep[]): boolean {
    const due = steps.filter((step) => this.floorOf(step.session) < step.to)
    const followed = due.every((step) => {
      const own = this.planFold(step.session, step.to)
      return own.from === step.from && equalDigests(own.digest, step.digest)
    })
    if (followed && due.length > 0) {
      this.#foldEntries(due.flatMap((step) => this.#entries.below(step.session, step.to)))
      for (const step of due) {
        this.#entries.setFloor(step.session, step.to)
      }
      this.#baseChange()
    }
    return followed
  }

  /** Joins the other copy into this one. True if this one changed. */
  merge(other: DocumentCopy): boolean {
    const before = this.digest
    this.#time = later(this.#time, other.#time)
    let rebuild = false
    for (const [name, floor] of other.#entries.floors()) {
      if (floor > this.floorOf(name)) {
        rebuild = this.#raiseFloor(name, floor) || rebuild
      }
    }
    if (!equalBytes(other.#base, this.#base)) {
      const base = decodeDocument(this.#base)
      if (base.merge(decodeDocument(other.#base))) {
        this.#base = base.encode()
        this.#baseChange()
        rebuild = true
      }
    }
    if (rebuild) {
      this.#invalidate()
    }
    for (const entry of other.entries()) {
      this.add(entry)
    }
    return !equalDigests(before, this.digest)
  }

  /** Decodes everything, so that later use cannot fail. Throws `MalformedMessageError`. */
  verify(): void {
    this.#live ??= this.#rebuild()
  }

  #foldEntries(folded: readonly Entry[]): void {
    if (folded.length === this.#entries.size) {
      this.#base = this.live.encode()
    } else {
      const base = decodeDocument(this.#base)
      for (const entry of folded) {
        this.#apply(base, entry)
        this.#applyVoids(base, entry)
      }
      this.#base = base.encode()
    }
    for (const entry of folded) {
      this.#entries.displace(entry)
      this.#changed.set(entry.key, undefined)
    }
  }

  /** A floor learnt from another copy: its base carries the verdict on what is dropped here. */
  #raiseFloor(name: string, floor: number): boolean {
    const dropped = this.#entries.below(name, floor)
    for (const entry of dropped) {
      this.#entries.displace(entry)
      this.#changed.set(entry.key, undefined)
    }
    this.#entries.setFloor(name, floor)
    this.#baseChange()
    return dropped.length > 0
  }

  #baseChange(): void {
    this.#baseDigest = undefined
    this.#baseChanged = true
  }

  #invalidate(): void {
    this.#live = undefined
    this.#writer = undefined
  }

  #place(entry: Entry): void {
    this.#entries.place(entry)
    this.#changed.set(entry.key, entry)
    this.#time = later(this.#time, entry.time)
  }

  #rebuild(): Document {
    const live = decodeDocument(this.#base)
    for (const entry of this.#entries.values()) {
      this.#apply(live, entry)
    }
    return live
  }

  /** What standing entries void of it counts as seen, without effect. */
  #apply(document: Document, entry: Entry): void {
    if (entry.count === 0) {
      return
    }
    document.apply(entry.delta, ownDotsOf(entry))
    for (const one of this.#entries.voidsOn(entry.key)) {
      forget(document, entry, one)
    }
  }

  #applyVoids(document: Document, entry: Entry): void {
    for (const one of entry.voids) {
      const target = this.get(one.key)
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
function forget(document: Document, target: Entry, { mark, count, offsets }: Void): void {
  if (target.mark !== mark && target.count === count) {
    const dots = offsets.map((offset) => ({
      writer: target.writer,
      counter: target.first + offset
    }))
    document.forget(dots)
  }
}

function later(a: Stamp, b: Stamp): Stamp {
  return b.time > a.time || (b.time === a.time && b.tick > a.tick) ? b : a
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && a.every((byte, at) => byte === b[at]))
}
