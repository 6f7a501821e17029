import { CorruptDataError, StorageError } from '@murmuration/interface'
import type { Random, Store, StoreOperation, StoreRange } from '@murmuration/interface'
import { integerBetween, pick } from './random.ts'
import type { SimulatedProcess } from './process.ts'

/**
 * What becomes of writes without `sync` when the node crashes. `torn`: the last one was half written,
 * so the store drops it whole, and all before it survive.
 */
export type UnsyncedFate = 'lost' | 'kept' | 'some' | 'torn'

interface PendingWrite {
  readonly batch: readonly StoreOperation[]
  readonly sync: boolean
}

/**
 * The disk of one node. It survives crashes; a write without `sync` survives only if the fault says
 * so, and then only together with all writes before it, as in a log.
 */
export class SimulatedDisk {
  readonly #durable = new Map<string, Uint8Array>()
  #visible = new Map<string, Uint8Array>()
  /** Writes in order that no sync has covered; the last ones may not have been reported yet. */
  #unsynced: PendingWrite[] = []
  #busyUntil = 0
  #failing = false
  #bytesMax = Infinity
  /** Keys whose value has a wrong bit. */
  readonly #damaged = new Set<string>()
  readonly #random: Random
  readonly #writeMs: readonly [number, number]

  constructor(random: Random, writeMs: readonly [number, number]) {
    this.#random = random
    this.#writeMs = writeMs
  }

  /** While true, writes are refused with `StorageError` and change nothing. */
  set failing(value: boolean) {
    this.#failing = value
  }

  /** Writes that need more are refused with `StorageError` and change nothing. */
  set bytesMax(value: number) {
    this.#bytesMax = value
  }

  /** Flips a bit of one value, a random one by default; returns its key, if there is any. */
  damage(key?: string): string | undefined {
    const found = key ?? pick(this.#random, [...this.#visible.keys()].toSorted(compareText))
    if (found === undefined || !this.#visible.has(found)) {
      return undefined
    }
    this.#damaged.add(found)
    return found
  }

  /** The store as this process sees it. */
  open(process: SimulatedProcess, now: () => number): Store {
    this.#busyUntil = 0
    return storeView(this.#visible, '', {
      alive: () => process.alive,
      isDamaged: (key) => this.#damaged.has(key),
      write: (batch, sync) => this.#write(process, now, batch, sync)
    })
  }

  crash(fate: UnsyncedFate): void {
    const count = this.#unsynced.length
    const fates = { kept: count, lost: 0, torn: Math.max(0, count - 1) }
    const kept = fate === 'some' ? integerBetween(this.#random, 0, count) : fates[fate]
    for (const { batch } of this.#unsynced.slice(0, kept)) {
      applyTo(this.#durable, batch)
    }
    this.#unsynced = []
    this.#visible = new Map(this.#durable)
  }

  wipe(): void {
    this.#durable.clear()
    this.#damaged.clear()
    this.#visible = new Map()
    this.#unsynced = []
  }

  /** What the disk holds with all writes that are under way, and this one. */
  #bytesWith(batch: readonly StoreOperation[]): number {
    const all = new Map(this.#visible)
    for (const { batch: earlier } of this.#unsynced) {
      applyTo(all, earlier)
    }
    applyTo(all, batch)
    return [...all].reduce((sum, [key, value]) => sum + bytesOf(key, value), 0)
  }

  #write(
    process: SimulatedProcess,
    now: () => number,
    batch: readonly StoreOperation[],
    sync: boolean
  ): Promise<void> {
    if (this.#failing) {
      return Promise.reject(new StorageError('the simulated disk refuses writes'))
    }
    if (this.#bytesMax < Infinity && this.#bytesWith(batch) > this.#bytesMax) {
      return Promise.reject(new StorageError('no space is left on the simulated disk'))
    }
    const pending: PendingWrite = {
      batch: batch.map(({ key, value }) => ({ key, value: value?.slice() })),
      sync
    }
    this.#unsynced.push(pending)
    const [low, high] = this.#writeMs
    const duration = low + this.#random.next() * (high - low)
    this.#busyUntil = Math.max(this.#busyUntil, now()) + (sync ? duration : duration / 10)
    return new Promise((resolve) => {
      process.post(this.#busyUntil - now(), 'message', () => {
        applyTo(this.#visible, pending.batch)
        for (const { key } of pending.batch) {
          this.#damaged.delete(key)
        }
        if (sync) {
          const covered = this.#unsynced.indexOf(pending) + 1
          for (const earlier of this.#unsynced.splice(0, covered)) {
            applyTo(this.#durable, earlier.batch)
          }
        }
        resolve()
      })
    })
  }
}

/** Bytes of a record: its key as UTF-16, about, and its value. */
function bytesOf(key: string, value: Uint8Array | undefined): number {
  return value === undefined ? 0 : 2 * key.length + value.length
}

interface StorePort {
  readonly isDamaged: (key: string) => boolean
  readonly alive: () => boolean
  readonly write: (batch: readonly StoreOperation[], sync: boolean) => Promise<void>
}

function storeView(data: ReadonlyMap<string, Uint8Array>, prefix: string, port: StorePort): Store {
  return {
    get: async (key) => {
      await untilAlive(port)
      refuseDamaged(port, prefix + key)
      return data.get(prefix + key)?.slice()
    },
    write: (batch, { sync }) => {
      if (!port.alive()) {
        return never()
      }
      return port.write(
        batch.map(({ key, value }) => ({ key: prefix + key, value })),
        sync
      )
    },
    entries: (range = {}) => readRange(data, prefix, range, port),
    sub: (inner) => storeView(data, prefix + inner, port),
    // Nothing is held open: the disk lives as long as the simulation.
    close: async () => {}
  }
}

async function* readRange(
  data: ReadonlyMap<string, Uint8Array>,
  prefix: string,
  range: StoreRange,
  port: StorePort
): AsyncGenerator<readonly [key: string, value: Uint8Array]> {
  await untilAlive(port)
  const start = prefix + (range.prefix ?? '')
  const after = range.after === undefined ? undefined : prefix + range.after
  const found = [...data]
    .filter(([key]) => key.startsWith(start))
    .filter(([key]) => after === undefined || compareText(key, after) > 0)
    .toSorted(([a], [b]) => compareText(a, b))
  if (range.reverse === true) {
    found.reverse()
  }
  for (const [key, value] of found.slice(0, range.limit ?? found.length)) {
    if (range.onDamaged !== undefined && port.isDamaged(key)) {
      range.onDamaged(key.slice(prefix.length), value.slice())
      continue
    }
    refuseDamaged(port, key)
    yield [key.slice(prefix.length), value.slice()]
  }
}

/** As the checksums of the real store do: never a wrong value, never an absent one. */
function refuseDamaged(port: StorePort, key: string): void {
  if (port.isDamaged(key)) {
    throw new CorruptDataError(`the value of ${key} does not match its checksum`)
  }
}

function applyTo(data: Map<string, Uint8Array>, batch: readonly StoreOperation[]): void {
  for (const { key, value } of batch) {
    if (value === undefined) {
      data.delete(key)
    } else {
      data.set(key, value)
    }
  }
}

/** Bytewise order of UTF-8 is the order of code points, which differs from `<` for surrogates. */
function compareText(a: string, b: string): number {
  const left = Array.from(a)
  const right = Array.from(b)
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const difference = (left[index]?.codePointAt(0) ?? 0) - (right[index]?.codePointAt(0) ?? 0)
    if (difference !== 0) {
      return difference
    }
  }
  return left.length - right.length
}

/** What a dead process waits for never comes. */
function never<T>(): Promise<T> {
  return new Promise(() => {})
}

function untilAlive(port: StorePort): Promise<void> {
  return port.alive() ? Promise.resolve() : never()
}
