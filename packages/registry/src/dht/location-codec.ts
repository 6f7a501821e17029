import { createOpener, createSealer, isSelfCertifying, peerOf } from '@murmuration/identity'
import type { Opener, Sealer } from '@murmuration/identity'
import type { Clock } from '@murmuration/interface'
import type { PrivateKey } from '@libp2p/interface'
import { InvalidSignatureError } from '@murmuration/interface'
import { LocationBody } from '../core/location-record.ts'
import type { Location } from '../core/location-record.ts'
import { defaults } from '../defaults.ts'

/** The first segment of the DHT keys of location records; kad-dht picks validators by it. */
export const NAMESPACE = 'murmuration-agent'

const DOMAIN = 'murmuration-location'
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** The DHT key of an agent's location. */
export function keyOf(id: string): Uint8Array {
  return encoder.encode(`/${NAMESPACE}/${id}`)
}

/** Whether a DHT key is one of a location. */
export function isLocationKey(key: Uint8Array): boolean {
  return decoder.decode(key).startsWith(`/${NAMESPACE}/`)
}

/** Which peer may be where an agent is, beyond what the id itself says. */
export type MayOwn = (peer: string, id: string) => boolean

/** Reads records that others signed: everything is checked before anything is believed. */
export class LocationReader {
  readonly #opener: Opener = createOpener()
  readonly #mayOwn: MayOwn

  constructor(mayOwn: MayOwn) {
    this.#mayOwn = mayOwn
  }

  /** @throws InvalidSignatureError, MalformedMessageError */
  async read(key: Uint8Array, value: Uint8Array): Promise<Location> {
    const envelope = await this.#opener.open(value, {
      domain: DOMAIN,
      bytesMax: defaults.locationBytesMax
    })
    const { signer: owner, sequence, time, payload } = envelope
    const body = LocationBody.decode(payload)
    const { id } = body.agent
    if (decoder.decode(key) !== `/${NAMESPACE}/${id}`) {
      throw new InvalidSignatureError(`a location of ${id} stands under another key`)
    }
    if (isOwnedByKey(id) && !isSelfCertifying(id, owner)) {
      throw new InvalidSignatureError(`${id} belongs to another key than ${owner}`)
    }
    if (!this.#mayOwn(owner, id)) throw new InvalidSignatureError(`${owner} may not own ${id}`)
    if (body.expiresAt > time + defaults.locationTtlMaxMs) {
      throw new InvalidSignatureError(`the location of ${id} lasts longer than any may`)
    }
    return { ...body, owner, sequence, time }
  }
}

/** Signs records of this peer. */
export class LocationWriter {
  readonly #sealer: Sealer

  constructor(privateKey: PrivateKey, clock: Clock) {
    this.#sealer = createSealer({ privateKey, clock })
  }

  get peer(): string {
    return this.#sealer.signer
  }

  write(body: LocationBody, sequence: number): Promise<Uint8Array> {
    const payload = LocationBody.encode(body)
    return this.#sealer.seal({ domain: DOMAIN, type: 'location', sequence, payload })
  }
}

/** Whether the key part of an id is a PeerId, so that nobody else may speak for the agent. */
function isOwnedByKey(id: string): boolean {
  const key = id.slice(id.lastIndexOf('/') + 1)
  try {
    return peerOf(key) === key
  } catch {
    // Most keys are no PeerIds: anybody may own those.
    return false
  }
}
