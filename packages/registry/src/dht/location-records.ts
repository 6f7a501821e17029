import { Libp2pRecord } from '@libp2p/record'
import type { AbortOptions } from '@libp2p/interface'
import type { KadDHTInit } from '@libp2p/kad-dht'
import type { Clock } from '@murmuration/interface'
import { FencedError, InvalidSignatureError } from '@murmuration/interface'
import { systemClock } from '@murmuration/system'
import { Key } from 'interface-datastore'
import type { Datastore } from 'interface-datastore'
import { equals } from 'uint8arrays/equals'
import { toString } from 'uint8arrays/to-string'
import { supersedes, weigh } from '../core/location-record.ts'
import type { Location } from '../core/location-record.ts'
import { defaults } from '../defaults.ts'
import { isLocationKey, LocationReader, NAMESPACE } from './location-codec.ts'
import type { MayOwn } from './location-codec.ts'

export interface LocationRecordsInit {
  /** Which peers may own which agents. @default any; ids that end in a PeerId only that peer */
  readonly mayOwn?: MayOwn
  /** @default the clock of the machine */
  readonly clock?: Clock
}

/** What a libp2p node with kad-dht needs so that it keeps locations and never goes back. */
export interface LocationRecords {
  /** For `kadDHT({ ...kadOptions })`: `validators` and `selectors`. */
  readonly kadOptions: Pick<KadDHTInit, 'validators' | 'selectors'>
  /**
   * For `createLibp2p({ datastore: records.guard(store) })`: a store that takes a location only if it
   * replaces the one that is there. kad-dht itself overwrites with whatever is valid, and does so
   * without serialising, on the author's own peer without even validating.
   */
  guard<T extends Datastore>(store: T): T
  /** The location of this key in the guarded store, as stored. */
  stored(key: Uint8Array): Promise<Uint8Array | undefined>
  readonly reader: LocationReader
}

/** Makes the guard of one node's locations. */
export function locationRecords(init: LocationRecordsInit = {}): LocationRecords {
  const clock = init.clock ?? systemClock
  const reader = new LocationReader(init.mayOwn ?? (() => true))
  const guards: Guard[] = []
  return {
    reader,
    kadOptions: {
      validators: {
        [NAMESPACE]: async (key, value) => {
          await reader.read(key, value)
        }
      },
      selectors: {
        [NAMESPACE]: async (key, values) => {
          const locations = await Promise.all(values.map((value) => reader.read(key, value)))
          const best = weigh(locations)?.location
          return best === undefined ? 0 : locations.indexOf(best)
        }
      }
    },
    guard: (store) => {
      const guard = new Guard(store, reader, clock)
      guards.push(guard)
      return new Proxy(store, {
        get: (target, name) => {
          if (name === 'put') return (...args: PutArguments) => guard.put(...args)
          const value: unknown = Reflect.get(target, name)
          // Stores keep private fields, which a proxy does not have.
          return typeof value === 'function' ? value.bind(target) : value
        }
      })
    },
    stored: async (key) => guards[0]?.stored(key)
  }
}

/** Where kad-dht keeps values, unless its `datastorePrefix` is changed. */
const RECORDS = '/dht/record/'

type PutArguments = [key: Key, value: Uint8Array, options?: AbortOptions]

/** Compare-and-put: writes of one key follow each other, and each is compared with what stands. */
class Guard {
  readonly #store: Datastore
  readonly #reader: LocationReader
  readonly #clock: Clock
  readonly #writing = new Map<string, Promise<unknown>>()

  constructor(store: Datastore, reader: LocationReader, clock: Clock) {
    this.#store = store
    this.#reader = reader
    this.#clock = clock
  }

  async put(key: Key, value: Uint8Array, options?: AbortOptions): Promise<Key> {
    const record = recordOf(key, value)
    if (record === undefined) return this.#store.put(key, value, options)
    const name = key.toString()
    const before = this.#writing.get(name) ?? Promise.resolve()
    const write = before.then(() => this.#compareAndPut(key, record, value, options))
    // The next one waits for this one, however it ends.
    const settled = write.catch(() => undefined)
    this.#writing.set(name, settled)
    try {
      return await write
    } finally {
      if (this.#writing.get(name) === settled) this.#writing.delete(name)
    }
  }

  async stored(key: Uint8Array): Promise<Uint8Array | undefined> {
    return (await this.#current(new Key(`${RECORDS}${toString(key, 'base32')}`)))?.value
  }

  async #compareAndPut(
    key: Key,
    record: Libp2pRecord,
    value: Uint8Array,
    options?: AbortOptions
  ): Promise<Key> {
    const next = await this.#reader.read(record.key, record.value)
    const now = this.#clock.now()
    if (next.expiresAt <= now) throw new FencedError(`a location of ${next.agent.id} has expired`)
    if (next.time > now + defaults.locationSkewMs) {
      throw new InvalidSignatureError(`a location of ${next.agent.id} comes from the future`)
    }
    const current = await this.#current(key)
    if (current !== undefined && !equals(current.value, record.value)) {
      const known = await this.#known(record.key, current.value)
      if (known !== undefined && !supersedes(next, known)) {
        throw new FencedError(`a newer location of ${next.agent.id} is known here`)
      }
    }
    return this.#store.put(key, value, options)
  }

  async #known(key: Uint8Array, value: Uint8Array): Promise<Location | undefined> {
    try {
      return await this.#reader.read(key, value)
    } catch {
      // Stored by an older program, or the policy has changed: it stands in nobody's way.
      return undefined
    }
  }

  async #current(key: Key): Promise<Libp2pRecord | undefined> {
    try {
      return Libp2pRecord.deserialize(await this.#store.get(key))
    } catch (error) {
      if (error instanceof Error && error.name === 'NotFoundError') return undefined
      throw error
    }
  }
}

/** The record in a write of kad-dht; undefined for anything that is no location. */
function recordOf(key: Key, value: Uint8Array): Libp2pRecord | undefined {
  if (!key.toString().startsWith(RECORDS)) return undefined
  const record = Libp2pRecord.deserialize(value)
  return isLocationKey(record.key) ? record : undefined
}
