import type { Clock, Store, StoreOperation } from '@murmuration/interface'
import type { OpenedBatch } from './batches.ts'
import { InboundOrder } from './core/inbound-order.ts'
import type { Mutants } from './core/mutants.ts'
import { MarkRecord, openRecord, sealRecord } from './core/records.ts'
import { parseStreamKey, streamKey } from './core/streams.ts'
import type { StreamName } from './core/streams.ts'
import * as defaults from './defaults.ts'

export interface OrdersInit {
  readonly store: Store
  readonly clock: Clock
  /** Channel of signals for this peer alone. */
  readonly own: string
  /** Whether what is missing can be asked for. */
  readonly repairs: boolean
  readonly mutants: Mutants
  readonly onCorrupt: (key: string, error: unknown) => void
  readonly report: (what: string, error: unknown) => void
}

/**
 * What was seen of each stream, kept in the store under `m/<stream>`, so that a restarted peer takes
 * no replay. Marks are written with the batch, before it is delivered, and synced each second: what a
 * loss of power undoes is at most that old.
 */
export class Orders {
  readonly #init: OrdersInit
  readonly topics: InboundOrder<OpenedBatch>
  /** Nothing is ever early there: an author sends one batch after the other. */
  readonly #targets: InboundOrder<OpenedBatch>
  #unsynced = false
  #cancel: (() => void) | undefined

  constructor(init: OrdersInit) {
    this.#init = init
    const shared = {
      gapsMax: defaults.gapsMax,
      streamsMax: defaults.streamsMax,
      onForget: (name: StreamName) => this.#forget(name)
    }
    this.topics = new InboundOrder({
      ...shared,
      holdMs: defaults.holdMs,
      ...(init.repairs ? { repairMs: defaults.repairMs, defer: true } : {}),
      holdBatchesMax: defaults.holdBatchesMax
    })
    this.#targets = new InboundOrder({ ...shared, holdMs: 0, holdBatchesMax: 1 })
  }

  of(channel: string): InboundOrder<OpenedBatch> {
    return channel === this.#init.own ? this.#targets : this.topics
  }

  async load(): Promise<void> {
    for await (const [key, sealed] of this.#init.store.entries({ prefix: 'm/' })) {
      const name = parseStreamKey(key.slice(2))
      try {
        if (name !== undefined) {
          this.of(name.channel).restore(name, openRecord(key, sealed, MarkRecord))
        }
      } catch (error) {
        this.#init.onCorrupt(key, error)
      }
    }
  }

  start(): void {
    this.#schedule()
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** What has to be written when a batch of that stream is taken. */
  markOf(name: StreamName): readonly StoreOperation[] {
    const mark = this.of(name.channel).mark(name)
    if (mark === undefined || this.#init.mutants.marksNotPersisted === true) {
      return []
    }
    this.#unsynced = true
    return [{ key: `m/${streamKey(name)}`, value: sealRecord(MarkRecord.encode(mark)) }]
  }

  #forget(name: StreamName): void {
    this.#init.store
      .write([{ key: `m/${streamKey(name)}`, value: undefined }], { sync: false })
      .catch((error: unknown) => this.#init.report('a mark could not be removed', error))
  }

  #schedule(): void {
    this.#cancel = this.#init.clock.schedule(defaults.marksSyncMs, () => {
      this.#schedule()
      if (this.#unsynced) {
        this.#unsynced = false
        this.#init.store
          .write([{ key: 'synced', value: new Uint8Array(1) }], { sync: true })
          .catch((error: unknown) => this.#init.report('marks could not be synced', error))
      }
    })
  }
}
