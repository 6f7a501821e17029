import type { LoggedSignal, Store, StoreOperation } from '@murmuration/interface'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import type { OpenedBatch } from './batches.ts'
import type { LogRow } from './core/log-index.ts'
import { isForAnother, typeSegments } from './core/pattern.ts'
import { openRecord, sealRecord, SnapshotRecord } from './core/records.ts'
import { PatternTrie } from './core/trie.ts'
import { decodeSignal, encodeSignal } from './core/wire.ts'
import { cursorOf } from './cursors.ts'
import * as defaults from './defaults.ts'

interface Newest {
  readonly author: string
  readonly boot: number
  readonly channel: string
  readonly sequence: number
  readonly time: number
}

export interface SnapshotsInit {
  /** Channel of signals for this peer alone. */
  readonly own: string
  readonly store: Store
  readonly onCorrupt: (key: string, error: unknown) => void
}

/**
 * The newest signal of each type and subject, under `s/<hash>` in the store; it outlives the log.
 * Of one author and channel the order of publishing decides, else the clocks of the authors.
 */
export class Snapshots {
  readonly #init: SnapshotsInit
  /** The one that changed longest ago goes first. */
  readonly #newest = new Map<string, Newest>()

  constructor(init: SnapshotsInit) {
    this.#init = init
  }

  async load(): Promise<void> {
    for await (const [key, sealed] of this.#init.store.entries({ prefix: 's/' })) {
      try {
        const record = openRecord(key, sealed, SnapshotRecord)
        const { author, boot, channel = '', sequence, time } = record
        this.#newest.set(key, { author, boot, channel, sequence, time })
      } catch (error) {
        this.#init.onCorrupt(key, error)
      }
    }
  }

  /** What a new entry of the log changes. */
  note(batch: OpenedBatch, row: LogRow): StoreOperation[] {
    const { author, boot, channel, time } = batch
    // What is logged for another peer is no news to this one.
    if (!batch.subjects || isForAnother(channel, this.#init.own)) {
      return []
    }
    const operations = new Map<string, StoreOperation>()
    for (const [index, signal] of batch.signals.entries()) {
      if (signal.subject === undefined) {
        continue
      }
      const key = keyOf(signal.type, signal.subject)
      const next = { author, boot, channel, sequence: batch.first + index, time }
      if (isNewer(next, this.#newest.get(key))) {
        this.#newest.delete(key)
        this.#newest.set(key, next)
        const { loggedAt, number } = row
        const record = { ...next, loggedAt, number, index, signal: encodeSignal(signal) }
        operations.set(key, { key, value: sealRecord(SnapshotRecord.encode(record)) })
      }
    }
    while (this.#newest.size > defaults.snapshotsMax) {
      for (const key of this.#newest.keys()) {
        this.#newest.delete(key)
        operations.set(key, { key, value: undefined })
        break
      }
    }
    return [...operations.values()]
  }

  async list(pattern: readonly string[]): Promise<readonly LoggedSignal[]> {
    const trie = new PatternTrie<true>()
    trie.add(pattern, true)
    const found: LoggedSignal[] = []
    for await (const [key, sealed] of this.#init.store.entries({ prefix: 's/' })) {
      try {
        const record = openRecord(key, sealed, SnapshotRecord)
        const signal = decodeSignal(record.signal)
        if (trie.match(typeSegments(signal.type)).size > 0) {
          const { author, index = 0, loggedAt, number } = record
          found.push({ signal, author, time: loggedAt, cursor: cursorOf(number, index) })
        }
      } catch (error) {
        this.#init.onCorrupt(key, error)
      }
    }
    return found
  }
}

function isNewer(next: Newest, known: Newest | undefined): boolean {
  if (known === undefined) {
    return true
  }
  if (next.author !== known.author) {
    return next.time > known.time || (next.time === known.time && next.author > known.author)
  }
  if (next.boot !== known.boot) {
    return next.boot > known.boot
  }
  // Each channel counts by itself.
  return next.channel === known.channel ? next.sequence > known.sequence : next.time >= known.time
}

function keyOf(type: string, subject: string): string {
  return `s/${bytesToHex(sha256(utf8ToBytes(`${type}\n${subject}`)))}`
}
