import type { CollectStep } from './core/base.ts'
import type { FoldStep } from './core/copy-state.ts'
import { collectionToWire, stepToWire } from './core/messages.ts'
import type { AppendDocument } from './core/messages.ts'
import type { SendItem } from './core/replication.ts'
import type { Tenure } from './tenure.ts'

/** Bytes of a whole copy, about. */
export function estimate(tenure: Tenure): number {
  const { copy } = tenure.held
  return copy.baseBytes + copy.entryBytes + copy.entryCount * 8 + 512
}

export function recordBytes({ record }: Tenure): number {
  return record.id.length + (record.shardKey?.length ?? 0) + 64
}

/** What of a document becomes due, as it travels. */
export function documentOf({ record }: Tenure, items: readonly SendItem[]): AppendDocument {
  const folds: FoldStep[] = []
  const entries: Uint8Array[] = []
  let collection: CollectStep | undefined
  for (const item of items) {
    if (item.kind === 'fold') {
      folds.push(item.step)
    } else if (item.kind === 'collect') {
      collection = item.step
    } else {
      entries.push(item.entry.bytes)
    }
  }
  const document = { record, entries, folds: folds.map((step) => stepToWire(step)) }
  return collection === undefined
    ? document
    : { ...document, collection: collectionToWire(collection) }
}

export function sizeOf(items: readonly SendItem[]): number {
  return items.reduce(
    (sum, item) => sum + (item.kind === 'entry' ? item.entry.bytes.length : 64),
    0
  )
}
