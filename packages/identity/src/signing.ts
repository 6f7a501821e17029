import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { InvalidParametersError } from '@murmuration/interface'
import { toString } from 'uint8arrays/to-string'
import type { KeyObject } from 'node:crypto'
import { createBoundedMap } from './core/bounded-map.ts'
import { peerOfPublicKey } from './core/peer-name.ts'
import { signatureLength } from './core/signed-bytes.ts'
import type { Signer, VerifySignature } from './core/signed-bytes.ts'
import { keyCacheMax } from './defaults.ts'
import { nodeCrypto } from './node-builtins.ts'

/**
 * Ed25519 through `node:crypto` with key objects that are made once: `@libp2p/crypto` makes one for
 * every call, which triples the cost of a signature. Without Node it does the work itself.
 */
export interface Verifier {
  /** On this thread: best for one message. */
  readonly verify: VerifySignature
  /** On the thread pool where there is one: best for many, and the event loop stays free. */
  readonly verifyAside: (
    publicKey: Uint8Array,
    message: Uint8Array,
    signature: Uint8Array
  ) => Promise<boolean>
}

/**
 * Prepares a key for signing, with `crypto` if there is one. Throws `InvalidParametersError` unless
 * it is an Ed25519 key.
 */
export function createSigner(
  privateKey: PrivateKey,
  crypto: NodeCrypto | null = nodeCrypto ?? null
): Signer {
  if (privateKey.type !== 'Ed25519') {
    throw new InvalidParametersError(`an Ed25519 key is needed, not ${privateKey.type}`)
  }
  const publicKey = privateKey.publicKey.raw
  const peer = peerOfPublicKey(publicKey)
  if (crypto === null) {
    return { publicKey, peer, sign: (message) => privateKey.sign(message) }
  }
  const { createPrivateKey, sign } = crypto
  const d = toString(privateKey.raw.subarray(0, 32), 'base64url')
  const x = toString(publicKey, 'base64url')
  const key = createPrivateKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', d, x } })
  return { publicKey, peer, sign: (message) => sign(null, message, key) }
}

/** Makes a verifier with its own bounded cache of keys, with `crypto` if there is one. */
export function createVerifier(crypto: NodeCrypto | null = nodeCrypto ?? null): Verifier {
  return crypto === null
    ? { verify: verifyPortably, verifyAside: verifyPortably }
    : createNodeVerifier(crypto)
}

type NodeCrypto = NonNullable<typeof nodeCrypto>

function createNodeVerifier({ createPublicKey, verify }: NodeCrypto): Verifier {
  const keys = createBoundedMap<string, KeyObject>(keyCacheMax)
  const prepare = (publicKey: Uint8Array, signature: Uint8Array): KeyObject | undefined => {
    if (publicKey.length !== 32 || signature.length !== signatureLength) {
      return undefined
    }
    const x = toString(publicKey, 'base64url')
    let key = keys.get(x)
    if (key === undefined) {
      try {
        key = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } })
      } catch {
        // These bytes are no point of the curve, so nothing can have been signed by them.
        return undefined
      }
      keys.set(x, key)
    }
    return key
  }
  return {
    verify: (publicKey, message, signature) => {
      const key = prepare(publicKey, signature)
      return key !== undefined && verify(null, message, key, signature)
    },
    verifyAside: async (publicKey, message, signature) => {
      const key = prepare(publicKey, signature)
      if (key === undefined) {
        return false
      }
      return await new Promise((resolve, reject) => {
        verify(null, message, key, signature, (error, holds) => {
          if (error === null) {
            resolve(holds)
          } else {
            reject(error)
          }
        })
      })
    }
  }
}

async function verifyPortably(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array
): Promise<boolean> {
  if (publicKey.length !== 32 || signature.length !== signatureLength) {
    return false
  }
  try {
    return await publicKeyFromRaw(publicKey).verify(message, signature)
  } catch {
    // The library throws for bytes that are no key; a signature by no key does not hold.
    return false
  }
}
