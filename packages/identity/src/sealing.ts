import { sha256 } from '@noble/hashes/sha2.js'
import type { PrivateKey } from '@libp2p/interface'
import {
  InvalidParametersError,
  InvalidSignatureError,
  MessageTooLargeError
} from '@murmuration/interface'
import type { Clock } from '@murmuration/interface'
import { toString } from 'uint8arrays/to-string'
import { systemClock } from '@murmuration/system'
import { createBoundedMap } from './core/bounded-map.ts'
import { checkDomain, EnvelopeBody } from './core/envelope.ts'
import { peerOfPublicKey } from './core/peer-name.ts'
import { bytesToSign, joinSigned, splitSigned } from './core/signed-bytes.ts'
import type { VerifySignature } from './core/signed-bytes.ts'
import { envelopeBytesMaxDefault, verifiedCacheMaxDefault, verifyParallel } from './defaults.ts'
import { nodeCrypto } from './node-builtins.ts'
import { createSigner, createVerifier } from './signing.ts'
import type { Verifier } from './signing.ts'

/** What a signed envelope says. */
export interface Envelope {
  /** PeerId (text) of the key that signed it. */
  readonly signer: string
  readonly domain: string
  readonly type: string
  /** Given by the signer; to be judged by the reader (replay, gaps). */
  readonly sequence: number
  /** Milliseconds since 1970 by the signer's clock. */
  readonly time: number
  /** A view into the sealed bytes; copy it to keep it without them. */
  readonly payload: Uint8Array
}

/** What is sealed. */
export interface SealInit {
  /** What the envelope is for, 1 to 128 characters: one opened for another purpose does not hold. */
  readonly domain: string
  /** Payload type, at most 128 characters. */
  readonly type: string
  readonly sequence: number
  readonly payload: Uint8Array
}

export interface SealerInit {
  readonly privateKey: PrivateKey
  /** @default the real time */
  readonly clock?: Pick<Clock, 'now'>
}

/** Signs envelopes with one key. */
export interface Sealer {
  /** PeerId (text) that the envelopes will show. */
  readonly signer: string
  /** Throws `InvalidParametersError` or `MessageTooLargeError` (over 1 MiB). */
  seal(init: SealInit): Promise<Uint8Array>
}

export interface OpenerInit {
  /** Verified envelopes that are remembered, so that copies cost no verification. @default 4096 */
  readonly cacheMax?: number
}

export interface OpenOptions {
  /** The domain it must have been sealed for. */
  readonly domain: string
  /** Bytes of the whole envelope at most. @default 1048576 */
  readonly bytesMax?: number
}

/** One result of a batch. */
export type OpenResult =
  | { readonly status: 'opened'; readonly envelope: Envelope }
  | { readonly status: 'invalid'; readonly error: InvalidSignatureError }

/** Opens envelopes of any signer: the signer's PeerId is its key, so nothing is looked up. */
export interface Opener {
  /** Throws `InvalidSignatureError` for anything that is not a valid envelope of that domain. */
  open(bytes: Uint8Array, options: OpenOptions): Promise<Envelope>
  /** The same for many, in their order; signatures are checked in parallel off the event loop. */
  openAll(batch: readonly Uint8Array[], options: OpenOptions): Promise<readonly OpenResult[]>
}

/**
 * Makes a {@link Sealer}. Throws `InvalidParametersError` unless the key is Ed25519.
 *
 * @example
 * ```ts
 * const sealer = createSealer({ privateKey })
 * const bytes = await sealer.seal({ domain: 'signals', type: 'batch', sequence: 1, payload })
 * ```
 */
export function createSealer(init: SealerInit): Sealer {
  const signer = createSigner(init.privateKey)
  const clock = init.clock ?? systemClock
  return {
    signer: signer.peer,
    seal: async ({ domain, type, sequence, payload }) => {
      checkDomain(domain)
      const time = Math.trunc(clock.now())
      const body = EnvelopeBody.encode({ signer: signer.publicKey, type, sequence, time, payload })
      const signature = await signer.sign(bytesToSign('murmuration-envelope-1', domain, body))
      const bytes = joinSigned(signature, body)
      if (bytes.length > envelopeBytesMaxDefault) {
        throw new MessageTooLargeError(`an envelope has at most ${envelopeBytesMaxDefault} bytes`)
      }
      return bytes
    }
  }
}

/**
 * PeerId (text) of whom an envelope names as its signer, which nothing has proven: to refuse early what
 * would be refused for its signer, without the cost of a verification. Undefined: it is no envelope.
 */
export function claimedSigner(bytes: Uint8Array): string | undefined {
  const parts = splitSigned(bytes)
  if (parts === undefined) {
    return undefined
  }
  try {
    const { signer } = EnvelopeBody.decode(parts.body)
    return signer.length === 32 ? peerOfPublicKey(signer) : undefined
  } catch {
    return undefined
  }
}

/** Makes an {@link Opener} with its own bounded caches. Throws `InvalidParametersError`. */
export function createOpener(init: OpenerInit = {}): Opener {
  return createOpenerOver(createVerifier(), init)
}

/** The same over a given verifier, so that a test can count what is verified. */
export function createOpenerOver(verifier: Verifier, init: OpenerInit): Opener {
  const cacheMax = init.cacheMax ?? verifiedCacheMaxDefault
  if (!Number.isSafeInteger(cacheMax) || cacheMax < 0) {
    throw new InvalidParametersError('cacheMax must be an integer of 0 or more')
  }
  // Only hashes are kept: remembering whole envelopes would bind memory by the size of payloads.
  const verified = createBoundedMap<string, true>(cacheMax)

  const open = async (
    bytes: Uint8Array,
    { domain, bytesMax = envelopeBytesMaxDefault }: OpenOptions,
    verify: VerifySignature
  ): Promise<Envelope> => {
    checkDomain(domain)
    if (!(bytes instanceof Uint8Array) || bytes.length > bytesMax) {
      throw new InvalidSignatureError(`an envelope has at most ${bytesMax} bytes`)
    }
    const parts = splitSigned(bytes)
    if (parts === undefined) {
      throw new InvalidSignatureError('these bytes are no envelope of a known version')
    }
    const { signer, ...rest } = readBody(parts.body)
    if (signer.length !== 32) {
      throw new InvalidSignatureError('the signer of the envelope is no Ed25519 key')
    }
    const name = `${hash(bytes)}${domain}`
    if (verified.get(name) === undefined) {
      const message = bytesToSign('murmuration-envelope-1', domain, parts.body)
      if (!(await verify(signer, message, parts.signature))) {
        throw new InvalidSignatureError('the signature of the envelope does not hold')
      }
      verified.set(name, true)
    }
    return { signer: nameOf(signer), domain, ...rest }
  }

  const names = createBoundedMap<string, string>(cacheMax + 1)
  const nameOf = (publicKey: Uint8Array): string => {
    const key = toString(publicKey, 'base64url')
    const known = names.get(key)
    if (known !== undefined) {
      return known
    }
    const name = peerOfPublicKey(publicKey)
    names.set(key, name)
    return name
  }

  return {
    open: (bytes, options) => open(bytes, options, verifier.verify),
    openAll: async (batch, options) => {
      checkDomain(options.domain)
      return await openInParallel(batch, (bytes) => open(bytes, options, verifier.verifyAside))
    }
  }
}

async function openInParallel(
  batch: readonly Uint8Array[],
  open: (bytes: Uint8Array) => Promise<Envelope>
): Promise<readonly OpenResult[]> {
  const results: OpenResult[] = []
  let next = 0
  const work = async (): Promise<void> => {
    for (let index = next++; index < batch.length; index = next++) {
      const bytes = batch[index]
      if (bytes !== undefined) {
        // Each worker takes one after the other on purpose: that bounds what runs at once.
        // oxlint-disable-next-line no-await-in-loop
        results[index] = await open(bytes).then(
          (envelope): OpenResult => ({ status: 'opened', envelope }),
          (error: unknown): OpenResult => {
            if (error instanceof InvalidSignatureError) {
              return { status: 'invalid', error }
            }
            throw error
          }
        )
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(verifyParallel, batch.length) }, work))
  return results
}

function readBody(body: Uint8Array): EnvelopeBody {
  try {
    return EnvelopeBody.decode(body)
  } catch (cause) {
    throw new InvalidSignatureError('the content of the envelope cannot be read', { cause })
  }
}

/** SHA-256 as text of fixed length. */
function hash(bytes: Uint8Array): string {
  return nodeCrypto === undefined
    ? toString(sha256(bytes), 'base64url')
    : nodeCrypto.hash('sha256', bytes, 'base64url')
}
