import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { hkdf } from '@noble/hashes/hkdf.js'
import { scryptAsync } from '@noble/hashes/scrypt.js'
import { sha256 } from '@noble/hashes/sha2.js'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { InvalidParametersError } from '@murmuration/interface'
import { toString } from 'uint8arrays/to-string'
import { createBoundedMap } from './core/bounded-map.ts'
import { derivedSecretsMax, scryptCost, secretBytesMax, secretBytesMin } from './defaults.ts'
import { nodeCrypto } from './node-builtins.ts'

/** What a cluster secret stands for. */
export interface DerivedSecret {
  readonly rootKey: Ed25519PrivateKey
  /** Pre-shared key in the file format of libp2p's private networks. */
  readonly psk: Uint8Array
}

const encoder = new TextEncoder()
/** By a hash of cluster and secret, so that the map itself shows neither. */
const derived = createBoundedMap<string, Promise<DerivedSecret>>(derivedSecretsMax)

/**
 * Turns a cluster secret into keys: scrypt over the secret, salted with the cluster's name, then
 * HKDF-SHA-256 with a label per key. The same cluster and secret give the same keys everywhere.
 *
 * Throws `InvalidParametersError` for a secret shorter than 16 or longer than 1024 bytes.
 */
export async function deriveSecret(cluster: string, secret: string): Promise<DerivedSecret> {
  const password = typeof secret === 'string' ? encoder.encode(secret) : new Uint8Array()
  if (password.length < secretBytesMin || password.length > secretBytesMax) {
    throw new InvalidParametersError(
      `a cluster secret has ${secretBytesMin} to ${secretBytesMax} bytes; ` +
        'make one with: openssl rand -base64 32'
    )
  }
  const salt = encoder.encode(`murmuration-secret-1 ${cluster}`)
  const name = toString(hkdf(sha256, password, salt, encoder.encode('cache'), 32), 'base64url')
  let result = derived.get(name)
  if (result === undefined) {
    result = derive(password, salt)
    derived.set(name, result)
    // A failure (such as too little memory) may pass; it must not be remembered.
    result.catch(() => derived.delete(name))
  }
  return await result
}

async function derive(password: Uint8Array, salt: Uint8Array): Promise<DerivedSecret> {
  const stretched = await stretch(password, salt)
  const label = (text: string): Uint8Array =>
    hkdf(sha256, stretched, undefined, encoder.encode(`murmuration ${text}`), 32)
  const rootKey = await generateKeyPairFromSeed('Ed25519', label('root key'))
  const hex = toString(label('private network'), 'base16')
  return { rootKey, psk: encoder.encode(`/key/swarm/psk/1.0.0/\n/base16/\n${hex}`) }
}

/** The slow step, with `crypto` if there is one: equal results, but 4 times slower without. */
export async function stretch(
  password: Uint8Array,
  salt: Uint8Array,
  crypto: NonNullable<typeof nodeCrypto> | null = nodeCrypto ?? null
): Promise<Uint8Array> {
  const { N, r, p } = scryptCost
  if (crypto === null) {
    return await scryptAsync(password, salt, { N, r, p, dkLen: 32 })
  }
  const { scrypt } = crypto
  return await new Promise((resolve, reject) => {
    // Twice what the formula 128 · N · r needs, because Node counts its own overhead too.
    scrypt(password, salt, 32, { N, r, p, maxmem: 256 * N * r }, (error, key) => {
      if (error === null) {
        resolve(key)
      } else {
        reject(error)
      }
    })
  })
}
