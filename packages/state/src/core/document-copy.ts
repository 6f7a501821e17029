import { createDocument } from '@murmuration/crdt'
import type { Document, Stamp } from '@murmuration/crdt'
import { InvalidSignatureError, MessageTooLargeError } from '@murmuration/interface'
import type { AgentRecord, Epoch, VersionVector } from '@murmuration/interface'
import { Base } from './base.ts'
import type { CollectStep } from './base.ts'
import { countNames, planCollection } from './collecting.ts'
import type { CollectInit } from './collecting.ts'
import { CopyView } from './copy-view.ts'
import { laterOf, ownSessionPrefix } from './copy-state.ts'
import type { Changes, CopyState, Execution, FoldStep } from './copy-state.ts'
import { Deriving, forget } from './deriving.ts'
import { combine, digestToText, equalDigests } from './digest.ts'
import type { Digest } from './digest.ts'
import { checkSameEffect, compareEntries, createEntry, ownDotsOf, sameExecution } from './entry.ts'
import type { Entry } from './entry.ts'
import { EntrySet } from './entry-set.ts'
import { compareEpochs } from './epoch.ts'
import type { Mutants } from './mutants.ts'
import { isLate, latestSince, never } from './sessions.ts'
import type { Since } from './sessions.ts'
import { Unsaved } from './unsaved.ts'
import { includesVersion } from './versions.ts'

/**
 * One peer's copy of a document: the base, in which everything below the floors is folded, and the
 * entries above them. Under one key one entry stands, the greatest; the live document is derived
 * from base and standing entries and from nothing else, so an update counts once, whichever
 * executions of it arrive, in whichever order.
 *
 * `merge` of two copies is commutative, associative and idempotent. Folding is no merge: the owner
 * does it when all replicas hold the same entries, and the floor then replaces other verdicts.
 */
export class DocumentCopy extends CopyView {
  readonly #mutants: Mutants
  readonly #entries: EntrySet
  readonly #base: Base
  #live: Document | undefined
  #baseDigest: Digest | undefined
  #executions = 0
  /** Of these, the ones without a key: numbered without gaps, as what comes before a gap is folded. */
  #keyless = 0
  #time: Stamp = { time: 0, tick: 0 }
  #writer: string | undefined
  readonly #unsaved = new Unsaved()

  constructor(record: AgentRecord, mutants: Mutants = {}, base: Base = new Base(mutants)) {
    const entries = new EntrySet()
    super(record, base, entries)
    this.#mutants = mutants
    this.#entries = entries
    this.#base = base
  }

  /** The parts are checked when they are first needed; `verify` does that now. */
  static from(state: CopyState, mutants: Mutants = {}): DocumentCopy {
    const copy = new DocumentCopy(state.record, mutants, Base.from(state, mutants))
    copy.#time = state.time
    copy.#entries.replaceFloors(state.floors)
    for (const entry of state.entries) {
      copy.#place(entry)
    }
    return copy
  }

  /** Base and standing entries. Only {@link execute} and merges change it; callers read. */
  get live(): Document {
    this.#live ??= this.#deriving.live()
    return this.#live
  }

  /** The latest clock reading of its updates. */
  get time(): Stamp {
    return this.#time
  }

  /** Nothing was ever written to it. */
  get empty(): boolean {
    return this.#entries.size === 0 && this.#base.isEmpty
  }

  /** Equal for copies that hold the same. */
  get digest(): Digest {
    this.#baseDigest ??= combine(this.#base.digest, this.#entries.floorsDigest)
    return combine(this.#baseDigest, this.#entries.digest)
  }

  get digestAsText(): string {
    return digestToText(this.digest)
  }

  state(): CopyState {
    return {
      record: this.record,
      ...this.#base.state,
      floors: this.#entries.floors(),
      entries: this.#entries.list(),
      time: this.#time
    }
  }

  /** What must be written, once; {@link markUnsaved} puts it back if writing failed. */
  takeChanges(): Changes {
    return this.#unsaved.take()
  }

  markUnsaved(changes: Changes): void {
    this.#unsaved.putBack(changes, (key) => this.get(key))
  }

  /** Everything has to be written, as after damage on disk. */
  markAllUnsaved(): void {
    this.#unsaved.base()
    for (const entry of this.#entries.values()) {
      this.#unsaved.entry(entry.key, entry)
    }
  }

  /** The name under which this copy mints dots; a new one after each rebuild, so none twice. */
  writer(next: () => string): string {
    if (this.#writer === undefined || this.#base.closings.hasWriter(this.#writer)) {
      this.#writer = next()
      this.#executions = 0
      this.#keyless = 0
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
      sequence: key?.sequence ?? ++this.#keyless,
      stamp: epoch,
      writer,
      execution: number,
      first: done.dots[0]?.counter ?? 0,
      count: done.dots.length,
      delta: done.dots.length === 0 ? new Uint8Array(0) : done.delta,
      result,
      time,
      voids: this.#entries.voidsOf(done.removed),
      since: key === undefined ? never : this.sinceOf(key.session),
      isOfSide: epoch.branch !== undefined
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
    return this.#addOpened(entry, this.#entries.sinceOf(entry.session))
  }

  #addOpened(entry: Entry, since: Since | undefined): Entry | undefined {
    if (this.#isBelow(entry, since)) return undefined
    const { session } = entry
    const isNew = this.#entries.sinceOf(session) === undefined
    const standing = this.#take(entry)
    // Another base may have forgotten more or less than its owner had: it is opened anew here.
    const opened = since ?? this.opening(session)
    const entries = this.#entries
    if (isNew ? entries.open(session, opened) : entries.raise(session, opened)) this.#baseChange()
    return standing
  }

  #take(entry: Entry): Entry | undefined {
    if (entry.writer === this.#writer && entry.execution > this.#executions) {
      throw new InvalidSignatureError('an update under the name of this peer that it never made')
    }
    const present = this.get(entry.key)
    if (present === undefined) {
      const { live } = this
      this.#deriving.apply(live, entry)
      this.#place(entry)
      this.#deriving.applyVoids(live, entry)
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
  planFold(session: string, to: number, by: Epoch = this.#base.folded): FoldStep {
    const digest = this.#entries
      .below(session, to)
      .reduce((sum, entry) => combine(sum, entry.digest), this.#base.lineageDigest)
    return { session, from: this.floorOf(session), to, digest, by }
  }

  /** False, and nothing is done, where this copy does not hold what the steps fold. */
  fold(steps: readonly FoldStep[]): boolean {
    const due = steps.filter((step) => this.floorOf(step.session) < step.to)
    const followed = due.every((step) => {
      const own = this.planFold(step.session, step.to)
      return own.from === step.from && equalDigests(own.digest, step.digest)
    })
    const [first] = due
    if (followed && first !== undefined) {
      const folded = due.flatMap((step) => this.#entries.below(step.session, step.to))
      const opened = due.map((step) => this.sinceOf(step.session))
      this.#foldEntries(folded, first.by)
      due.forEach(({ session, to }, at) => this.#entries.setFloor(session, to, opened[at] ?? never))
      this.#baseChange()
    }
    return followed
  }

  /** Names that are kept for updates that are folded; not looked for in a document that nobody uses. */
  get names(): number {
    return this.#live === undefined ? 0 : countNames(this.#live.version, this.#entries)
  }

  /** The step that takes writers out of the version, where enough of them can go. */
  planCollection(init: Omit<CollectInit, 'writer'>): CollectStep | undefined {
    const plan = { ...init, writer: this.#writer }
    return planCollection(this.#base, this.#entries, plan, this.#mutants)
  }

  /** False, and nothing is done, where the base here, or what is known of sessions, is another. */
  collect(step: CollectStep): boolean {
    const { by, from, sessions } = step
    const here = combine(this.#base.digest, this.#entries.digestOfRest(sessions))
    if (!equalDigests(from, here)) return false
    const leaving = sessions.flatMap((name) => this.#entries.below(name, Infinity))
    if (leaving.length > 0) this.#foldEntries(leaving, by)
    this.#base.collect(step)
    for (const name of sessions) this.#entries.dropFloor(name)
    for (const [session] of this.#entries.floors()) {
      const isOwn = session.startsWith(ownSessionPrefix)
      if (isOwn && this.#base.isCovered(session.slice(ownSessionPrefix.length))) {
        this.#entries.dropFloor(session)
      }
    }
    this.#dropLate(this.#entries)
    this.#live = undefined
    return true
  }

  /** Whether it has all that somebody has seen of it, or what took its place. */
  includes(version: VersionVector): boolean {
    return includesVersion(this.live.version, version, this.#base.closings)
  }

  /** Joins the other copy into this one. True if this one changed. */
  merge(other: DocumentCopy): boolean {
    const before = this.digest
    this.#time = laterOf(this.#time, other.#time)
    if (this.#mergeBase(other)) {
      this.#invalidate()
    }
    const isAlike = this.#base.isOfSameLineage(other.#base)
    for (const entry of other.entries()) {
      // They have forgotten the same then: what one of them knows is not among it.
      const known = isAlike ? [this.#entries, other.#entries] : [this.#entries]
      this.#addOpened(entry, latestSince(known.map((one) => one.sinceOf(entry.session))))
    }
    return !equalDigests(before, this.digest)
  }

  /** True if the live document has to be made anew. */
  #mergeBase(other: DocumentCopy): boolean {
    if (!this.#base.isOfSameLineage(other.#base)) {
      if (!this.#base.isBefore(other.#base)) return false
      this.#base.become(other.#base)
      this.#entries.replaceFloors(other.#entries.floors())
      this.#dropLate(other.#entries)
      return true
    }
    let isAnew = false
    for (const [name, floor, since = never] of other.#entries.floors()) {
      if (floor > this.floorOf(name)) {
        isAnew = this.#raiseFloor(name, floor) || isAnew
      }
      if (this.#entries.raise(name, since)) this.#baseChange()
    }
    if (this.#base.join(other.#base)) {
      this.#baseChange()
      isAnew = true
    }
    return isAnew
  }

  /** Drops the entries on which another base has its verdict. */
  #dropLate(others: EntrySet): void {
    for (const entry of this.#entries.list()) {
      const { session } = entry
      const since = others.sinceOf(session)
      const isBelow = this.#isBelow(entry, since)
      if (isBelow) this.#drop(entry)
      if (isBelow && since === undefined) this.#entries.dropFloor(session)
      else this.#entries.open(session, since ?? this.opening(session))
    }
    this.#baseChange()
  }

  /** Its session was opened then; undefined: it is not known. */
  #isBelow(entry: Entry, since: Since = this.#base.forgotten): boolean {
    if (entry.sequence < this.floorOf(entry.session)) return true
    if (this.#base.closings.refuses(entry)) return true
    return this.#mutants.takeForgotten !== true && isLate(entry, since)
  }

  /** Gives the decoded document up, until somebody looks at it again. */
  rest(): void {
    this.#live = undefined
  }

  /** Decodes all, so that later use cannot fail. @throws MalformedMessageError, InvalidSignatureError */
  verify(): void {
    this.#live ??= this.#deriving.live()
  }

  #foldEntries(folded: readonly Entry[], by: Epoch): void {
    const isAll = folded.length === this.#entries.size
    this.#base.fold(isAll ? this.live : this.#deriving.folded(folded), by)
    for (const entry of folded) {
      this.#drop(entry)
    }
  }

  /** A floor learnt from another copy: its base carries the verdict on what is dropped here. */
  #raiseFloor(name: string, floor: number): boolean {
    const since = this.#entries.sinceOf(name) ?? never
    const dropped = this.#entries.below(name, floor)
    for (const entry of dropped) {
      this.#drop(entry)
    }
    this.#entries.setFloor(name, floor, since)
    this.#baseChange()
    return dropped.length > 0
  }

  get #deriving(): Deriving {
    return new Deriving(this.#base, this.#entries)
  }

  #baseChange(): void {
    this.#baseDigest = undefined
    this.#unsaved.base()
  }

  #invalidate(): void {
    this.#live = undefined
    this.#writer = undefined
  }

  #place(entry: Entry): void {
    if (this.#entries.place(entry)) this.#baseChange()
    this.#unsaved.entry(entry.key, entry)
    this.#time = laterOf(this.#time, entry.time)
  }

  #drop(entry: Entry): void {
    if (this.#entries.displace(entry)) this.#baseChange()
    this.#unsaved.entry(entry.key, undefined)
  }
}
