import { sha256 } from '@noble/hashes/sha2.js'
import type { AbortOptions } from '@libp2p/interface'
import {
  AbortedError,
  InvalidParametersError,
  NotOwnerError,
  NotStartedError,
  UnavailableError
} from '@murmuration/interface'
import type { AgentRecord, View } from '@murmuration/interface'
import type { Placement } from '@murmuration/placement'
import { TypedEventEmitter } from 'main-event'
import { toString } from 'uint8arrays/to-string'
import { AntiEntropy } from './anti-entropy.ts'
import { withDeadline } from './context.ts'
import type { Context, HeldDocument, Settings } from './context.ts'
import type {
  DocumentReading,
  OwnedDocument,
  ReadOptions,
  State,
  StateComponents,
  StateEvents,
  StateInit,
  StateStats
} from './contract.ts'
import { Coverage } from './core/coverage.ts'
import { memberKey } from './core/homes.ts'
import type { MemberKey } from './core/homes.ts'
import type { Mutants } from './core/mutants.ts'
import * as defaults from './defaults.ts'
import { Disk } from './disk.ts'
import { createCounters } from './metrics.ts'
import { homesOf, placementOf } from './placements.ts'
import { Reader } from './reader.ts'
import { Replica } from './replica.ts'
import { Senders } from './senders.ts'
import { Settling } from './settling.ts'
import { Table } from './table.ts'
import { TakeOver } from './take-over.ts'
import { Tenure } from './tenure.ts'
import { Transfer } from './transfer.ts'

/** Everything that lives between `start` and `stop`. */
interface Parts {
  readonly context: Context
  readonly self: MemberKey
  readonly controller: AbortController
  readonly senders: Senders
  readonly replica: Replica
  readonly takeOver: TakeOver
  readonly antiEntropy: AntiEntropy
  readonly reader: Reader
  readonly settling: Settling
}

export class StateService extends TypedEventEmitter<StateEvents> implements State {
  readonly #components: StateComponents
  readonly #settings: Settings
  readonly #mutants: Mutants
  #parts: Parts | undefined
  #table: Table | undefined
  #waiting = new Set<() => void>()
  #changes = new Set<string>()

  constructor(components: StateComponents, init: StateInit, mutants: Mutants) {
    super()
    this.#components = components
    this.#mutants = mutants
    this.#settings = settingsOf(init)
  }

  async start(): Promise<void> {
    if (this.#parts !== undefined) {
      return
    }
    const { membership } = this.#components
    const parts = this.#assemble()
    const { table, disk, transfer } = parts.context
    const loaded = await disk.load()
    for (const copy of loaded.copies) {
      table.put(copy).damaged = loaded.damaged.has(copy.record.id)
    }
    loaded.damaged.forEach((id) => table.damaged.add(id))
    loaded.boots.forEach((boot, peer) => table.boots.set(peer, boot))
    this.#parts = parts
    transfer.register()
    parts.replica.register()
    parts.takeOver.register()
    parts.reader.register()
    parts.antiEntropy.start()
    parts.settling.start()
    membership.addEventListener('view', this.#onView)
    membership.addEventListener('settled', this.#onSettled)
    membership.addEventListener('reachability', this.#onReachability)
    this.#adopt()
  }

  async stop(): Promise<void> {
    const parts = this.#parts
    if (parts === undefined) {
      return
    }
    const { membership } = this.#components
    this.#parts = undefined
    membership.removeEventListener('view', this.#onView)
    membership.removeEventListener('settled', this.#onSettled)
    membership.removeEventListener('reachability', this.#onReachability)
    parts.context.transfer.unregister()
    parts.replica.unregister()
    parts.takeOver.unregister()
    parts.reader.unregister()
    parts.antiEntropy.stop()
    parts.settling.stop()
    for (const held of parts.context.table.values()) {
      held.tenure?.end()
    }
    parts.controller.abort()
    parts.senders.stop()
    this.#wake()
    await parts.context.disk.flush()
  }

  async own(record: AgentRecord, options: AbortOptions = {}): Promise<OwnedDocument> {
    const { context } = this.#started()
    checkRecord(record)
    let missing = 'no view was adopted yet'
    const owned = await withDeadline(
      context,
      this.#settings.ownTimeoutMs,
      async (signal) => {
        while (!signal.aborted) {
          const tenure = this.#tryOwn(record)
          if (tenure !== undefined) {
            return tenure
          }
          missing = context.coverage.missing(record)
          // oxlint-disable-next-line no-await-in-loop -- looks again whenever something changed.
          await this.#nextChange(signal)
        }
        return undefined
      },
      options.signal
    )
    if (owned !== undefined) {
      return owned
    }
    if (context.signal.aborted) {
      throw new NotStartedError('the state service was stopped')
    }
    if (options.signal?.aborted === true) {
      throw new AbortedError(`the caller stopped waiting for ${record.id}`)
    }
    throw new UnavailableError(`${record.id} cannot be served now: ${missing}`)
  }

  async read(record: AgentRecord, options: ReadOptions = {}): Promise<DocumentReading> {
    checkRecord(record)
    return this.#started().reader.read(record, options)
  }

  records(): readonly AgentRecord[] {
    return [...(this.#table?.values() ?? [])].map((held) => held.copy.record)
  }

  placement(): Placement | undefined {
    const { view } = this.#components.membership
    return view === undefined ? undefined : placementOf(view)
  }

  /** For tests: the copy as it is, without asking anybody. */
  held(id: string): HeldDocument | undefined {
    return this.#table?.get(id)
  }

  debug(): unknown {
    return this.#parts?.context
  }
  stats(): StateStats {
    const stats = { documents: 0, owned: 0, entries: 0, unconfirmed: 0 }
    for (const held of this.#table?.values() ?? []) {
      stats.documents++
      stats.entries += held.copy.entryCount
      if (held.tenure !== undefined) {
        stats.owned++
        stats.unconfirmed += held.tenure.replication.unconfirmed
      }
    }
    const unsettled = this.#parts?.settling.unsafe ?? 0
    return { ...stats, unsettled, damaged: this.#table?.damaged.size ?? 0 }
  }

  readonly #onView = (): void => this.#adopt()

  readonly #onSettled = (): void => {
    const parts = this.#parts
    const round = parts?.context.coverage.round
    if (parts === undefined || round === undefined) {
      return
    }
    parts.settling.refold()
    if (!parts.context.coverage.complete(round)) {
      // Replies that were asked for under the older settled view must not count for fewer sets.
      parts.takeOver.begin()
    }
    if (parts.context.coverage.round?.settled === parts.context.membership.settled) {
      parts.antiEntropy.soon(this.#settings.compareMs / 4)
    }
  }

  readonly #onReachability = (event: CustomEvent<{ peer: string; reachability: string }>): void => {
    const { peer, reachability } = event.detail
    if (reachability === 'reachable') {
      this.#parts?.senders.wake(peer)
      this.#parts?.antiEntropy.soon(this.#settings.compareMs / 4)
    }
  }

  /** Takes up the newest view of the membership, if it was not yet. */
  #adopt(): void {
    const parts = this.#parts
    const { membership } = this.#components
    const { view } = membership
    if (parts === undefined || view === undefined) {
      return
    }
    const { coverage, table } = parts.context
    const former = coverage.view
    if (former?.number === view.number && former.cluster === view.cluster) {
      return
    }
    coverage.adopt(view, membership.unsettledViews())
    parts.senders.adopt(new Set(view.members.map((member) => memberKey(member))))
    for (const held of table.values()) {
      this.#moveOn(held, view)
    }
    parts.settling.adopt(view)
    parts.takeOver.begin()
    parts.antiEntropy.soon(this.#settings.compareMs / 4)
    this.#wake()
  }

  /** A tenure goes on where the document has had no other owner in between. */
  #moveOn(held: HeldDocument, view: View): void {
    const { tenure } = held
    if (tenure === undefined) {
      return
    }
    const { home } = held.locate(view, homesOf(view))
    if (this.#parts?.context.coverage.covers(held.copy.record) === true) {
      tenure.rebase(view.number, home)
    } else {
      held.tenure = undefined
      tenure.end()
    }
  }

  #tryOwn(record: AgentRecord): Tenure | undefined {
    const { context } = this.#started()
    this.#adopt()
    const { view } = context.membership
    if (view === undefined) {
      return undefined
    }
    const owner = placementOf(view).ownerOf(record)?.peer
    if (owner !== context.membership.self.peer) {
      const where = owner === undefined ? 'no member' : owner
      throw new NotOwnerError(`${record.id} is owned by ${where} in view ${view.number}`)
    }
    const held = context.table.get(record.id)
    if (held !== undefined && !sameRecord(held.copy.record, record)) {
      throw new InvalidParametersError(`${record.id} is held with other placement parameters`)
    }
    if (held === undefined && !context.coverage.covers(record)) {
      return undefined
    }
    const obtained = held ?? context.table.obtain(record)
    context.consider(obtained)
    return obtained.tenure
  }

  #consider(held: HeldDocument): void {
    const parts = this.#parts
    if (parts === undefined || held.tenure !== undefined || held.dropped) {
      return
    }
    const { context, self } = parts
    const { coverage, membership } = context
    const { view } = coverage
    if (view === undefined || view !== membership.view) {
      return
    }
    const { owner, home } = held.locate(view, homesOf(view))
    if (owner !== membership.self.peer) {
      return
    }
    parts.settling.add(held)
    if (!coverage.covers(held.copy.record)) {
      return
    }
    if (held.damaged) {
      held.copy.markAllUnsaved()
    }
    const tenure = new Tenure(context, { held, self, view: view.number })
    held.tenure = tenure
    tenure.rebase(view.number, home)
    context.counters.takeOvers?.increment()
    context.tenureChanged(tenure, 'begun')
  }

  /** Some member was collected: perhaps more documents can be served. */
  #progress(): void {
    for (const held of this.#table?.values() ?? []) {
      this.#consider(held)
    }
    this.#wake()
  }

  #assemble(): Parts {
    const { clock, logger, membership, metrics, random, rpc, store } = this.#components
    const controller = new AbortController()
    const log = logger?.forComponent('murmuration:state')
    const counters = createCounters(metrics, () => this.stats())
    const table = new Table({ mutants: this.#mutants, documentsMax: this.#settings.documentsMax })
    this.#table = table
    const disk = new Disk({
      store: store.sub('state/'),
      mutants: this.#mutants,
      onCorrupt: (error) => {
        counters.corrupt?.increment()
        log?.error('%s; it is put aside and fetched from replicas', error.message)
      }
    })
    const self = memberKey(membership.self)
    const coverage = new Coverage({
      peer: membership.self.peer,
      homes: homesOf,
      mutants: this.#mutants
    })
    const shared = {
      rpc,
      membership,
      clock,
      random,
      log,
      metrics,
      counters,
      settings: this.#settings,
      mutants: this.#mutants,
      table,
      disk,
      coverage,
      signal: controller.signal,
      nextWriter: this.#writers(self)
    }
    const context: Context = {
      ...shared,
      get transfer() {
        return transfer
      },
      changed: (held) => this.#changed(held),
      send: (tenure) => senders.notify(tenure),
      tenureSynced: (tenure, own) => this.#synced(tenure, own),
      consider: (held) => this.#consider(held),
      tenureChanged: (tenure, status) => this.#tenureChanged(tenure, status)
    }
    const transfer = new Transfer(context)
    const senders = new Senders(context, self)
    const replica = new Replica(context, transfer)
    const takeOver = new TakeOver(context, { replica, self, progress: () => this.#progress() })
    const antiEntropy = new AntiEntropy(context, self)
    const reader = new Reader(context, (record, signal) => this.own(record, { signal }))
    const settling = new Settling(context)
    return {
      context,
      self,
      controller,
      senders,
      replica,
      takeOver,
      antiEntropy,
      reader,
      settling
    }
  }

  /** Names for dots: one life of a disk, one process start, and a number within it. */
  #writers(self: MemberKey): () => string {
    const name = toString(sha256(new TextEncoder().encode(self)), 'base64url').slice(0, 8)
    if (this.#mutants.sameWriterAfterRestart === true) {
      return () => name
    }
    const { boot } = this.#components.membership.self
    let number = 0
    return () => `${name}.${boot.toString(36)}.${(number++).toString(36)}`
  }

  #changed(held: HeldDocument): void {
    held.changedAt = this.#components.clock.monotonic()
    this.#parts?.settling.touched(held)
    if (this.listenerCount('change') === 0) {
      return
    }
    if (this.#changes.size === 0) {
      // Once per document and turn, however many updates arrived together.
      queueMicrotask(() => {
        const ids = [...this.#changes]
        this.#changes.clear()
        for (const id of ids) {
          this.safeDispatchEvent('change', { detail: { id } })
        }
      })
    }
    this.#changes.add(held.id)
  }

  #synced(tenure: Tenure, own: boolean): void {
    const { held } = tenure
    const parts = this.#parts
    parts?.settling.touched(held)
    if (own && parts !== undefined && (held.damaged || parts.context.table.damaged.has(held.id))) {
      const { disk, table, log } = parts.context
      held.damaged = false
      table.damaged.delete(held.id)
      disk.clearDamage(held.id).catch((error: unknown) => {
        // The mark stays on disk: at the next start the copy is replaced once more.
        log?.('could not clear the mark of damage of %s: %e', held.id, error)
      })
    }
  }

  #tenureChanged(tenure: Tenure, status: 'begun' | 'ended'): void {
    this.safeDispatchEvent('tenure', { detail: { id: tenure.record.id, status } })
    this.#wake()
  }

  #nextChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#waiting.add(done)
      signal.addEventListener('abort', done)
      if (signal.aborted) {
        done()
      }
    })
  }

  #wake(): void {
    for (const done of this.#waiting) {
      done()
    }
  }

  #started(): Parts {
    if (this.#parts === undefined) {
      throw new NotStartedError('the state service is not started')
    }
    return this.#parts
  }
}

function settingsOf(init: StateInit): Settings {
  const settings: Settings = {
    ownTimeoutMs: init.ownTimeoutMs ?? defaults.ownTimeoutMs,
    commitTimeoutMs: init.commitTimeoutMs ?? defaults.commitTimeoutMs,
    requestTimeoutMs: init.requestTimeoutMs ?? defaults.requestTimeoutMs,
    compareMs: init.compareMs ?? defaults.compareMs,
    foldEntries: init.foldEntries ?? defaults.foldEntries,
    foldIdleMs: init.foldIdleMs ?? defaults.foldIdleMs,
    unacknowledgedMax: init.unacknowledgedMax ?? defaults.unacknowledgedMax,
    entriesMax: init.entriesMax ?? defaults.entriesMax,
    documentsMax: init.documentsMax ?? defaults.documentsMax
  }
  for (const [name, value] of Object.entries(settings)) {
    if (!(value > 0) || !Number.isFinite(value)) {
      throw new InvalidParametersError(`${name} must be a positive number`)
    }
  }
  return settings
}

function checkRecord({ id, placement, replicas }: AgentRecord): void {
  if (id === '' || id.length > 512) {
    throw new InvalidParametersError('an agent id has 1 to 512 characters')
  }
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > 7) {
    throw new InvalidParametersError(`${id}: replicas must be 1 to 7`)
  }
  if (placement !== 'hash' && placement !== 'pinned' && placement !== 'load') {
    throw new InvalidParametersError(`${id}: unknown placement`)
  }
}

function sameRecord(a: AgentRecord, b: AgentRecord): boolean {
  return a.shardKey === b.shardKey && a.placement === b.placement && a.replicas === b.replicas
}
