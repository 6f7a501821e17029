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
  /** Told as often as marks are synced. */
  readonly onTick: () => void
  readonly onCorrupt: (key: string, error: unknown) => void
  readonly report: (what: string, error: unknown) => void
}

/** What goes to the store with a batch. */
export interface Marking {
  readonly operations: readonly StoreOperation[]
  /** To be called when they are written. */
  readonly written: () => void
}

/** Up to which time of its author a stream is marked. */
interface Ahead {
  readonly name: StreamName
  wanted: number
  written: number
}

/**
 * What was seen of each stream, kept in the store under `m/<stream>`, so that a restarted peer takes
 * no replay. Marks are written with the batch, and synced each second: what a loss of power undoes is
 * at most that old. A mark also covers what the author sends in the next moment, so that this can be
 * delivered before it is written: a process that was killed does not know what of that it has seen, and
 * takes none of it. What no written mark covers waits for its own.
 */
export class Orders {
  readonly #init: OrdersInit
  /** How far ahead streams are marked, by stream. */
  readonly #ahead = new Map<string, Ahead>()
  readonly topics: InboundOrder<OpenedBatch>
  /** Nothing is ever early there: an author hands one batch over after the other, as far as it can. */
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
          const mark = openRecord(key, sealed, MarkRecord)
          this.of(name.channel).restore(name, mark)
          const { until } = mark
          if (until !== undefined) {
            this.#ahead.set(streamKey(name), { name, wanted: until, written: until })
          }
        }
      } catch (error) {
        this.#init.onCorrupt(key, error)
      }
    }
  }

  start(): void {
    this.#schedule()
  }

  /** Resolves when marks say exactly what was seen, so that the next process takes all else. */
  async stop(): Promise<void> {
    this.#cancel?.()
    this.#cancel = undefined
    const names = [...this.#ahead.values()].map(({ name }) => name)
    this.#ahead.clear()
    const operations = names.flatMap((name) => this.#operations(name))
    if (operations.length > 0) {
      await this.#init.store
        .write(operations, { sync: false })
        .catch((error: unknown) => this.#init.report('marks could not be written', error))
    }
  }

  /** Whether a batch may be delivered now: a mark that covers it is written. */
  isMarked(batch: OpenedBatch): boolean {
    const ahead = this.#ahead.get(streamKey(batch))
    return ahead !== undefined && batch.time <= ahead.written
  }

  /** What has to be written when a batch is taken. */
  markOf(batch: OpenedBatch): Marking {
    this.#unsynced = true
    if (batch.channel === this.#init.own) {
      return { operations: this.#operations(batch), written: () => undefined }
    }
    const ahead = this.#aheadOf(batch)
    if (batch.time > ahead.wanted - defaults.marksAheadMs / 2) {
      ahead.wanted = batch.time + defaults.marksAheadMs
    }
    const { wanted } = ahead
    return {
      operations: this.#operations(batch, wanted),
      written: () => {
        ahead.written = Math.max(ahead.written, wanted)
      }
    }
  }

  #aheadOf({ author, boot, channel }: StreamName): Ahead {
    const name = { author, boot, channel }
    const key = streamKey(name)
    const ahead = this.#ahead.get(key) ?? { name, wanted: 0, written: 0 }
    this.#ahead.set(key, ahead)
    return ahead
  }

  #operations(name: StreamName, until?: number): readonly StoreOperation[] {
    const mark = this.of(name.channel).mark(name)
    if (mark === undefined || this.#init.mutants.marksNotPersisted === true) {
      return []
    }
    const { gaps, high } = mark
    const reach = until === undefined || this.#init.mutants.marksNotAhead === true ? {} : { until }
    const record = MarkRecord.encode({ high, gaps, ...reach })
    return [{ key: `m/${streamKey(name)}`, value: sealRecord(record) }]
  }

  #forget(name: StreamName): void {
    this.#ahead.delete(streamKey(name))
    this.#init.store
      .write([{ key: `m/${streamKey(name)}`, value: undefined }], { sync: false })
      .catch((error: unknown) => this.#init.report('a mark could not be removed', error))
  }

  #schedule(): void {
    this.#cancel = this.#init.clock.schedule(defaults.marksSyncMs, () => {
      this.#schedule()
      this.#init.onTick()
      if (this.#unsynced) {
        this.#unsynced = false
        this.#init.store
          .write([{ key: 'synced', value: new Uint8Array(1) }], { sync: true })
          .catch((error: unknown) => this.#init.report('marks could not be synced', error))
      }
    })
  }
}
