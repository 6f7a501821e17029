import type { KadDHT } from '@libp2p/kad-dht'
import type { AbortOptions } from '@libp2p/interface'
import { equals } from 'uint8arrays/equals'
import type { Location } from '../core/location-record.ts'
import { defaults } from '../defaults.ts'
import type { LocationRecords } from './location-records.ts'

/** What became of a publication. */
export interface Stored {
  /** Peers that confirmed it, the own one included. */
  readonly copies: number
  /** Peers that were asked, the own one included. */
  readonly asked: number
}

/** Reads and writes locations by walks through the DHT, with the traps of kad-dht covered. */
export class Walks {
  readonly #dht: KadDHT
  readonly #records: LocationRecords

  constructor(dht: KadDHT, records: LocationRecords) {
    this.#dht = dht
    this.#records = records
  }

  /**
   * The locations of all peers that answered, the own store included. kad-dht's own `get` corrects
   * stale peers before it tells the best value, and throws if one of them cannot be corrected: so
   * the answers are taken from the events of the walk.
   */
  async collect(key: Uint8Array, options: AbortOptions): Promise<Location[]> {
    const found: Location[] = []
    const take = async (value: Uint8Array): Promise<void> => {
      try {
        found.push(await this.#records.reader.read(key, value))
      } catch {
        // Forged or damaged: what one peer stores says nothing about the others.
      }
    }
    const own = await this.#records.stored(key)
    if (own !== undefined) await take(own)
    try {
      for await (const event of this.#dht.get(key, walkOptions(options))) {
        if (event.name !== 'PEER_RESPONSE' || event.messageName !== 'GET_VALUE') continue
        if (event.record !== undefined) await take(event.record.value)
      }
    } catch (error) {
      if (options.signal?.aborted === true) throw error
      // Nobody had it, or a stale peer refused its correction: what came counts.
    }
    return found
  }

  /**
   * Stores on this peer and on those closest to the key, and counts who confirmed. kad-dht resolves
   * even when all refuse.
   *
   * @throws FencedError when this peer already knows a newer one
   */
  async publish(key: Uint8Array, value: Uint8Array, options: AbortOptions): Promise<Stored> {
    const asked = new Set<string>()
    const confirmed = new Set<string>()
    for await (const event of this.#dht.put(key, value, walkOptions(options))) {
      if (event.name === 'SEND_QUERY' && event.messageName === 'PUT_VALUE') {
        asked.add(event.to.toString())
      } else if (event.name === 'PEER_RESPONSE' && event.messageName === 'PUT_VALUE') {
        const { record } = event
        if (record !== undefined && equals(record.value, value)) {
          confirmed.add(event.from.toString())
        }
      }
    }
    return { copies: confirmed.size + 1, asked: asked.size + 1 }
  }
}

function walkOptions({ signal }: AbortOptions): AbortOptions {
  const late = AbortSignal.timeout(defaults.walkTimeoutMs)
  return { signal: signal === undefined ? late : AbortSignal.any([late, signal]) }
}
