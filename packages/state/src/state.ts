import type { AbortOptions } from '@libp2p/interface'
import { NotStartedError } from '@murmuration/interface'
import type { AgentRecord } from '@murmuration/interface'
import type { Placement } from '@murmuration/placement'
import { TypedEventEmitter } from 'main-event'
import { Conflicts } from './conflicts.ts'
import type { HeldDocument } from './context.ts'
import type {
  DocumentReading,
  OwnedDocument,
  ReadOptions,
  State,
  StateComponents,
  StateEvents,
  StateInit,
  StateStats,
  StrongState
} from './contract.ts'
import type { Mutants } from './core/mutants.ts'
import { createCounters } from './metrics.ts'
import type { Counters } from './metrics.ts'
import { Parts } from './parts.ts'
import { placementOf } from './placements.ts'
import { checkKey, checkRecord, settingsOf } from './settings.ts'
import type { Settings } from './settings.ts'
import { streamLimits } from './streams.ts'
import type { StreamLimits } from './streams.ts'
import type { Tenure } from './tenure.ts'

export class StateService extends TypedEventEmitter<StateEvents> implements State {
  readonly #components: StateComponents
  readonly #settings: Settings
  readonly #mutants: Mutants
  readonly #streams: StreamLimits
  readonly #counters: Counters
  readonly #changes = new Set<string>()
  readonly #conflicts: Conflicts
  #parts: Parts | undefined
  #starting: Promise<void> | undefined

  constructor(
    components: StateComponents,
    init: StateInit,
    mutants: Mutants,
    streams: StreamLimits = streamLimits
  ) {
    super()
    this.#streams = streams
    this.#components = components
    this.#mutants = mutants
    this.#settings = settingsOf(init)
    this.#counters = createCounters(components.metrics, () => this.stats())
    this.#conflicts = new Conflicts({
      clock: components.clock,
      isHeard: () => this.listenerCount('conflict') > 0,
      tell: ({ id }, conflicts) => this.safeDispatchEvent('conflict', { detail: { id, conflicts } })
    })
  }

  start(): Promise<void> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  async stop(): Promise<void> {
    const { membership } = this.#components
    const starting = this.#starting
    this.#starting = undefined
    await starting
    const parts = this.#parts
    this.#parts = undefined
    this.#conflicts.stop()
    membership.removeEventListener('view', this.#onView)
    membership.removeEventListener('settled', this.#onSettled)
    membership.removeEventListener('reachability', this.#onReachability)
    await parts?.stop()
  }

  async own(record: AgentRecord, options: AbortOptions = {}): Promise<OwnedDocument> {
    return this.#started().ownership.own(record, options)
  }

  async read(record: AgentRecord, options: ReadOptions = {}): Promise<DocumentReading> {
    checkRecord(record)
    return this.#started().reader.read(record, options)
  }

  async prepare(
    peer: string,
    owner: string,
    ids: readonly string[],
    options: AbortOptions = {}
  ): Promise<boolean> {
    return await this.#started().preparing.prepare(peer, owner, ids, options)
  }

  movingFrom(record: AgentRecord): string | undefined {
    const { membership } = this.#components
    const { view, self } = membership
    const before = membership.unsettledViews().at(-2)
    const held = this.held(record.id)
    if (view === undefined || before === undefined || held === undefined) return undefined
    const to = placementOf(view).ownerOf(record)?.peer
    const from = placementOf(before).ownerOf(record)?.peer
    const isWaiting = held.tenure === undefined && to === self.peer && from !== self.peer
    return isWaiting && view.members.some(({ peer }) => peer === from) ? from : undefined
  }

  readonly strong: StrongState = {
    read: async (record, options = {}) => {
      checkRecord(record)
      if (options.key !== undefined) checkKey(options.key)
      return this.#started().strong.read(record, options)
    },
    update: async (record, change, options = {}) => {
      checkRecord(record)
      checkKey(change.key)
      return this.#started().strong.update(record, change, options)
    }
  }

  records(): readonly AgentRecord[] {
    return this.#held().map((held) => held.copy.record)
  }

  holds(id: string): boolean {
    return this.#parts?.context.table.get(id) !== undefined
  }

  placement(): Placement | undefined {
    const { view } = this.#components.membership
    return view === undefined ? undefined : placementOf(view)
  }

  /** For tests: the copy as it is here, without asking anybody. */
  held(id: string): HeldDocument | undefined {
    return this.#parts?.context.table.get(id)
  }

  stats(): StateStats {
    const stats = { documents: 0, owned: 0, entries: 0, unconfirmed: 0 }
    for (const held of this.#held()) {
      stats.documents++
      stats.entries += held.copy.entryCount
      if (held.tenure !== undefined) {
        stats.owned++
        stats.unconfirmed += held.tenure.replication.unconfirmed
      }
    }
    const unsettled = this.#parts?.settling.unsafe ?? 0
    const copying = this.#parts?.context.transfer.pending ?? 0
    const damaged = this.#parts?.context.table.damaged.size ?? 0
    return { ...stats, unsettled, damaged, copying }
  }

  async #start(): Promise<void> {
    const { membership } = this.#components
    const parts = new Parts({
      components: this.#components,
      settings: this.#settings,
      mutants: this.#mutants,
      streams: this.#streams,
      counters: this.#counters,
      changed: (held) => this.#changed(held),
      merged: (held) => this.#conflicts.look(held),
      copying: (detail) => this.safeDispatchEvent('copying', { detail }),
      tenureChanged: (tenure, status) => this.#tenureChanged(tenure, status)
    })
    await parts.start()
    this.#parts = parts
    membership.addEventListener('view', this.#onView)
    membership.addEventListener('settled', this.#onSettled)
    membership.addEventListener('reachability', this.#onReachability)
    parts.ownership.adopt()
  }

  readonly #onView = (): void => this.#parts?.ownership.adopt()

  readonly #onSettled = (): void => this.#parts?.settled()

  readonly #onReachability = (event: CustomEvent<{ peer: string; reachability: string }>): void => {
    const { peer, reachability } = event.detail
    if (reachability === 'reachable') {
      this.#parts?.senders.wake(peer)
      this.#parts?.antiEntropy.soon(this.#settings.compareMs / 4)
    }
  }

  #changed(held: HeldDocument): void {
    held.changedAt = this.#components.clock.monotonic()
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

  #tenureChanged(tenure: Tenure, status: 'begun' | 'ended'): void {
    this.safeDispatchEvent('tenure', { detail: { id: tenure.record.id, status } })
    if (status === 'begun') this.#conflicts.look(tenure.held)
    const { branched } = tenure
    if (status === 'ended' && branched !== undefined) {
      this.safeDispatchEvent('branched', { detail: branched })
    }
    this.#parts?.ownership.wake()
  }

  #held(): HeldDocument[] {
    return [...(this.#parts?.context.table.values() ?? [])]
  }

  #started(): Parts {
    if (this.#parts === undefined) {
      throw new NotStartedError('the state service is not started')
    }
    return this.#parts
  }
}
