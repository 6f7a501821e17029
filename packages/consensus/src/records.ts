import { sha256 } from '@noble/hashes/sha2.js'
import { CorruptDataError } from '@murmuration/interface'
import type { Store, StoreOperation } from '@murmuration/interface'
import { emptyRecord } from './core/acceptor.ts'
import type { RegisterRecord } from './core/acceptor.ts'
import { compareBallots, noBallot } from './core/ballot.ts'
import type { RegisterName } from './core/register-name.ts'
import { recordBytesInMemoryMax, recordsInMemoryMax } from './defaults.ts'
import {
  acceptedFromWire,
  acceptedToWire,
  storedAccepted,
  storedDamage,
  storedPromise
} from './wire.ts'

/** A record in memory. While somebody uses it, there is exactly one of its name. */
export interface OpenRecord {
  readonly name: RegisterName
  /** Settles when the record has been read. */
  readonly ready: Promise<void>
  record: RegisterRecord | undefined
  /** Users, and writes that are under way. */
  users: number
  /** The last write; what the record tells is durable when it is done. */
  saving: Promise<void> | undefined
  /** A write failed, so the next one must not leave anything out. */
  isUnsaved: boolean
}

export interface RecordsInit {
  readonly store: Store
  /** The newest view: what is found damaged may have been promised in it. */
  readonly view: () => number
  readonly onCorrupt: (error: CorruptDataError) => void
}

/**
 * Records on disk, and some of them in memory: `p/<name>` the promise, `a/<name>` what was accepted
 * and what was promised with it, `d/<name>` the view of a damage, `q/…` bytes that could not be read.
 */
export class Records {
  readonly #init: RecordsInit
  /** The least recently used one first. */
  readonly #open = new Map<RegisterName, OpenRecord>()
  readonly #damaged = new Map<RegisterName, number>()
  readonly #running = new Set<Promise<void>>()
  #bytes = 0
  /** Registers here, once they have been counted. */
  count = 0

  constructor(init: RecordsInit) {
    this.#init = init
  }

  get openCount(): number {
    return this.#open.size
  }

  get damaged(): ReadonlyMap<RegisterName, number> {
    return this.#damaged
  }

  /** Reads what is damaged; everything else is read when it is used. */
  async start(): Promise<void> {
    for await (const [key, value] of this.#init.store.entries({ prefix: 'd/' })) {
      this.#damaged.set(key.slice(2), storedDamage.decode(opened(value)).view)
    }
  }

  /** The record of a register, to be given back with {@link close}. */
  async open(name: RegisterName): Promise<OpenRecord> {
    let entry = this.#open.get(name)
    if (entry === undefined) {
      const { promise, reject, resolve } = Promise.withResolvers<void>()
      const fresh: OpenRecord = {
        name,
        ready: promise,
        record: undefined,
        users: 0,
        saving: undefined,
        isUnsaved: false
      }
      entry = fresh
      this.#open.set(name, fresh)
      this.#read(name).then((record) => {
        fresh.record = record
        this.#bytes += bytesOf(record)
        resolve()
      }, reject)
    }
    entry.users++
    try {
      await entry.ready
      return entry
    } catch (error) {
      this.#open.delete(name)
      throw error
    }
  }

  close(entry: OpenRecord): void {
    entry.users--
    // To the end of the line of those that are forgotten.
    if (this.#open.delete(entry.name)) {
      this.#open.set(entry.name, entry)
    }
    this.#shrink()
  }

  /** Puts a new record in the place of the present one, in memory; {@link save} makes it durable. */
  set(entry: OpenRecord, record: RegisterRecord | undefined): void {
    this.#bytes += bytesOf(record) - bytesOf(entry.record)
    this.count += Number(record !== undefined) - Number(entry.record !== undefined)
    entry.record = record
  }

  /** Writes changed records with one sync. `before` is what each one was when it was last saved. */
  async save(
    changes: readonly { readonly entry: OpenRecord; readonly before: RegisterRecord | undefined }[]
  ): Promise<void> {
    const operations = changes.flatMap(({ before, entry }) => this.#operationsOf(entry, before))
    const saving = this.#init.store.write(operations, { sync: true })
    this.#running.add(saving)
    for (const { entry } of changes) {
      entry.users++
      entry.saving = saving
    }
    try {
      await saving
      changes.forEach(({ entry }) => {
        entry.isUnsaved &&= entry.saving !== saving
      })
    } catch (error) {
      changes.forEach(({ entry }) => {
        entry.isUnsaved = true
      })
      throw error
    } finally {
      this.#running.delete(saving)
      for (const { entry } of changes) {
        if (entry.saving === saving) {
          entry.saving = undefined
        }
        this.close(entry)
      }
    }
  }

  /**
   * Resolves when all writes that have begun are over, so that {@link names} shows every record that
   * was changed before.
   */
  async flush(): Promise<void> {
    await Promise.allSettled(this.#running)
  }

  /** Names that are on disk, a page at a time. Deletions that are under way may still show. */
  async names(
    after: RegisterName | undefined,
    kind: 'a/' | 'p/',
    limit: number
  ): Promise<RegisterName[]> {
    const names: RegisterName[] = []
    // A damaged one is there too, and put aside when it is opened.
    const take = (key: string): void => void names.push(key.slice(kind.length))
    const range = { prefix: kind, limit, ...(after === undefined ? {} : { after: kind + after }) }
    for await (const [key] of this.#init.store.entries({ ...range, onDamaged: take })) {
      take(key)
    }
    return names
  }

  #operationsOf(entry: OpenRecord, before: RegisterRecord | undefined): StoreOperation[] {
    const { isUnsaved, name, record } = entry
    if (record === undefined) {
      this.#damaged.delete(name)
      return ['p/', 'a/', 'd/'].map((kind) => ({ key: kind + name, value: undefined }))
    }
    const operations: StoreOperation[] = []
    const { accepted, promised, sealed } = record
    if (
      accepted !== undefined &&
      (isUnsaved || before?.accepted !== accepted || before.sealed !== sealed)
    ) {
      const value = storedAccepted.encode({
        accepted: acceptedToWire(accepted),
        promised,
        sealed: sealed ? 'yes' : 'no'
      })
      operations.push({ key: 'a/' + name, value: sealedBytes(value) })
    } else {
      operations.push({ key: 'p/' + name, value: sealedBytes(storedPromise.encode({ promised })) })
    }
    if (record.damagedIn === undefined && this.#damaged.delete(name)) {
      operations.push({ key: 'd/' + name, value: undefined })
    }
    return operations
  }

  async #read(name: RegisterName): Promise<RegisterRecord | undefined> {
    const { store } = this.#init

    const [promise, accepted] = await Promise.all(
      ['p/', 'a/'].map(async (kind) => {
        try {
          return await store.get(kind + name)
        } catch (cause) {
          if (cause instanceof Error && cause.name === 'CorruptDataError') {
            return 'damaged' as const
          }
          throw cause
        }
      })
    )
    const damagedIn = this.#damaged.get(name)
    if (promise === undefined && accepted === undefined && damagedIn === undefined) {
      return undefined
    }
    try {
      return { ...recordOf(promise, accepted), damagedIn }
    } catch (cause) {
      return this.#quarantine(name, [promise, accepted], cause)
    }
  }

  /** Never read as absent: this peer has no say on the register until others have agreed on it anew. */
  async #quarantine(
    name: RegisterName,
    found: readonly (Uint8Array | 'damaged' | undefined)[],
    cause: unknown
  ): Promise<RegisterRecord> {
    const view = this.#init.view()
    this.#init.onCorrupt(new CorruptDataError(`the record of ${name} is damaged`, { cause }))
    const operations: StoreOperation[] = [
      { key: 'd/' + name, value: sealedBytes(storedDamage.encode({ view })) }
    ]
    for (const [index, value] of found.entries()) {
      const key = (index === 0 ? 'p/' : 'a/') + name
      if (value instanceof Uint8Array) {
        operations.push({ key: 'q/' + key, value })
      }
      operations.push({ key, value: undefined })
    }
    await this.#init.store.write(operations, { sync: true })
    this.#damaged.set(name, view)
    return { ...emptyRecord, damagedIn: view }
  }

  #shrink(): void {
    for (const [name, entry] of this.#open) {
      if (this.#open.size <= recordsInMemoryMax && this.#bytes <= recordBytesInMemoryMax) {
        return
      }
      if (entry.users === 0 && !entry.isUnsaved) {
        this.#open.delete(name)
        this.#bytes -= bytesOf(entry.record)
      }
    }
  }
}

function recordOf(
  promise: Uint8Array | 'damaged' | undefined,
  accepted: Uint8Array | 'damaged' | undefined
): RegisterRecord {
  if (promise === 'damaged' || accepted === 'damaged') {
    throw new CorruptDataError('the store has lost it')
  }
  const own = promise === undefined ? noBallot : storedPromise.decode(opened(promise)).promised
  if (accepted === undefined) {
    return { ...emptyRecord, promised: own }
  }
  const stored = storedAccepted.decode(opened(accepted))
  return {
    promised: compareBallots(own, stored.promised) > 0 ? own : stored.promised,
    accepted: acceptedFromWire(stored.accepted),
    sealed: stored.sealed === 'yes',
    damagedIn: undefined
  }
}

function bytesOf(record: RegisterRecord | undefined): number {
  return record === undefined ? 0 : 256 + (record.accepted?.value?.length ?? 0)
}

const checksumBytes = 8

/** Bytes with their checksum in front. */
function sealedBytes(bytes: Uint8Array): Uint8Array {
  const value = new Uint8Array(checksumBytes + bytes.length)
  value.set(sha256(bytes).subarray(0, checksumBytes))
  value.set(bytes, checksumBytes)
  return value
}

function opened(value: Uint8Array): Uint8Array {
  const bytes = value.subarray(checksumBytes)
  const checksum = sha256(bytes)
  for (let index = 0; index < checksumBytes; index++) {
    if (value[index] !== checksum[index]) {
      throw new CorruptDataError('the checksum is wrong')
    }
  }
  return bytes
}
