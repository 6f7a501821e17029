import { nextStamp } from '@murmuration/crdt'
import type { Document } from '@murmuration/crdt'
import {
  AbortedError,
  FencedError,
  MessageTooLargeError,
  NotOwnerError,
  OutcomeUnknownError,
  UnavailableError
} from '@murmuration/interface'
import type {
  AckLevel,
  AgentRecord,
  Epoch,
  IdempotencyKey,
  Member,
  Operation,
  PeerLease,
  VersionVector
} from '@murmuration/interface'
import { isUnknown, judgedNow, makeRoom, neededInBranch, refuseForgotten } from './admitting.ts'
import { Collecting } from './collecting.ts'
import type { Context, HeldDocument } from './context.ts'
import type { BranchedDocument, Commit, CommitOptions, Lookup, OwnedDocument } from './contract.ts'
import { entryKey } from './core/entry.ts'
import type { Entry } from './core/entry.ts'
import { compareEpochs } from './core/epoch.ts'
import type { MemberKey } from './core/homes.ts'
import { Replication } from './core/replication.ts'
import type { Waiter } from './core/tracks.ts'
import { foldBytesPerEntry, queueMax, updateBytesMax } from './defaults.ts'
import type { HeldTenure } from './held.ts'
import { isKeeping } from './keeping.ts'
import { checkKey } from './settings.ts'

const nothing = new Uint8Array(0)

export interface TenureInit {
  readonly held: HeldDocument
  readonly self: MemberKey
  readonly view: number
  /** The side of a split for which it is served. */
  readonly branch: Pick<Epoch, 'branch' | 'partial'>
}

/** A document that this peer owns and serves: executes updates and knows where their copies are. */
export class Tenure implements OwnedDocument, HeldTenure {
  readonly held: HeldDocument
  readonly replication: Replication
  /** Entries with an older stamp may have been executed again elsewhere since. */
  readonly begun: Epoch
  readonly #context: Context
  #collecting: Collecting | undefined
  readonly #lease: PeerLease | undefined
  /** Made when somebody asks for it, as a signal takes as much memory as all the rest. */
  #controller: AbortController | undefined
  #ended = false
  #rejects: Set<(error: Error) => void> | undefined
  /** Monotonic time at which this view was adopted. */
  rebasedAt: number
  #view: number
  #sinceFold = 0
  #isFenced = false
  #updates = 0

  constructor(context: Context, init: TenureInit) {
    this.#context = context
    this.held = init.held
    this.#view = init.view
    this.#lease = context.leases?.of(init.held.copy.record.id)
    this.begun = { view: init.view, boot: context.self.boot, ...init.branch }
    this.rebasedAt = context.clock.monotonic()
    this.replication = new Replication({
      copy: init.held.copy,
      self: { key: init.self, peer: context.membership.self.peer },
      mutants: context.mutants,
      queueMax
    })
  }

  get record(): AgentRecord {
    return this.held.copy.record
  }

  get epoch(): Epoch {
    return { ...this.begun, view: this.#view }
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#ended) this.#controller.abort()
    return this.#controller.signal
  }

  get ended(): boolean {
    return this.#ended
  }

  get document(): Document {
    return this.held.copy.live
  }

  get durable(): boolean {
    return this.held.copy.empty || this.replication.durable
  }

  /** Goes on under a newer view, or begins under the first one. */
  rebase(view: number, home: readonly Member[]): void {
    this.#view = view
    this.rebasedAt = this.#context.clock.monotonic()
    this.replication.rebase(home)
    this.#context.send(this)
  }

  /** By a view, after which this owner is fenced, or because this peer stops. */
  end(by: 'view' | 'stop'): void {
    if (this.#ended) {
      return
    }
    this.#isFenced = by === 'view'
    this.#ended = true
    this.#controller?.abort()
    this.replication.end()
    const why = `the tenure of ${this.record.id} ended before an update was acknowledged`
    for (const reject of this.#rejects ?? []) {
      reject(
        this.#isFenced
          ? new FencedError(why, { outcomeUnknown: true })
          : new OutcomeUnknownError(why)
      )
    }
    this.#rejects = undefined
    this.#context.tenureChanged(this, 'ended')
  }

  /** What was done in a branch; undefined in an agreed view, or where nothing was. */
  get branched(): BranchedDocument | undefined {
    const { branch } = this.begun
    if (branch === undefined || this.#updates === 0) return undefined
    return { record: this.record, branch, updates: this.#updates, version: this.document.version }
  }

  /** The copy was joined with another one: the replicas get the result as a whole. */
  merged(): void {
    this.replication.merged()
    this.#context.send(this)
  }

  lookup(key: IdempotencyKey, options: CommitOptions = {}): Lookup {
    this.#check(key)
    const { copy } = this.held
    if (key.sequence < copy.floorOf(key.session)) return { status: 'expired' }
    const entry = copy.get(entryKey(key.session, key.sequence))
    if (entry === undefined && isUnknown(this.#context, copy, key)) {
      return { status: 'unknown', since: copy.sinceOf(key.session) }
    }
    this.replication.passed(key.session, key.lowest)
    if (entry === undefined) return { status: 'new' }
    const commit = this.#acknowledge(entry, options, true)
    // Whoever looked the key up need not wait; whoever does still sees the failure.
    commit.catch(() => {})
    return { status: 'known', commit }
  }

  get forgotten(): readonly number[] {
    return this.held.copy.forgotten
  }

  includes(version: VersionVector): boolean {
    return this.held.copy.includes(version)
  }

  async commit(operations: readonly Operation[], options: CommitOptions = {}): Promise<Commit> {
    const { key } = options
    if (!this.#mayAct()) {
      await this.#whenHeld(options)
    }
    if (this.#isFenced) {
      throw this.#fenced()
    }
    if (key !== undefined) {
      const found = this.lookup(key, options)
      if (found.status === 'known') {
        return found.commit
      }
      refuseForgotten(found, key)
    } else {
      this.#check()
    }
    if (this.#isTooSmallFor(options.ack)) {
      throw new UnavailableError(
        `too few peers are on this side of a split for ${this.record.id}: ask for ack 'local'`
      )
    }
    return this.#acknowledge(this.#execute(operations, options), options, false)
  }

  /** Folds what is confirmed everywhere; `idle` means however little it is. */
  fold(idle: boolean): void {
    const { membership, settings } = this.#context
    const { copy } = this.held
    const due = Math.max(
      settings.foldEntries,
      Math.min(copy.baseBytes / foldBytesPerEntry, settings.entriesMax / 8),
      copy.entryCount / 4
    )
    if (this.#ended || (!idle && this.#sinceFold < due)) {
      return
    }
    if (isKeeping(this.#context, this, idle)) return
    this.#sinceFold = 0
    // With one unsettled home set, "all replicas" are the replicas of this view.
    if (membership.settled !== this.#view) {
      return
    }
    const steps = this.replication.foldable(this.epoch)
    if (steps.length > 0 && copy.fold(steps)) {
      this.replication.folded(steps)
      this.#context.send(this)
    }
    const isCrowded = copy.sessionCount > settings.sessionsMax
    if (isCrowded || (idle && copy.names >= settings.collectNames)) {
      this.#collecting ??= new Collecting(this.#context, this)
      this.#collecting.run()
    }
  }

  /** A replica confirmed entries. */
  confirmed(count: number): void {
    this.#sinceFold += count
    this.fold(false)
  }

  #execute(operations: readonly Operation[], options: CommitOptions): Entry {
    const context = this.#context
    const { copy } = this.held
    const { key } = options
    const result = options.result ?? nothing
    if (result.length > updateBytesMax) {
      throw new MessageTooLargeError(`result of ${result.length} bytes, ${updateBytesMax} allowed`)
    }
    makeRoom(context, this)
    const entry = copy.execute({
      operations,
      writer: copy.writer(context.nextWriter),
      time: nextStamp(copy.time, judgedNow(context)),
      epoch: this.epoch,
      key: key === undefined || context.mutants.keyNotReplicated === true ? undefined : key,
      result,
      deltaBytesMax: updateBytesMax
    })
    this.replication.added(entry)
    this.#updates++
    context.counters.commits?.increment()
    context.changed(this.held)
    context.send(this)
    return entry
  }

  /** A side with fewer peers than copies are promised acknowledges what is asked for as local only. */
  #isTooSmallFor(ack: AckLevel = 'replicated'): boolean {
    return (
      ack !== 'local' &&
      this.replication.home.length < (neededInBranch(this.#context, this.record) ?? 0)
    )
  }

  #copiesFor(level: AckLevel = 'replicated'): Waiter['copies'] {
    if (level === 'local') return 'own'
    if (level === 'majority') return 'majority'
    return neededInBranch(this.#context, this.record) ?? 'needed'
  }

  /** Resolves when the entry has its copies. The entry of an older tenure is stamped again first. */
  #acknowledge(entry: Entry, options: CommitOptions, duplicate: boolean): Promise<Commit> {
    const { mutants } = this.#context
    const standing = duplicate ? this.#stampAgain(entry) : entry
    const version = this.document.version
    const done = (copies: number): Commit => ({
      result: standing.result,
      version,
      epoch: this.epoch,
      copies,
      duplicate
    })
    if (duplicate && mutants.knownKeyWithoutCopies === true) {
      return Promise.resolve(done(1))
    }
    if (this.#isTooSmallFor(options.ack)) {
      const why = `${this.record.id}: this side of a split has too few peers for its copies`
      return Promise.reject(new OutcomeUnknownError(why))
    }
    const waiter = Promise.withResolvers<Commit>()
    this.#wait(standing, options, { done: (copies) => waiter.resolve(done(copies)), waiter })
    return waiter.promise
  }

  #stampAgain(entry: Entry): Entry {
    if (this.#context.mutants.noRestamp === true || compareEpochs(entry.stamp, this.begun) >= 0) {
      return entry
    }
    const standing = this.held.copy.restamp(entry, this.epoch)
    this.replication.added(standing)
    this.#context.send(this)
    return standing
  }

  #wait(
    entry: Entry,
    options: CommitOptions,
    outcome: {
      readonly done: (copies: number) => void
      readonly waiter: { readonly reject: (error: Error) => void }
    }
  ): void {
    const { clock, settings } = this.#context
    const { signal } = options
    const timeoutMs = options.timeoutMs ?? settings.commitTimeoutMs
    let stopWaiting: (() => void) | undefined
    let finished = false
    const finish = (): void => {
      finished = true
      cancelTimer()
      signal?.removeEventListener('abort', onAbort)
      this.#rejects?.delete(reject)
      stopWaiting?.()
    }
    const reject = (error: Error): void => {
      finish()
      outcome.waiter.reject(error)
    }
    const onAbort = (): void =>
      reject(new AbortedError('the caller stopped waiting for copies', { outcomeUnknown: true }))
    const cancelTimer = clock.schedule(timeoutMs, () =>
      reject(
        new OutcomeUnknownError(
          `${this.record.id}: not enough copies within ${timeoutMs} ms; replication goes on`
        )
      )
    )
    this.#rejects ??= new Set()
    this.#rejects.add(reject)
    signal?.addEventListener('abort', onAbort)
    const confirmed = (copies: number): void => {
      if (this.#mayAct()) {
        finish()
        outcome.done(copies)
      } else if (!finished) {
        // Held, not rejected: the deadline above ends it, or the view that replaced this owner.
        this.#lease?.whenHeld({ signal: this.signal }).then(
          () => confirmed(copies),
          () => {}
        )
      }
    }
    const waiter: Waiter = { copies: this.#copiesFor(options.ack), confirmed }
    stopWaiting = this.replication.wait(entry, waiter)
    if (finished) {
      stopWaiting()
    } else if (signal?.aborted === true) {
      onAbort()
    }
  }

  /** Whether this peer holds its lease at this moment, or needs none. */
  #mayAct(): boolean {
    return this.#lease === undefined || this.#lease.held
  }

  /** A lapsed lease holds an update, until it is renewed or the tenure ends. */
  async #whenHeld({ signal, timeoutMs }: CommitOptions): Promise<void> {
    const signals = signal === undefined ? [this.signal] : [this.signal, signal]
    try {
      await this.#lease?.whenHeld({
        signal: AbortSignal.any(signals),
        timeoutMs: timeoutMs ?? this.#context.settings.commitTimeoutMs
      })
    } catch (error) {
      if (!this.#isFenced) {
        throw error
      }
    }
  }

  #fenced(): FencedError {
    return new FencedError(`this peer was replaced as the owner of ${this.record.id}`, {
      retryable: true
    })
  }

  #check(key?: IdempotencyKey): void {
    if (this.#ended) {
      throw new NotOwnerError(`this peer does not own ${this.record.id} any more`)
    }
    if (key !== undefined) {
      checkKey(key)
    }
  }
}
