import { OverloadedError } from '@murmuration/interface'
import { MemoryDatastore } from 'datastore-core'
import type { Key } from 'interface-datastore'
import { KADEMLIA_PROVIDED_MAX, KADEMLIA_RECORDS_MAX } from './defaults.ts'

/**
 * What a node stores for others in the DHT. It refuses above its bounds: the oldest records stay,
 * because a flood must not drive out what was there.
 */
export class BoundedDatastore extends MemoryDatastore {
  readonly #keys = new Set<string>()
  readonly #provided = new Map<string, number>()

  override put(key: Key, value: Uint8Array): ReturnType<MemoryDatastore['put']> {
    const name = key.toString()
    if (!this.#keys.has(name)) {
      const provider = providerOf(name)
      const provided = provider === undefined ? 0 : (this.#provided.get(provider) ?? 0)
      if (this.#keys.size >= KADEMLIA_RECORDS_MAX || provided >= KADEMLIA_PROVIDED_MAX) {
        throw new OverloadedError('no room for further DHT records')
      }
      this.#keys.add(name)
      if (provider !== undefined) {
        this.#provided.set(provider, provided + 1)
      }
    }
    return super.put(key, value)
  }

  override delete(key: Key): ReturnType<MemoryDatastore['delete']> {
    const name = key.toString()
    if (this.#keys.delete(name)) {
      const provider = providerOf(name)
      const provided = provider === undefined ? 0 : (this.#provided.get(provider) ?? 0)
      if (provider !== undefined && provided <= 1) {
        this.#provided.delete(provider)
      } else if (provider !== undefined) {
        this.#provided.set(provider, provided - 1)
      }
    }
    return super.delete(key)
  }
}

/** Keys of provider records are `<prefix>/provider/<content>/<PeerId>`. */
function providerOf(key: string): string | undefined {
  const parts = key.split('/')
  return parts.at(-3) === 'provider' ? parts.at(-1) : undefined
}
