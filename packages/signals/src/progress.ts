import type { Clock, Store, StoreOperation } from '@murmuration/interface'
import type { ProgressNote } from './core/messages.ts'
import type { Mutants } from './core/mutants.ts'
import { Ranges } from './core/ranges.ts'
import { RecentIds } from './core/recent-ids.ts'
import { IdsRecord, openRecord, ProgressRecord, sealRecord } from './core/records.ts'
import { parseStreamKey, streamKey } from './core/streams.ts'
import type { StreamName } from './core/streams.ts'
import * as defaults from './defaults.ts'

export interface ProgressInit {
  readonly store: Store
  readonly clock: Clock
  readonly mutants: Mutants
  readonly onCorrupt: (key: string, error: unknown) => void
  readonly report: (what: string, error: unknown) => void
  /** Told of what this peer has added and is durable now. */
  readonly onWritten: (notes: readonly ProgressNote[]) => void
}

interface Handled {
  readonly id: string
  readonly stream: StreamName
  readonly ranges: Ranges
  /** Rising with each change of any. */
  version: number
  /** When it was last added to. */
  at: number
}

/**
 * No stream, but a mark that the start of a subscription has been found out: sequence 1, and when that
 * was. Of a group there may be several times, of which the first counts.
 */
const beginning: StreamName = { author: '', boot: 0, channel: '' }

interface SeenId {
  readonly id: string
  readonly at: number
}

/** Ids that were written together. */
interface Chunk {
  readonly key: string
  readonly id: string
  readonly at: number
  readonly count: number
}

/**
 * What each durable subscription has handled, by stream, under `p/<subscription>|<stream>`, and the
 * ids of it under `i/<subscription>|<number>`. Only ever grows, so that what several peers know of one
 * subscription is simply joined. One write is under way at a time; the next takes all that came.
 */
export class Progress {
  readonly #init: ProgressInit
  /** By key; what changed last stands last. */
  readonly #handled = new Map<string, Handled>()
  readonly #ids = new Map<string, RecentIds>()
  #dirty = new Set<string>()
  /** Of these, what this peer has found out itself. */
  #own = new Set<string>()
  #newIds = new Map<string, SeenId[]>()
  #chunk = 1
  #chunks: Chunk[] = []
  #failed = false
  #version = 0
  /** Something came while a write was under way. */
  #again = false
  #writing: Promise<void> | undefined

  constructor(init: ProgressInit) {
    this.#init = init
  }

  async load(): Promise<void> {
    const { clock, onCorrupt, store } = this.#init
    for await (const [key, sealed] of store.entries({ prefix: 'p/' })) {
      const [id = '', stream = ''] = split(key)
      const name = parseStreamKey(stream)
      try {
        if (name !== undefined) {
          const { at = clock.now(), handled } = openRecord(key, sealed, ProgressRecord)
          const ranges = new Ranges(handled)
          this.#handled.set(key, { id, stream: name, ranges, version: 0, at })
        }
      } catch (error) {
        onCorrupt(key, error)
      }
    }
    for await (const [key, sealed] of store.entries({ prefix: 'i/' })) {
      const [id = '', chunk = ''] = split(key)
      this.#chunk = Math.max(this.#chunk, Number(chunk) + 1)
      try {
        const { ids } = openRecord(key, sealed, IdsRecord)
        this.#chunks.push({ key, id, at: ids.at(-1)?.at ?? 0, count: ids.length })
        for (const seen of ids) {
          this.#idsOf(id).add(seen.id, seen.at)
        }
      } catch (error) {
        onCorrupt(key, error)
      }
    }
    this.#chunks.sort((a, b) => a.at - b.at)
    const expired = this.#expired()
    if (expired.length > 0) {
      await store.write(expired, { sync: false })
    }
  }

  of(id: string, stream: StreamName): Ranges {
    const key = keyOf(id, stream)
    let handled = this.#handled.get(key)
    if (handled === undefined) {
      handled = { id, stream, ranges: new Ranges(), version: 0, at: this.#init.clock.now() }
      this.#handled.set(key, handled)
    }
    return handled.ranges
  }

  /** The same to look at only, so that nothing is kept of what is not there. */
  find(id: string, stream: StreamName): Ranges {
    return this.#handled.get(keyOf(id, stream))?.ranges ?? new Ranges()
  }

  /** Whether it is known where a subscription has begun. */
  begun(id: string): boolean {
    return this.find(id, beginning).has(1)
  }

  /** From now on it is known where it has begun. */
  begin(id: string): void {
    const now = this.#init.clock.now()
    this.of(id, beginning).add(now, now)
    this.add(id, beginning, 1, 1)
  }

  /** When it has begun, by the clock of its peer; 0 where that is not known. */
  beganAt(id: string): number {
    return this.find(id, beginning).nextPresent(2) ?? 0
  }

  hasId(id: string, signal: string): boolean {
    return this.#idsOf(id).has(signal, this.#init.clock.now())
  }

  /** Sequences are handled, under this id of a signal if there is one. */
  add(id: string, stream: StreamName, from: number, to: number, signal?: string): void {
    this.of(id, stream).add(from, to)
    this.#touch(keyOf(id, stream))
    this.#own.add(keyOf(id, stream))
    if (signal === undefined) {
      this.#schedule()
    } else {
      this.remember(id, signal)
    }
  }

  /** A signal of this id is handled, wherever it came from. */
  remember(id: string, signal: string): void {
    const seen = { id: signal, at: this.#init.clock.now() }
    this.#idsOf(id).add(seen.id, seen.at)
    const list = this.#newIds.get(id) ?? []
    list.push(seen)
    this.#newIds.set(id, list)
    this.#schedule()
  }

  /** They are nothing for that subscription; it can be found out again, so it is written later. */
  pass(id: string, stream: StreamName, from: number, to: number): void {
    this.of(id, stream).add(from, to)
    const key = keyOf(id, stream)
    this.#dirty.add(key)
    const handled = this.#handled.get(key)
    if (handled !== undefined) {
      handled.at = this.#init.clock.now()
    }
  }

  /** Writes what was not urgent. */
  settle(): void {
    if (this.#dirty.size > 0) {
      this.#schedule()
    }
  }

  /** Takes what another peer knows; whether it was news. */
  merge({ handled, id, stream }: ProgressNote): boolean {
    const key = keyOf(id, stream)
    if (!this.#handled.has(key) && this.#handled.size >= defaults.progressMax) {
      return false
    }
    const ranges = this.find(id, stream)
    const news = handled.some(({ from, to }) => from <= to && !ranges.covers(from, to))
    if (news) {
      this.of(id, stream).addAll(handled.filter(({ from, to }) => from <= to))
      this.#touch(keyOf(id, stream))
      this.#schedule()
    }
    return news
  }

  /** What is known of one subscription, for others. */
  notesOf(id: string, max: number): readonly ProgressNote[] {
    const all = [...this.#handled.values()].filter((handled) => handled.id === id)
    const streams = all.filter(({ stream }) => stream.author !== beginning.author)
    // Where it begins goes first: who is not told that would begin anew.
    const marks = all.filter(({ stream }) => stream.author === beginning.author)
    return fitting([...marks, ...streams.toReversed()].slice(0, max).map((each) => toNote(each)))
  }

  /** What has changed after a version, the oldest change first, and the version after that. */
  after(version: number, max: number): { notes: readonly ProgressNote[]; version: number } {
    const changed = [...this.#handled.values()]
      .filter((handled) => handled.version > version)
      .slice(0, max)
    const notes = fitting(changed.map((each) => toNote(each, defaults.exchangedRangesMax)))
    return { notes, version: changed[notes.length - 1]?.version ?? version }
  }

  /** Forgets streams of which nothing can come any more, when nothing was added to them for long. */
  forgetIdle(idleMs: number, isOver: (stream: StreamName) => boolean): void {
    const before = this.#init.clock.now() - idleMs
    for (const [key, { at, stream }] of this.#handled) {
      if (at < before && stream.author !== beginning.author && isOver(stream)) {
        this.#handled.delete(key)
        this.#dirty.add(key)
      }
    }
    this.settle()
  }

  async forget(id: string): Promise<void> {
    const operations: StoreOperation[] = []
    for (const [key, handled] of this.#handled) {
      if (handled.id === id) {
        this.#handled.delete(key)
        this.#dirty.delete(key)
        operations.push({ key, value: undefined })
      }
    }
    for await (const [key] of this.#init.store.entries({ prefix: `i/${id}|` })) {
      operations.push({ key, value: undefined })
    }
    this.#ids.delete(id)
    this.#newIds.delete(id)
    await this.#init.store.write(operations, { sync: true })
  }

  /** Resolves when all of it is durable. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) {
      await this.#writing
    }
  }

  /** Removes ids that are out of the window, or too many for one subscription. */
  #expired(): StoreOperation[] {
    const before = this.#init.clock.now() - defaults.idWindowMs
    const oldest = this.#chunks[0]
    if (oldest === undefined || (oldest.at >= before && this.#chunks.length % 256 !== 0)) {
      return []
    }
    const counts = new Map<string, number>()
    for (const { count, id } of this.#chunks) {
      counts.set(id, (counts.get(id) ?? 0) + count)
    }
    const operations: StoreOperation[] = []
    this.#chunks = this.#chunks.filter(({ at, count, id, key }) => {
      const total = counts.get(id) ?? 0
      if (at >= before && total <= defaults.idsMax) {
        return true
      }
      counts.set(id, total - count)
      operations.push({ key, value: undefined })
      return false
    })
    return operations
  }

  #touch(key: string): void {
    const handled = this.#handled.get(key)
    if (handled !== undefined) {
      this.#version += 1
      handled.version = this.#version
      handled.at = this.#init.clock.now()
      this.#handled.delete(key)
      this.#handled.set(key, handled)
    }
    this.#dirty.add(key)
  }

  #idsOf(id: string): RecentIds {
    let ids = this.#ids.get(id)
    if (ids === undefined) {
      ids = new RecentIds({ windowMs: defaults.idWindowMs, idsMax: defaults.idsMax })
      this.#ids.set(id, ids)
    }
    return ids
  }

  #schedule(): void {
    this.#again = this.#writing !== undefined
    this.#writing ??= Promise.resolve()
      .then(() => this.#write())
      .catch((error: unknown) => this.#init.report('progress could not be written', error))
      .finally(() => {
        this.#writing = undefined
        if (!this.#failed && this.#again) {
          this.#schedule()
        }
      })
  }

  async #write(): Promise<void> {
    const { mutants, onWritten, store } = this.#init
    const dirty = [...this.#dirty]
    const own = this.#own
    const ids = [...this.#newIds]
    this.#dirty = new Set()
    this.#own = new Set()
    this.#newIds = new Map()
    const notes: ProgressNote[] = []
    const operations: StoreOperation[] = []
    for (const key of dirty) {
      const each = this.#handled.get(key)
      const note = each && toNote(each)
      if (own.has(key) && note !== undefined) {
        notes.push(note)
      }
      const value =
        note && sealRecord(ProgressRecord.encode({ handled: note.handled, at: each.at }))
      operations.push({ key, value })
    }
    for (const [id, list] of ids) {
      const key = `i/${id}|${String(this.#chunk).padStart(16, '0')}`
      this.#chunk += 1
      operations.push({ key, value: sealRecord(IdsRecord.encode({ ids: list })) })
      this.#chunks.push({ key, id, at: list.at(-1)?.at ?? 0, count: list.length })
    }
    operations.push(...this.#expired())
    try {
      if (mutants.progressNotPersisted !== true) {
        await store.write(operations, { sync: true })
      }
      this.#failed = false
    } catch (error) {
      // Tried again with what comes next: until then a restart repeats what was handled.
      this.#failed = true
      for (const key of dirty) {
        this.#dirty.add(key)
      }
      for (const key of own) {
        this.#own.add(key)
      }
      for (const [id, list] of ids) {
        this.#newIds.set(id, [...list, ...(this.#newIds.get(id) ?? [])])
      }
      throw error
    }
    onWritten(notes)
  }
}

function toNote({ id, ranges, stream }: Handled, max: number = defaults.rangesMax): ProgressNote {
  return { id, stream, handled: ranges.list().slice(0, max) }
}

/** The first of them, as many as one message holds. */
export function fitting(notes: readonly ProgressNote[]): readonly ProgressNote[] {
  let ranges = 0
  const end = notes.findIndex(({ handled }) => {
    ranges += handled.length
    return ranges > defaults.notesRangesMax
  })
  return end === -1 ? notes : notes.slice(0, end)
}

function keyOf(id: string, stream: StreamName): string {
  return `p/${id}|${streamKey(stream)}`
}

/** Subscription and rest of a key. */
function split(key: string): readonly string[] {
  const at = key.indexOf('|')
  return [key.slice(2, at), key.slice(at + 1)]
}
