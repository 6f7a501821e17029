import { decode, encode } from '@murmuration/codec'
import { CorruptDataError, MurmurationError } from '@murmuration/interface'
import type { AgentRecord, Clock, Store, StoreOperation } from '@murmuration/interface'
import { digestBytes } from './core/digest.ts'
import { DocumentCopy } from './core/document-copy.ts'
import type { Changes, CopyState } from './core/copy-state.ts'
import { decodeEntry, parseEntryKey } from './core/entry.ts'
import type { Entry, EntryKey } from './core/entry.ts'
import { agentRecord, decodeBase, encodeBase } from './core/messages.ts'
import type { Mutants } from './core/mutants.ts'
import { retryMs } from './defaults.ts'
import type { Held } from './held.ts'

/** What was found on disk. */
export interface Loaded {
  readonly copies: readonly DocumentCopy[]
  /** Ids of documents of which something could not be read. */
  readonly damaged: ReadonlySet<string>
  readonly boots: ReadonlyMap<string, number>
}

export interface DiskInit {
  readonly store: Store
  readonly mutants: Mutants
  readonly clock: Clock
  readonly onCorrupt: (error: CorruptDataError) => void
}

interface Batch {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Documents on disk: `r/<id>` the record, `b/<id>` base and floors, `e/<id>/<session>/<sequence>`
 * the entries, `d/<id>` a mark of damage, `q/…` bytes that could not be read, `f/<peer>` the highest
 * boot of an owner. Values carry a checksum. One write is under way at a time, so writes keep their
 * order, and whatever becomes due meanwhile shares the next one and its sync.
 */
export class Disk {
  readonly #init: DiskInit
  #dirty = new Set<Held>()
  #extra: StoreOperation[] = []
  #sync = false
  #next: Batch | undefined
  #writing = false
  #failure: unknown
  #failures = 0
  #cancelRetry: (() => void) | undefined
  #stopped = false

  constructor(init: DiskInit) {
    this.#init = init
  }

  /**
   * Why the last write failed; undefined where it did not. Failed ones are tried again by themselves,
   * whoever asked for them: nobody may write while the disk takes nothing, so nobody else would find
   * out that it does again.
   */
  get failure(): unknown {
    return this.#failure
  }

  /** Reads everything. What cannot be read is put aside and its document marked, never left out. */
  async load(): Promise<Loaded> {
    const { store } = this.#init
    const found = new Findings()
    const putAside = (key: string, value: Uint8Array, cause?: unknown): void => {
      const id = idOf(key)
      this.#init.onCorrupt(new CorruptDataError(`damaged value under ${key}`, { cause }))
      const aside = key.startsWith('q/') ? [] : [{ key: 'q/' + key, value }]
      this.#extra.push(...aside, { key, value: undefined })
      if (id !== undefined) {
        found.damaged.add(id)
        this.#extra.push({ key: 'd/' + encodeURIComponent(id), value: sealed(encode(true)) })
      }
    }
    // The store has checksums of its own: what is damaged there keeps nothing else from being read.
    for await (const [key, value] of store.entries({ onDamaged: putAside })) {
      try {
        found.take(key, value)
      } catch (cause) {
        putAside(key, value, cause)
      }
    }
    if (this.#extra.length > 0) {
      await this.#enqueue(true)
    }
    return found.finish(this.#init.mutants)
  }

  /** Resolves when everything that the document holds now is durable (if `sync`) or written. */
  save(held: Held, options: { readonly sync: boolean }): Promise<void> {
    this.#dirty.add(held)
    return this.#enqueue(options.sync)
  }

  /** Deletes a document that was dropped. */
  remove(held: Held): Promise<void> {
    held.dropped = true
    return this.save(held, { sync: false })
  }

  clearDamage(id: string): Promise<void> {
    this.#extra.push({ key: 'd/' + encodeURIComponent(id), value: undefined })
    return this.#enqueue(true)
  }

  raiseBoot(peer: string, boot: number): Promise<void> {
    this.#extra.push({ key: 'f/' + encodeURIComponent(peer), value: sealed(encode(boot)) })
    return this.#enqueue(true)
  }

  /** Resolves when nothing waits to be written any more, or it cannot be written now. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelRetry?.()
    try {
      await this.#enqueue(true)
    } catch {
      // Whoever asked for the write was told; there is nothing left to do for it here.
    }
  }

  #enqueue(sync: boolean): Promise<void> {
    this.#sync ||= sync
    if (this.#next === undefined) {
      this.#next = Promise.withResolvers<void>()
      // Whoever asked hears of a failure; the batch itself needs no other listener.
      this.#next.promise.catch(() => {})
      if (!this.#writing) {
        queueMicrotask(() => void this.#write())
      }
    }
    return this.#next.promise
  }

  async #write(): Promise<void> {
    this.#writing = true
    while (this.#next !== undefined) {
      const batch = this.#next
      const sync = this.#sync
      const extra = this.#extra
      const taken: [Held, Changes][] = []
      this.#next = undefined
      this.#sync = false
      this.#extra = []
      const operations = [...extra]
      for (const held of this.#dirty) {
        const changes = held.copy.takeChanges()
        taken.push([held, changes])
        operations.push(...(held.dropped ? removals(held, changes) : operationsOf(held, changes)))
      }
      this.#dirty.clear()
      try {
        if (operations.length > 0 || sync) {
          // oxlint-disable-next-line no-await-in-loop -- one write at a time keeps their order.
          await this.#init.store.write(operations, { sync })
        }
        this.#failure = undefined
        this.#failures = 0
        batch.resolve()
      } catch (error) {
        this.#failure = error
        this.#extra.unshift(...extra)
        taken.forEach(([held, changes]) => held.copy.markUnsaved(changes))
        // In front: a document that was dropped must not be deleted after its successor is written.
        this.#dirty = new Set([...taken.map(([held]) => held), ...this.#dirty])
        batch.reject(error)
        this.#retryLater()
      }
    }
    this.#writing = false
  }

  #retryLater(): void {
    if (this.#cancelRetry !== undefined || this.#stopped) {
      return
    }
    const delay = Math.min(retryMs.longest, retryMs.first * 2 ** Math.min(this.#failures++, 10))
    this.#cancelRetry = this.#init.clock.schedule(delay, () => {
      this.#cancelRetry = undefined
      void this.#enqueue(true)
    })
  }
}

class Findings {
  readonly damaged = new Set<string>()
  readonly #records = new Map<string, AgentRecord>()
  readonly #bases = new Map<string, CopyState>()
  readonly #entries = new Map<string, Entry[]>()
  readonly #boots = new Map<string, number>()

  take(key: string, value: Uint8Array): void {
    const id = idOf(key)
    if (key.startsWith('f/')) {
      const boot = decode(opened(value))
      this.#boots.set(decodeURIComponent(key.slice(2)), typeof boot === 'number' ? boot : 0)
    } else if (key.startsWith('d/') && id !== undefined) {
      this.damaged.add(id)
    } else if (key.startsWith('r/') && id !== undefined) {
      this.#records.set(id, agentRecord.read(decode(opened(value))))
    } else if (key.startsWith('b/') && id !== undefined) {
      this.#bases.set(id, decodeBase(opened(value)))
    } else if (key.startsWith('e/') && id !== undefined) {
      const entries = this.#entries.get(id) ?? []
      entries.push(decodeEntry(opened(value)))
      this.#entries.set(id, entries)
    }
  }

  finish(mutants: Mutants): Loaded {
    const copies: DocumentCopy[] = []
    for (const id of new Set([...this.#records.keys(), ...this.#bases.keys()])) {
      const base = this.#bases.get(id)
      const record = base?.record ?? this.#records.get(id)
      if (record === undefined) {
        continue
      }
      const floors = new Map(base?.floors.map(([session, floor]) => [session, floor]))
      const entries = (this.#entries.get(id) ?? []).filter(
        ({ session, sequence }) => sequence >= (floors.get(session) ?? 0)
      )
      const fresh = new DocumentCopy(record, mutants).state()
      const copy = DocumentCopy.from({ ...fresh, ...base, record, entries }, mutants)
      copy.takeChanges()
      copies.push(copy)
      if (base === undefined) {
        this.damaged.add(id)
      }
    }
    return { copies, damaged: this.damaged, boots: this.#boots }
  }
}

function operationsOf(held: Held, changes: Changes): StoreOperation[] {
  const id = encodeURIComponent(held.id)
  const operations: StoreOperation[] = []
  if (changes.base) {
    const state = { ...held.copy.state(), entries: [] }
    operations.push(
      { key: 'r/' + id, value: sealed(encode(held.copy.record)) },
      { key: 'b/' + id, value: sealed(encodeBase(state)) }
    )
  }
  for (const entry of changes.entries) {
    operations.push({ key: entryPath(id, entry.key), value: sealed(entry.bytes) })
  }
  for (const key of changes.removed) {
    operations.push({ key: entryPath(id, key), value: undefined })
  }
  return operations
}

function removals(held: Held, changes: Changes): StoreOperation[] {
  const id = encodeURIComponent(held.id)
  const keys = new Set([...changes.removed, ...changes.entries.map((entry) => entry.key)])
  for (const entry of held.copy.entries()) {
    keys.add(entry.key)
  }
  return [
    { key: 'r/' + id, value: undefined },
    { key: 'b/' + id, value: undefined },
    ...[...keys].map((key) => ({ key: entryPath(id, key), value: undefined }))
  ]
}

function entryPath(encodedId: string, key: EntryKey): string {
  const { session, sequence } = parseEntryKey(key)
  return `e/${encodedId}/${encodeURIComponent(session)}/${sequence}`
}

function idOf(key: string): string | undefined {
  const match = /^[rbed]\/([^/]+)/.exec(key)
  return match?.[1] === undefined ? undefined : decodeURIComponent(match[1])
}

/** Bytes with their checksum in front. */
function sealed(bytes: Uint8Array): Uint8Array {
  const { high, low } = digestBytes(bytes)
  const value = new Uint8Array(8 + bytes.length)
  const view = new DataView(value.buffer)
  view.setUint32(0, high)
  view.setUint32(4, low)
  value.set(bytes, 8)
  return value
}

function opened(value: Uint8Array): Uint8Array {
  const bytes = value.slice(8)
  const { high, low } = digestBytes(bytes)
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  if (value.length < 8 || view.getUint32(0) !== high || view.getUint32(4) !== low) {
    throw new MurmurationError('CorruptDataError', 'the checksum is wrong', {
      code: 'ERR_CORRUPT_DATA'
    })
  }
  return bytes
}
